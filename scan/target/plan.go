package target

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"sort"

	"onmux/probe"
	"onmux/probe/wording"
)

// MaxEndpoints bounds a plan: a sweep keeps one byte for each endpoint.
const MaxEndpoints = 1 << 32

// Config says what is to be asked.
type Config struct {
	// Targets are names, addresses (with a zone where link-local), networks
	// (10.0.0.0/24; host bits are dropped) and ranges (10.0.0.1-50,
	// 10.0.0.1-10.0.1.20, and octets as nmap writes them: 10.0-3.*.1-254).
	// Read expands @FILE. Naming something twice asks it once.
	Targets []string

	// Exclude takes the same forms and wins over Targets. Without a zone it
	// holds in every zone.
	Exclude []string

	// Ports are asked of every address. Duplicates count once.
	Ports []probe.Port

	// IPv4 and IPv6 are the families wanted; both false means both.
	IPv4, IPv6 bool

	// Resolve looks up a host's addresses; nil means the system's resolver.
	// It is called from several goroutines, once for each name.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	// Own are the networks of this machine (OwnNetworks). Their broadcast
	// addresses are left out of networks and ranges.
	Own []netip.Prefix
}

// Plan is a numbered list of endpoints that is never written out: endpoint i
// is address i mod AddrCount on port i div AddrCount. Addresses stand in order:
// IPv4, IPv6, IPv6 by zone. A Plan is read-only and may be used from several
// goroutines.
type Plan struct {
	lines  []line
	firsts []u128   // the first address of each run
	starts []uint64 // its index; one more at the end is the number of addresses
	addrs  uint64
	ports  []probe.Port
	slots  map[probe.Port]uint64 // inverse of ports
	hosts  map[netip.Addr]string
	left   []string
	public uint64

	// What it was made from, for a checkpoint.
	names []named
	own   []netip.Prefix
}

// named is a host and what it resolved to.
type named struct {
	host  string
	addrs []netip.Addr
	cut   bool // it was excluded
}

// line is the part of a plan that lies on one number line: the runs from from
// up to and without to. Runs are kept apart from it, a number each, because a
// search through them is what every answer of a sweep waits for.
type line struct {
	scope
	from, to int
}

// NewPlan reads targets, resolves names and cuts out what is excluded. An error
// is one line; IsUsage tells whose it is.
func NewPlan(ctx context.Context, c Config) (*Plan, error) {
	if !c.IPv4 && !c.IPv6 {
		c.IPv4, c.IPv6 = true, true
	}
	p := &Plan{own: c.Own}
	if err := p.setPorts(c.Ports); err != nil {
		return nil, err
	}
	if len(c.Targets) == 0 {
		return nil, errors.New("no targets: " + targetForms)
	}
	wanted, cut, err := readLists(ctx, c)
	if err != nil {
		return nil, err
	}
	spans, err := p.choose(c, wanted, cut)
	if err != nil {
		return nil, err
	}
	p.setSpans(spans)
	p.setNames(wanted, cut)
	return p, nil
}

// setNames keeps what names resolved to.
func (p *Plan) setNames(wanted, cut *list) {
	for _, host := range wanted.names() {
		p.names = append(p.names, named{host, wanted.hosts[host], false})
	}
	for _, host := range cut.names() {
		p.names = append(p.names, named{host, cut.hosts[host], true})
	}
	p.setHosts()
}

// setHosts finds the names of the plan's addresses: of several that lead to one
// address, the first.
func (p *Plan) setHosts() {
	p.hosts = map[netip.Addr]string{}
	for _, n := range p.names {
		for _, a := range n.addrs {
			_, ours := p.Index(probe.Endpoint{Addr: a, Port: p.ports[0].Number, Proto: p.ports[0].Proto})
			if _, ok := p.hosts[a]; !ok && !n.cut && ours {
				p.hosts[a] = n.host
			}
		}
	}
}

func (p *Plan) setPorts(ports []probe.Port) error {
	p.slots = make(map[probe.Port]uint64, len(ports))
	for _, port := range ports {
		if port.Number == 0 || port.Proto != probe.TCP && port.Proto != probe.UDP {
			return fmt.Errorf("%s cannot be asked: a port is 1 to 65535, its protocol tcp or udp", port)
		}
		if _, ok := p.slots[port]; !ok {
			p.slots[port] = uint64(len(p.ports))
			p.ports = append(p.ports, port)
		}
	}
	if len(p.ports) == 0 {
		return errors.New("no ports: name at least one")
	}
	return nil
}

// choose says what is asked: ranges without what is special, then what was
// named by itself, less what is excluded.
func (p *Plan) choose(c Config, wanted, cut *list) ([]span, error) {
	ranges, ones := merge(wanted.ranges), merge(wanted.ones)
	p.left = wanted.leftOut(c)
	for _, s := range specials(c.Own) {
		block := everywhere(s.spans, ranges)
		p.left = append(p.left, tell(subtract(intersect(ranges, block), ones), s.why)...)
		ranges = subtract(ranges, block)
	}
	all := merge(slices.Concat(ranges, ones))
	spans := subtract(all, everywhere(merge(append(cut.ones, cut.ranges...)), all))
	addrs := count(spans)
	if gone := count(all).sub(addrs); gone != (u128{}) {
		p.left = append(p.left, plural(gone, "address is", "addresses are")+" excluded")
	}
	if len(spans) == 0 {
		return nil, nothingLeft(c, wanted, len(all) > 0, p.left)
	}
	if n := addrs.mul(uint64(len(p.ports))); n.cmp(u128{0, MaxEndpoints}) > 0 {
		return nil, tooMany(c.Targets, addrs, n, len(p.ports))
	}
	return spans, nil
}

// setSpans makes the address space of merged spans.
func (p *Plan) setSpans(spans []span) {
	p.firsts = make([]u128, 0, len(spans))
	p.starts = make([]uint64, 0, len(spans)+1)
	for i, s := range spans {
		if n := len(p.lines); n == 0 || p.lines[n-1].scope != s.scope {
			p.lines = append(p.lines, line{scope: s.scope, from: i})
		}
		p.lines[len(p.lines)-1].to = i + 1
		p.firsts = append(p.firsts, s.from)
		p.starts = append(p.starts, p.addrs)
		p.addrs += s.size().lo
	}
	p.starts = append(p.starts, p.addrs)
	p.public = count(intersect(spans, publicSpace())).lo
}

// spans is the inverse of setSpans.
func (p *Plan) spans() []span {
	out := make([]span, 0, len(p.firsts))
	for _, l := range p.lines {
		for i := l.from; i < l.to; i++ {
			last := p.firsts[i].add(u128{0, p.starts[i+1] - p.starts[i] - 1})
			out = append(out, span{l.scope, p.firsts[i], last})
		}
	}
	return out
}

// Len is how many endpoints there are, 1 to MaxEndpoints.
func (p *Plan) Len() uint64 { return p.addrs * uint64(len(p.ports)) }

// AddrCount is how many addresses there are.
func (p *Plan) AddrCount() uint64 { return p.addrs }

// Ports lists what is asked of every address, in the order of the index.
func (p *Plan) Ports() []probe.Port { return slices.Clone(p.ports) }

// OnPorts is a plan of the same addresses on other ports.
func (p *Plan) OnPorts(ports []probe.Port) (*Plan, error) {
	other := *p
	other.ports = nil
	if err := other.setPorts(ports); err != nil {
		return nil, err
	}
	if n := (u128{0, p.addrs}).mul(uint64(len(other.ports))); n.cmp(u128{0, MaxEndpoints}) > 0 {
		return nil, tooMany(nil, u128{0, p.addrs}, n, len(other.ports))
	}
	return &other, nil
}

// Public is how many addresses may belong to strangers: those that are routed
// on the Internet.
func (p *Plan) Public() uint64 { return p.public }

// MaxPublic is how many public addresses may be scanned by mistake.
const MaxPublic = 65536

// CheckPublic is an error that asks whose the addresses are, if they are many and public.
func (p *Plan) CheckPublic() error {
	if p.public <= MaxPublic {
		return nil
	}
	return fmt.Errorf(
		"%s public addresses are many (more than %s): are they yours to scan?",
		wording.Number(p.public),
		wording.Number(MaxPublic),
	)
}

// LeftOut says what of the targets is not asked and why, a sentence each.
func (p *Plan) LeftOut() []string { return slices.Clone(p.left) }

// Host is the name on the command line that resolved to a, the first if
// several did, or "".
func (p *Plan) Host(a netip.Addr) string { return p.hosts[a.Unmap()] }

// At is endpoint i, or the zero Endpoint if i is not below Len.
func (p *Plan) At(i uint64) probe.Endpoint {
	if i >= p.Len() {
		return probe.Endpoint{}
	}
	slot := uint64(0)
	if i >= p.addrs { // a division costs more than all the rest
		slot, i = i/p.addrs, i%p.addrs
	}
	run := p.run(i)
	l := &p.lines[0]
	if run >= l.to {
		l = &p.lines[sort.Search(len(p.lines), func(k int) bool { return run < p.lines[k].to })]
	}
	port := p.ports[slot]
	return probe.Endpoint{
		Addr:  l.addr(p.firsts[run].add(u128{0, i - p.starts[run]})),
		Port:  port.Number,
		Proto: port.Proto,
	}
}

// Neighbours is how many endpoints from i on have adjacent addresses on the
// same port, i included: at least 1, or 0 if i is not below Len. What is told
// as one range of addresses must lie within.
func (p *Plan) Neighbours(i uint64) uint64 {
	if i >= p.Len() {
		return 0
	}
	i %= p.addrs
	return p.starts[p.run(i)+1] - i
}

// run is the run that holds address i: the last one that starts at or before it.
func (p *Plan) run(i uint64) int {
	lo := 0
	for n := len(p.firsts); n > 1; { // no branch: it would be mispredicted half the time
		half := n >> 1
		_, above := bits.Sub64(i, p.starts[lo+half], 0)
		lo += half & (int(above) - 1)
		n -= half
	}
	return lo
}

// Index is the inverse of At; false if the plan does not hold e.
func (p *Plan) Index(e probe.Endpoint) (uint64, bool) {
	slot, ok := p.slot(probe.Port{Number: e.Port, Proto: e.Proto})
	if !ok || !e.Addr.IsValid() {
		return 0, false
	}
	r, v := number(e.Addr)
	l := &p.lines[0]
	if l.scope != r {
		k := sort.Search(len(p.lines), func(k int) bool { return p.lines[k].scope.cmp(r) >= 0 })
		if k == len(p.lines) || p.lines[k].scope != r {
			return 0, false
		}
		l = &p.lines[k]
	}
	lo := l.from // the last run that starts at or before the address
	for n := l.to - l.from; n > 1; {
		half := n >> 1
		first := p.firsts[lo+half]
		_, above := bits.Sub64(v.lo, first.lo, 0)
		_, above = bits.Sub64(v.hi, first.hi, above)
		lo += half & (int(above) - 1)
		n -= half
	}
	if v.cmp(p.firsts[lo]) < 0 {
		return 0, false
	}
	within := v.sub(p.firsts[lo])
	if within.cmp(u128{0, p.starts[lo+1] - p.starts[lo]}) >= 0 {
		return 0, false
	}
	return slot*p.addrs + p.starts[lo] + within.lo, true
}

// slot is a port's place. A few ports are found faster than by hashing.
func (p *Plan) slot(port probe.Port) (uint64, bool) {
	if len(p.ports) <= 4 {
		i := slices.Index(p.ports, port)
		return uint64(i), i >= 0
	}
	i, ok := p.slots[port]
	return i, ok
}
