package local

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// maxNamed bounds how many of one kind a sentence names; it counts the others.
const maxNamed = 3

// group is sockets with the same holder.
type group struct {
	holder  string
	sockets []Listener
}

// groups sorts the sockets of one state by holder, in order of appearance.
func (f finding) groups(state Word) []group {
	var groups []group
	for _, l := range f.listeners {
		if l.State != state {
			continue
		}
		h := holder(l)
		i := slices.IndexFunc(groups, func(g group) bool { return g.holder == h })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{holder: h})
		}
		groups[i].sockets = append(groups[i].sockets, l)
	}
	return groups
}

func (f finding) whyListening() string {
	var parts []string
	for _, g := range f.groups(Listening) {
		part := fmt.Sprintf("%s on %s, %s%s", g.holder, g.addresses(), reachable(g.sockets), proxied(g.sockets))
		if missing := missing(f.owners); missing != "" && len(g.sockets[0].Owners) == 0 {
			part += ", " + missing
		}
		if slices.ContainsFunc(g.sockets[0].Owners, func(o owner.Owner) bool { return o.Unrelated }) {
			part += ", shared by processes that do not descend from one another"
		}
		parts = append(parts, part+f.losses(g.sockets))
	}
	why := some(parts, "; ", "more holder", "more holders")
	if n := f.count[socket.Bound]; n > 0 {
		why += fmt.Sprintf("; %s bound and not listening", count(n, "socket", "sockets"))
	}
	return why + f.connections()
}

func (f finding) whyBound() string {
	var parts []string
	for _, g := range f.groups(Bound) {
		part := fmt.Sprintf("%s on %s", g.holder, g.addresses())
		if missing := missing(f.owners); missing != "" && len(g.sockets[0].Owners) == 0 {
			part += " (" + missing + ")"
		}
		parts = append(parts, part)
	}
	return "held by " + some(parts, "; ", "more holder", "more holders") + ", but not listening" + f.connections()
}

// connections counts what uses the port beside its holders. Owners of
// connections are known only where there is no holder.
func (f finding) connections() string {
	var s string
	if n := f.count[socket.Connected]; n > 0 {
		s += fmt.Sprintf("; %s the number", count(n, "connection uses", "connections use"))
		var named []string
		for _, g := range f.groups(Connected) {
			if len(g.sockets[0].Owners) > 0 {
				named = append(named, g.holder)
			}
		}
		if len(named) > 0 {
			s += ", of " + some(named, " and ", "other", "others")
		}
	}
	if n := f.count[socket.TimeWait]; n > 0 {
		s += fmt.Sprintf("; %s the number", count(n, "connection in TIME_WAIT still uses", "connections in TIME_WAIT still use"))
	}
	return s
}

// holder names who holds a socket, as well as that is known.
func holder(l Listener) string {
	if len(l.Owners) == 0 {
		return stray(l)
	}
	var names []string
	for _, o := range l.Owners {
		about := []string{"pid " + strconv.Itoa(o.PID)}
		if o.User != "" {
			about = append(about, userIn(o.User))
		}
		if n := len(o.Workers); n > 0 {
			about = append(about, count(n, "worker", "workers"))
		}
		if o.SocketUnit != "" {
			about = append(about, "for "+printable(o.SocketUnit))
		} else if where := Where(o.Place); where != "" {
			about = append(about, where)
		}
		if o.Ended {
			about = append(about, "ended meanwhile")
		}
		names = append(names, fmt.Sprintf("%s (%s)", cmp.Or(nameIn(o.Name), "a process"), strings.Join(about, ", ")))
	}
	return some(names, " and ", "other process", "other processes")
}

// stray says what is known of a socket whose owner is not, and whose it may be.
func stray(l Listener) string {
	said := "a socket"
	switch {
	case l.User != "":
		said += " of " + printable(l.User)
	case l.UID != nil:
		said += fmt.Sprintf(" of uid %d", *l.UID)
	}
	if where := Where(l.Place); where != "" {
		said += " in " + where
	}
	if guess := Guess(l.Origin); guess != "" {
		said += ", " + guess
	}
	return said
}

// userIn is a user in a sentence: one without a name goes by the number.
func userIn(user string) string {
	if _, err := strconv.ParseUint(user, 10, 32); err == nil {
		return "uid " + user
	}
	return printable(user)
}

// nameIn is a process's name in a sentence, quoted where it would look like a
// part of that, as "(sd-pam)" and "x, root" do.
func nameIn(name string) string {
	if strings.ContainsAny(name, "(),;") {
		return strconv.Quote(name)
	}
	return printable(name)
}

// printable quotes a name that would break a line of text.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// addresses names where the sockets of a group are, equal ones once.
func (g group) addresses() string {
	var names []string
	times := make(map[string]int)
	for _, l := range g.sockets {
		name := place(l)
		if times[name]++; times[name] == 1 {
			names = append(names, name)
		}
	}
	for i, name := range names {
		if n := times[name]; n > 1 {
			names[i] = fmt.Sprintf("%s (%d sockets)", name, n)
		}
	}
	return some(names, " and ", "other address", "other addresses")
}

// place is an address and what narrows it.
func place(l Listener) string {
	s := netip.AddrPortFrom(l.Address, l.Port).String()
	if l.Device != "" {
		s += " on device " + printable(l.Device)
	}
	if l.Address.IsUnspecified() && l.Family == "ipv6" {
		s += " (IPv6 only)"
	}
	return s
}

// reachable says from where one of the sockets can be reached, of the widest.
func reachable(sockets []Listener) string {
	for _, r := range [...]struct{ reach, phrase string }{
		{"any", "reachable from any address"},
		{"public", "reachable from public networks"},
		{"private", "reachable from private networks"},
		{"link-local", "reachable from the same link"},
	} {
		if slices.ContainsFunc(sockets, func(l Listener) bool { return l.Reach == r.reach }) {
			return r.phrase
		}
	}
	return "reachable from this machine only"
}

// some joins the first few parts and counts the others.
func some(parts []string, between, one, many string) string {
	if n := len(parts) - maxNamed; n > 0 {
		return strings.Join(parts[:maxNamed], between) + between + count(n, one, many)
	}
	return strings.Join(parts, between)
}

// losses says what sockets of one holder have dropped, and whether the accept
// queue of one is full.
func (f finding) losses(sockets []Listener) string {
	var said string
	var full bool
	var drops uint64
	for _, l := range sockets {
		drops += l.Drops
		if b := l.Backlog; !full && b != nil && b.Full() {
			full = true
			said = fmt.Sprintf(", accept queue full (%d of %d)", b.Used, b.Limit)
		}
	}
	if drops > 0 && f.port.Proto == probe.UDP {
		return said + fmt.Sprintf(", %s dropped", count(int(drops), "datagram", "datagrams"))
	}
	if drops > 0 {
		said += fmt.Sprintf(", %s dropped", count(int(drops), "attempt to connect", "attempts to connect"))
	}
	if b := f.dropped; full && b.ByFullQueue > 0 {
		said += fmt.Sprintf(" (in this network namespace since it began: %d by full queues", b.ByFullQueue)
		if b.Otherwise > 0 {
			said += fmt.Sprintf(", %d for other reasons", b.Otherwise)
		}
		said += ")"
	}
	return said
}
