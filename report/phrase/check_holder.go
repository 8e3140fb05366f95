package phrase

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	"onmux/probe/wording"
)

// group is sockets with the same holder.
type group struct {
	holder  string
	sockets []local.Listener
}

// groups sorts the sockets of one state by holder, in order of appearance.
func groups(listeners []local.Listener, state local.Word) []group {
	var all []group
	for _, l := range listeners {
		if l.State != state {
			continue
		}
		h := holder(l)
		i := slices.IndexFunc(all, func(g group) bool { return g.holder == h })
		if i < 0 {
			i = len(all)
			all = append(all, group{holder: h})
		}
		all[i].sockets = append(all[i].sockets, l)
	}
	return all
}

// listening is about a port on which sockets listen.
func listening(f local.Facts) string {
	var parts []string
	for _, g := range groups(f.Listeners, local.Listening) {
		part := fmt.Sprintf("%s on %s, %s%s", g.holder, g.addresses(), reachable[g.reach()]+firewalled(f, g), g.proxied())
		owners := g.sockets[0].Owners
		if missing := noOwner(f.NoOwner); missing != "" && len(owners) == 0 {
			part += ", " + missing
		}
		if slices.ContainsFunc(owners, func(o owner.Owner) bool { return o.Unrelated }) {
			part += ", shared by processes that do not descend from one another"
		}
		parts = append(parts, part+g.losses(f))
	}
	text := wording.Some(parts, "; ", "more holder", "more holders")
	if n := f.Counts[socket.Bound]; n > 0 {
		text += fmt.Sprintf("; %s bound and not listening", wording.Count(n, "socket", "sockets"))
	}
	return text + connections(f)
}

// bound is about a port that is held, and on which nothing listens.
func bound(f local.Facts) string {
	var parts []string
	for _, g := range groups(f.Listeners, local.Bound) {
		part := g.holder + " on " + g.addresses()
		if missing := noOwner(f.NoOwner); missing != "" && len(g.sockets[0].Owners) == 0 {
			part += " (" + missing + ")"
		}
		parts = append(parts, part)
	}
	return "held by " + wording.Some(parts, "; ", "more holder", "more holders") + ", but not listening" + connections(f)
}

// connections counts what uses the port beside its holders. Owners of connections
// are known only where there is no holder.
func connections(f local.Facts) string {
	var text string
	if n := f.Counts[socket.Connected]; n > 0 {
		text += fmt.Sprintf("; %s the number", wording.Count(n, "connection uses", "connections use"))
		var named []string
		for _, g := range groups(f.Listeners, local.Connected) {
			if len(g.sockets[0].Owners) > 0 {
				named = append(named, g.holder)
			}
		}
		if len(named) > 0 {
			text += ", of " + wording.Some(named, " and ", "other", "others")
		}
		if c := f.CloseWait; c > 0 {
			text += fmt.Sprintf(" (%s in CLOSE_WAIT, not closed here)", wording.Number(c))
		}
	}
	if n := f.Counts[socket.TimeWait]; n > 0 {
		text += fmt.Sprintf("; %s the number",
			wording.Count(n, "connection in TIME_WAIT still uses", "connections in TIME_WAIT still use"))
	}
	return text
}

func noOwner(why local.NoOwner) string {
	switch why {
	case local.OwnerUnreadable:
		return "owner not readable"
	case local.NoProcess:
		return "no process that can be seen here holds it: the kernel itself may, as for VXLAN, WireGuard or NFS, " +
			"or io_uring, or it is on its way between processes"
	case local.OutsideOwner:
		return "no process of this PID namespace holds it: its owner lives in another one, or is the kernel itself"
	}
	return ""
}

// holder names who holds a socket, as well as that is known.
func holder(l local.Listener) string {
	if len(l.Owners) == 0 {
		return unowned(l)
	}
	var names []string
	for _, o := range l.Owners {
		about := []string{"pid " + strconv.Itoa(o.PID)}
		if o.User != "" {
			about = append(about, userName(o.User))
		}
		if n := len(o.Workers); n > 0 {
			about = append(about, wording.Count(n, "worker", "workers"))
		}
		if o.SocketUnit != "" {
			about = append(about, "for "+wording.Printable(o.SocketUnit))
		} else if where := Where(o.Place); where != "" {
			about = append(about, where)
		}
		if o.Ended {
			about = append(about, "ended meanwhile")
		}
		names = append(names, fmt.Sprintf("%s (%s)", processName(o.Name), strings.Join(about, ", ")))
	}
	return wording.Some(names, " and ", "other process", "other processes")
}

// unowned is what is known of a socket whose owner is not known, and who may be.
func unowned(l local.Listener) string {
	text := "a socket"
	switch {
	case l.User != "":
		text += " of " + wording.Printable(l.User)
	case l.UID != nil:
		text += fmt.Sprintf(" of uid %d", *l.UID)
	}
	if where := Where(l.Place); where != "" {
		text += " in " + where
	}
	if guess := Guess(l.Origin); guess != "" {
		text += ", " + guess
	}
	return text
}

// userName is a user in a sentence: one without a name goes by the number.
func userName(user string) string {
	if _, err := strconv.ParseUint(user, 10, 32); err == nil {
		return "uid " + user
	}
	return wording.Printable(user)
}

// processName is a process's name in a sentence, quoted where it would look like a
// part of that, as "(sd-pam)" and "x, root" do.
func processName(name string) string {
	if strings.ContainsAny(name, "(),;") {
		return strconv.Quote(name)
	}
	return cmp.Or(wording.Printable(name), "a process")
}

// addresses names where the sockets of a group are, equal ones once.
func (g group) addresses() string {
	var names []string
	times := make(map[string]int)
	for _, l := range g.sockets {
		name := boundTo(l)
		if times[name]++; times[name] == 1 {
			names = append(names, name)
		}
	}
	for i, name := range names {
		if n := times[name]; n > 1 {
			names[i] = fmt.Sprintf("%s (%s)", name, wording.Count(n, "socket", "sockets"))
		}
	}
	return wording.Some(names, " and ", "other address", "other addresses")
}

// boundTo is an address and what narrows it.
func boundTo(l local.Listener) string {
	s := netip.AddrPortFrom(l.Address, l.Port).String()
	if l.Device != "" {
		s += " on device " + wording.Printable(l.Device)
	}
	if l.Address.IsUnspecified() && l.Family == "ipv6" {
		s += " (IPv6 only)"
	}
	return s
}

// reach is the widest of the sockets.
func (g group) reach() string {
	for _, reach := range []string{"any", "public", "private", "link-local"} {
		if slices.ContainsFunc(g.sockets, func(l local.Listener) bool { return l.Reach == reach }) {
			return reach
		}
	}
	return "loopback"
}

// reachable has from where a socket of each reach can be reached.
var reachable = map[string]string{
	"any":        "reachable from any address",
	"public":     "reachable from public networks",
	"private":    "reachable from private networks",
	"link-local": "reachable from the same link",
	"loopback":   "reachable from this machine only",
}

// losses is what the sockets have dropped because a queue of theirs was full, and
// whether the accept queue of one is full now.
func (g group) losses(f local.Facts) string {
	var text string
	var full bool
	var drops uint64
	for _, l := range g.sockets {
		drops += l.Drops
		if b := l.Backlog; !full && b != nil && b.Full() {
			full = true
			text = fmt.Sprintf(", accept queue full (%s of %s)", wording.Number(uint64(b.Used)),
				wording.Number(uint64(b.Limit)))
		}
	}
	if drops > 0 && f.Port.Proto == probe.UDP {
		return text + fmt.Sprintf(", %s dropped", wording.Count(drops, "datagram", "datagrams"))
	}
	attempts := wording.Count(drops, "attempt to connect", "attempts to connect")
	switch {
	case drops > 0 && full:
		text += fmt.Sprintf(", %s dropped", attempts)
	case drops > 0: // the kernel counts those of other reasons with them
		text += fmt.Sprintf(", up to %s dropped by a full accept queue", attempts)
	}
	if full && f.Overflows > 0 {
		text += fmt.Sprintf(" (in this network namespace since it began: %s by full queues)",
			wording.Number(f.Overflows))
	}
	return text
}

// proxied names what the sockets of a proxy pass on to.
func (g group) proxied() string {
	var targets []string
	for _, l := range g.sockets {
		to := proxyTarget(l.Proxy)
		if l.Behind != nil {
			to = behind(*l.Behind)
		}
		if to != "" && !slices.Contains(targets, to) {
			targets = append(targets, to)
		}
	}
	if len(targets) == 0 {
		return ""
	}
	return ", a proxy for " + wording.Some(targets, " and ", "other", "others")
}

// proxyTarget is the address or the socket to which a proxy passes a port on.
func proxyTarget(t owner.ProxyTarget) string {
	switch {
	case t.Kubernetes:
		return "a Kubernetes service"
	case t.Socket != "":
		return wording.Printable("the socket " + t.Socket)
	}
	return wording.Printable(t.Address)
}

// Where names a place, as "nginx.service", "docker container 0123456789ab" or
// "container 0123456789ab of pod 1b2c"; "" if nothing is known. Of a container the
// unit is not named: it means the same.
func Where(p owner.Place) string {
	container := wording.Printable(cmp.Or(p.ContainerName, p.Container))
	if container != "" {
		container = "container " + container
	}
	pod := wording.Printable(cmp.Or(p.Pod, p.PodUID))
	switch {
	case pod != "" && container != "":
		return container + " of pod " + pod
	case pod != "":
		return "pod " + pod
	case container != "" && p.Runtime != "":
		return wording.Printable(p.Runtime) + " " + container
	case container != "":
		return container
	}
	return wording.Printable(p.Unit)
}

// Guess names the likely owners, as "likely nginx (pid 412 or 413)"; "" if none is:
// candidates that fit the port, or that run where the socket was made and have one name.
func Guess(o owner.Origin) string {
	likely := slices.DeleteFunc(slices.Clone(o.Candidates), func(c owner.Candidate) bool { return !c.Likely })
	more := 0
	if len(likely) == 0 {
		likely, more = o.Candidates, o.MoreCandidates
		differs := func(c owner.Candidate) bool { return c.Name != likely[0].Name || c.By != "cgroup" }
		if slices.ContainsFunc(likely, differs) {
			return ""
		}
	}
	if len(likely) == 0 || likely[0].Name == "" {
		return ""
	}
	var pids []string
	for _, c := range likely {
		pids = append(pids, strconv.Itoa(c.PID))
	}
	return fmt.Sprintf("likely %s (pid %s)", processName(likely[0].Name), either(pids, more))
}

// either joins the first few alternatives and counts the others, of which there are
// some more.
func either(parts []string, more int) string {
	if n := len(parts) - wording.MaxNamed; n > 0 {
		parts, more = parts[:wording.MaxNamed], more+n
	}
	if more > 0 {
		return strings.Join(parts, ", ") + " or " + wording.Count(more, "other", "others")
	}
	if last := len(parts) - 1; last > 0 {
		return strings.Join(parts[:last], ", ") + " or " + parts[last]
	}
	return parts[0]
}
