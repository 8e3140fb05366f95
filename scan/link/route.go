package link

import (
	"iter"
	"net/netip"
	"slices"
	"sort"

	"onmux/probe"
)

// RouteConfig has the destinations of which the routes are wanted.
type RouteConfig struct {
	Runs   iter.Seq2[netip.Addr, netip.Addr] // first and last address of each run, ascending within a family and zone
	Ports  []probe.Port                      // at least one; a rule can name a protocol and a port
	Device string                            // packets must leave here; "" for wherever the kernel sends them
	Spread bool                              // look up each address of a route that has several next hops
	Source netip.Addr                        // of this machine, from which packets come; invalid for the kernel's choice
}

// Table has the route to every address of its runs. It is read-only and may be
// shared by goroutines.
type Table struct {
	lines   []line
	perPort bool // rules name ports, so each port has lines of its own
	routes  []*Route
}

// line is the address space of one family and zone, cut where the kernel's decision
// may change.
type line struct {
	v4   bool
	zone string
	port int // its place in RouteConfig.Ports

	starts []netip.Addr // without zones; the first is the lowest address
	routes []*Route     // from each start to the next
}

// Find returns the route to an address of the runs for Ports[port]. It does not allocate.
func (t *Table) Find(a netip.Addr, port int) *Route {
	if !t.perPort {
		port = 0
	}
	v4, zone := a.Is4(), a.Zone()
	for i := range t.lines {
		if l := &t.lines[i]; l.v4 == v4 && l.port == port && l.zone == zone {
			return l.find(a.WithZone(""))
		}
	}
	return nil
}

// ByPort reports whether the kernel's rules name ports, so that each port may have a
// route of its own.
func (t *Table) ByPort() bool { return t.perPort }

// Parts yields the parts of a span that have one route each for Ports[port], in
// ascending order.
func (t *Table) Parts(s Span, port int) iter.Seq2[Span, *Route] {
	if !t.perPort {
		port = 0
	}
	zone := s.First.Zone()
	first, last := s.First.WithZone(""), s.Last.WithZone("")
	return func(yield func(Span, *Route) bool) {
		for i := range t.lines {
			l := &t.lines[i]
			if l.v4 != first.Is4() || l.port != port || l.zone != zone {
				continue
			}
			for k := l.at(first); k < len(l.starts) && l.starts[k].Compare(last) <= 0; k++ {
				part := Span{l.starts[k], last}
				if part.First.Less(first) {
					part.First = first
				}
				if k+1 < len(l.starts) && l.starts[k+1].Compare(last) <= 0 {
					part.Last = l.starts[k+1].Prev()
				}
				if !yield(Span{part.First.WithZone(zone), part.Last.WithZone(zone)}, l.routes[k]) {
					return
				}
			}
			return
		}
	}
}

// Routes lists the distinct routes.
func (t *Table) Routes() []*Route { return t.routes }

func (l *line) find(a netip.Addr) *Route { return l.routes[l.at(a)] }

// at is the part that contains an address.
func (l *line) at(a netip.Addr) int {
	lo := 0
	for n := len(l.starts); n > 1; {
		half := n >> 1
		if l.starts[lo+half].Compare(a) <= 0 {
			lo += half
		}
		n -= half
	}
	return lo
}

// cut divides the line at the given addresses, as far as there are spans on both sides.
func (l *line) cut(spans []Span, at []netip.Addr) {
	lowest := netip.IPv6Unspecified()
	if l.v4 {
		lowest = netip.IPv4Unspecified()
	}
	l.starts = append(l.starts, lowest)
	for _, a := range at {
		if a, ok := within(spans, a); ok {
			l.starts = append(l.starts, a)
		}
	}
	slices.SortFunc(l.starts, netip.Addr.Compare)
	l.starts = slices.Compact(l.starts)
	l.routes = make([]*Route, len(l.starts))
}

// within moves a cut into the spans: it stays where it is, or moves to the start of
// the next span. It returns false after the last.
func within(spans []Span, a netip.Addr) (netip.Addr, bool) {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].Last.WithZone("").Compare(a) >= 0 })
	if i == len(spans) {
		return a, false
	}
	if first := spans[i].First.WithZone(""); a.Less(first) {
		a = first
	}
	return a, true
}

// join removes the cuts between equal routes.
func (l *line) join() {
	n := 0
	for i := range l.starts {
		if n > 0 && (l.routes[i] == nil || l.routes[i] == l.routes[n-1]) {
			continue
		}
		if n > 0 && l.routes[n-1] == nil {
			l.routes[n-1] = l.routes[i] // no span is before it
			continue
		}
		l.starts[n], l.routes[n] = l.starts[i], l.routes[i]
		n++
	}
	l.starts, l.routes = l.starts[:n:n], l.routes[:n:n]
}

// ends appends the first address of a prefix and the first after it, if there is
// one.
func ends(at []netip.Addr, p netip.Prefix) []netip.Addr {
	p = p.Masked()
	at = append(at, p.Addr())
	b := p.Addr().As16()
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	for i := bits; i < 128; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	last := netip.AddrFrom16(b)
	if p.Addr().Is4() {
		last = last.Unmap()
	}
	if next := last.Next(); next.IsValid() {
		at = append(at, next)
	}
	return at
}

// selection has the prefixes at which the kernel may choose another source address
// of IPv6: the policy table of RFC 6724, section 2.1, and scopes.
var selection = []netip.Prefix{
	netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("::/96"), netip.MustParsePrefix("::ffff:0:0/96"),
	netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2001:10::/28"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3ffe::/16"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("ff00::/8"),
}

// maxOwn bounds the addresses of this machine that are compared pairwise.
const maxOwn = 64

// nearer appends where one of two own addresses starts to share more leading bits
// with the target than the other, which is the last rule to choose between them
// (RFC 6724, section 5, rule 8).
func nearer(at, own []netip.Addr) []netip.Addr {
	own = own[:min(len(own), maxOwn)]
	for i, a := range own {
		for _, b := range own[:i] {
			if n := shared(a, b); n < 128 {
				at = ends(ends(at, netip.PrefixFrom(a, n+1)), netip.PrefixFrom(b, n+1))
			}
		}
	}
	return at
}

// shared is how many leading bits two addresses of IPv6 have in common.
func shared(a, b netip.Addr) int {
	x, y := a.As16(), b.As16()
	for i := range 128 {
		if (x[i/8]^y[i/8])>>(7-i%8)&1 != 0 {
			return i
		}
	}
	return 128
}
