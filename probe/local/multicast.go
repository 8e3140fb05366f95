package local

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"onmux/probe"
)

// Bounds of the multicast groups that are told.
const (
	maxGroups      = 64   // of one socket
	maxMemberships = 4096 // of all that are kept
)

// membership is a multicast group that this machine has joined on a device,
// for whichever socket.
type membership struct {
	group   netip.Addr
	device  string
	index   int // of the device
	users   int // how often it was joined
	sources []string
	asked   int // how many of the users ask for the most asked-for source
	more    int // sources beyond those kept
}

// String is "224.0.0.251 on eth0". If every user asked for certain senders (RFC
// 4607), it names them: a user counts at most once for each source, so that as
// many for one source as there are users are all of them. Otherwise nobody can
// tell, from what the kernel says, whether one takes them all.
func (m membership) String() string {
	s := fmt.Sprintf("%s on %s", m.group, printable(m.device))
	if m.asked == m.users && len(m.sources) > 0 {
		from := m.sources
		if m.more > 0 {
			from = append(slices.Clip(from), count(m.more, "other", "others"))
		}
		s += ", from " + strings.Join(from, " and ") + " only"
	}
	return s
}

// memberships is the groups that this machine has joined. The kernel tells them by
// device: which socket asked it does not tell, and a socket at no address in
// particular receives what any socket has joined, unless it said otherwise
// (IP_MULTICAST_ALL, IPV6_MULTICAST_ALL). An IPv6 socket that takes IPv4 too is
// an exception: of IPv4 it receives only what it has joined itself
// (inet6_create), which nobody tells.
type memberships struct {
	asked bool         // a socket was seen that may receive what is sent to groups
	all   []membership // by group and device
	cut   bool         // there are more
	apart bool         // there are groups of IPv4, and an IPv6 socket that may have joined them
	err   error        // why they could not be read, or not all of them
}

// interest is which groups the listeners seen may receive.
type interest struct {
	v4, v6 bool                // all of a family, but those that are always joined
	dual   bool                // an IPv6 socket may take IPv4 too
	bound  map[netip.Addr]bool // to which a socket is bound
}

func (c census) interest() interest {
	in := interest{bound: make(map[netip.Addr]bool)}
	for p, t := range c {
		if p.Proto != probe.UDP {
			continue
		}
		for _, s := range t.told[listening] {
			switch a := s.local.Addr(); {
			case a.IsMulticast():
				in.bound[a.WithZone("")] = true
			case a.IsUnspecified():
				in.v4 = in.v4 || s.family == "ipv4"
				in.v6 = in.v6 || s.family != "ipv4"
				in.dual = in.dual || s.family == "dual" || s.family == ""
			}
		}
	}
	return in
}

func (in interest) any() bool { return in.v4 || in.v6 || len(in.bound) > 0 }

func (in interest) in(group netip.Addr) bool {
	if group.Is4() && in.v4 || group.Is6() && in.v6 {
		return !always(group) || in.bound[group]
	}
	return in.bound[group]
}

// solicited is the groups in which neighbours are looked for (RFC 4291, section
// 2.7.1).
var solicited = netip.MustParsePrefix("ff02::1:ff00:0/104")

// always reports whether Linux joins a group by itself: that of all hosts (RFC
// 1112, RFC 4291), those of a host's own addresses and, where it forwards, those
// of all routers.
func always(group netip.Addr) bool {
	if group.Is4() {
		return group == netip.AddrFrom4([4]byte{224, 0, 0, 1})
	}
	b := group.As16()
	scope := b[1]
	b[1] = 2
	switch netip.AddrFrom16(b) {
	case netip.IPv6LinkLocalAllNodes():
		return scope == 1 || scope == 2
	case netip.IPv6LinkLocalAllRouters():
		return scope == 1 || scope == 2 || scope == 5
	}
	return solicited.Contains(group)
}

// of is the groups that this machine has joined and the socket may receive:
// those on its device and, if it is bound to a group, that one alone.
func (j memberships) of(s socket) []string {
	a := s.local.Addr().WithZone("")
	if s.proto != probe.UDP || s.state != listening || !a.IsUnspecified() && !a.IsMulticast() {
		return nil
	}
	var names []string
	for _, m := range j.all {
		switch {
		case len(names) == maxGroups:
			return names
		case s.device != "" && s.device != m.device:
		case a.IsMulticast() && a != m.group:
		case a.IsUnspecified() && (always(m.group) || m.group.Is4() != (s.family == "ipv4")):
		default:
			names = append(names, m.String())
		}
	}
	return names
}

// misses reports whether a socket is bound to a group that is known not to be
// joined where the socket listens: nothing that is sent to it arrives.
func (j memberships) misses(l Listener) bool {
	return j.asked && j.err == nil && !j.cut && l.Proto == probe.UDP && l.State == Listening &&
		l.Address.IsMulticast() && len(l.Groups) == 0
}

func (j memberships) coverage() []string {
	switch {
	case !j.asked:
		return nil
	case j.err != nil && len(j.all) == 0:
		return []string{fmt.Sprintf("multicast groups: not read: %v", j.err)}
	case j.err != nil:
		return []string{fmt.Sprintf("multicast groups: not all read: %v", j.err)}
	}
	said := "multicast groups: those that this machine has joined, by device, whichever socket asked for them"
	if j.apart {
		said += "; an IPv6 socket that takes IPv4 receives those of IPv4 that it has joined itself, which are not told"
	}
	if j.cut {
		said += fmt.Sprintf("; only the first %d were looked at", maxMemberships)
	}
	if len(j.all) > maxGroups {
		said += fmt.Sprintf("; no more than %d for a socket", maxGroups)
	}
	return []string{said}
}

// unjoined says of the first socket that is bound to a group that is not joined
// that it is.
func (f finding) unjoined(sockets []Listener) string {
	i := slices.IndexFunc(sockets, f.joined.misses)
	if i < 0 {
		return ""
	}
	l := sockets[i]
	where := "this machine"
	if l.Device != "" {
		where += " on " + printable(l.Device)
	}
	return fmt.Sprintf(", but %s has not joined %s, so that nothing arrives", where, l.Address.WithZone(""))
}
