package target

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/scan/files"
)

// MaxEndpoints bounds a plan: a scan keeps one byte for each endpoint.
const MaxEndpoints = 1 << 32

// Config is what is to be asked.
type Config struct {
	// Targets are names, addresses (with a zone where link-local), networks
	// (10.0.0.0/24; host bits are dropped) and ranges (10.0.0.1-50,
	// 10.0.0.1-10.0.1.20, and octets as nmap writes them: 10.0-3.*.1-254).
	// Naming something twice asks it once.
	Targets []string

	// TargetFiles have more targets; "-" is standard input. A file holds one or more
	// targets a line; # starts a comment, blank lines count for nothing.
	TargetFiles []string

	// Exclude takes the same forms and wins over Targets. Without a zone it
	// holds in every zone.
	Exclude []string

	// Files opens TargetFiles, and @FILE among Targets and Exclude, which is no target
	// where it is nil.
	Files *files.Inputs

	// Ports are asked of every address. Duplicates count once.
	Ports []probe.Port

	// IPv4 and IPv6 are the families wanted; both false means both.
	IPv4, IPv6 bool

	// Resolve looks up a host's addresses; nil means the system's resolver.
	// It is called from several goroutines, once for each name.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	// Unresolved gets each of the Targets that is a name without an address, which is left
	// out; nil means that such a name is an error of NewPlan.
	Unresolved func(*ResolveError)

	// Own are the networks of this machine (OwnNetworks). Their broadcast
	// addresses are left out of networks and ranges.
	Own []netip.Prefix
}

// Plan is a numbered list of endpoints that is never written out: endpoint i
// is address i mod AddrCount on port i div AddrCount. Addresses stand in order:
// IPv4, IPv6, IPv6 by zone. A Plan is read-only and may be used from several
// goroutines.
type Plan struct {
	addrSpace
	portSpace
	hosts  map[netip.Addr]string
	left   []LeftOut
	public uint64

	// What it was made from, for a checkpoint.
	names nameList
	own   []netip.Prefix
}

// named is a host and what it resolved to.
type named struct {
	host  string
	addrs []netip.Addr
	cut   bool   // it was excluded
	why   string // it has no address
}

// nameList has the hosts of a plan and its exclusions.
type nameList []named

// NewPlan reads targets, resolves names and cuts out what is excluded. An error
// is one line; IsUsage reports whether it is the user's.
func NewPlan(ctx context.Context, c Config) (*Plan, error) {
	if !c.IPv4 && !c.IPv6 {
		c.IPv4, c.IPv6 = true, true
	}
	ports, err := newPortSpace(c.Ports)
	if err != nil {
		return nil, err
	}
	wanted, cut, err := readLists(ctx, c)
	if err != nil {
		return nil, err
	}
	spans, left, err := choose(c, len(ports.ports), wanted, cut)
	if err != nil {
		return nil, err
	}
	return newPlan(spans, ports, resolvedNames(wanted, cut), c.Own, left), nil
}

// newPlan makes a plan of merged spans, whose memory it takes.
func newPlan(all spans, ports portSpace, names nameList, own []netip.Prefix, left []LeftOut) *Plan {
	public := count(overlaps(all, publicSpace())).lo
	p := &Plan{
		addrSpace: newAddrSpace(all), portSpace: ports, hosts: map[netip.Addr]string{}, left: left,
		public: public, names: names, own: own,
	}
	for _, n := range names { // of several that lead to one address, the first
		for _, a := range n.addrs {
			_, ours := p.find(a)
			if _, ok := p.hosts[a]; !ok && !n.cut && ours {
				p.hosts[a] = n.host
			}
		}
	}
	return p
}

// resolvedNames are the names of both lists, and what they resolved to.
func resolvedNames(wanted, cut *list) (all nameList) {
	for _, host := range wanted.names() {
		all = append(all, named{host, wanted.hosts[host], false, wanted.unresolved[host]})
	}
	for _, host := range cut.names() {
		all = append(all, named{host, cut.hosts[host], true, ""})
	}
	return all
}

// choose is what is asked on so many ports: ranges without what is special, then
// what was named by itself, less what is excluded. left is what is not asked, and
// why.
func choose(c Config, ports int, wanted, cut *list) (chosen spans, left []LeftOut, err error) {
	ranges, ones := wanted.takeRanges(), wanted.takeOnes()
	left = wanted.leftOut(c)
	for _, s := range specials(c.Own) {
		block := everywhere(s.spans, ranges)
		if in := intersect(ranges, block); in.len() > 0 {
			left = append(left, leftSpans(subtract(in, ones), s.kind)...)
			ranges = subtract(ranges, block)
		}
	}
	all := union(ranges, ones)
	chosen = subtract(all, everywhere(union(cut.takeOnes(), cut.takeRanges()), all))
	addrs := count(chosen.each)
	if gone := count(all.each).sub(addrs); gone != (u128{}) {
		left = append(left, LeftOut{Kind: LeftExcluded, Count: gone.String()})
	}
	if chosen.len() == 0 {
		return spans{}, nil, nothingLeft(c, wanted, all.len() > 0, left)
	}
	if n := addrs.mul(uint64(ports)); n.cmp(u128{0, MaxEndpoints}) > 0 {
		return spans{}, nil, tooMany(wanted, addrs, n, ports)
	}
	return chosen, left, nil
}

// Len is how many endpoints there are, 1 to MaxEndpoints.
func (p *Plan) Len() uint64 { return p.addrs * uint64(len(p.ports)) }

// OnPorts is a plan of the same addresses on other ports.
func (p *Plan) OnPorts(ports []probe.Port) (*Plan, error) {
	other := *p
	var err error
	if other.portSpace, err = newPortSpace(ports); err != nil {
		return nil, err
	}
	if n := (u128{0, p.addrs}).mul(uint64(len(other.ports))); n.cmp(u128{0, MaxEndpoints}) > 0 {
		return nil, tooMany(&list{}, u128{0, p.addrs}, n, len(other.ports))
	}
	return &other, nil
}

// Public is how many addresses are routed on the Internet, so that they may belong to
// others.
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

// Unresolved are the targets that are names without an address.
func (p *Plan) Unresolved() (all []*ResolveError) {
	for _, n := range p.names {
		if n.why != "" {
			all = append(all, &ResolveError{n.host, errors.New(n.why)})
		}
	}
	return all
}

// LeftOut is what of the targets is not asked, and why.
func (p *Plan) LeftOut() []LeftOut { return slices.Clone(p.left) }

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
	port := p.ports[slot]
	return probe.Endpoint{Addr: p.addr(i), Port: port.Number, Proto: port.Proto}
}

// Index is the inverse of At; false if the plan does not hold e.
func (p *Plan) Index(e probe.Endpoint) (uint64, bool) {
	slot, ok := p.slot(probe.Port{Number: e.Port, Proto: e.Proto})
	if !ok || !e.Addr.IsValid() {
		return 0, false
	}
	i, ok := p.find(e.Addr)
	return slot*p.addrs + i, ok
}

// Neighbors is how many endpoints from i on have adjacent addresses on the same
// port, i included: at least 1, or 0 if i is not below Len. What is reported as one
// range of addresses must lie within.
func (p *Plan) Neighbors(i uint64) uint64 {
	if i >= p.Len() {
		return 0
	}
	i %= p.addrs
	return p.start(p.run(i)+1) - i
}
