package target

import (
	"context"
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
	// 10.0.0.1-10.0.1.20, and octets as nmap writes them: 10.0-3.*.1-254). Each may have
	// ports of its own (db1:5432, [2001:db8::1]:53/udp) and may be a URL.
	// Naming something twice asks it once.
	Targets []string

	// TargetFiles have more targets, one or more a line as textfile.Each reads it; "-" is
	// standard input.
	TargetFiles []string

	// Exclude takes the same forms and wins over Targets. Without a zone it
	// holds in every zone.
	Exclude []string

	// Files opens TargetFiles, and @FILE among Targets and Exclude, which is no target
	// where it is nil.
	Files *files.Inputs

	// Ports are asked of every address, except where a target has ports of its own.
	// Duplicates count once.
	Ports []probe.Port

	// Protos are the protocols that ports of targets without a suffix mean; none means both.
	Protos []probe.Proto

	// IPv4 and IPv6 are the families wanted; both false means both.
	IPv4, IPv6 bool

	// Resolve looks up a host's addresses; nil means the system's resolver.
	// It is called from several goroutines, once for each name.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	// Unresolved gets each of the Targets that is a name without an address, or none of a
	// family because it could not be looked up, which is left
	// out; nil means that such a name is an error of NewPlan.
	Unresolved func(*ResolveError)

	// Own are the networks of this machine (OwnNetworks). Their broadcast
	// addresses are left out of networks and ranges.
	Own []netip.Prefix
}

// Plan is a numbered list of endpoints that is never written out. It is one product of
// addresses and ports, or several if targets have ports of their own. A Plan is read-only
// and may be used from several goroutines.
type Plan struct {
	numbering
	resolved
	usual portSpace // of targets without ports of their own
	left  []LeftOut
	own   []netip.Prefix
}

// NewPlan reads targets, resolves names and cuts out what is excluded. An error
// is one line; IsUsage reports whether it is the user's.
func NewPlan(ctx context.Context, c Config) (*Plan, error) {
	if !c.IPv4 && !c.IPv6 {
		c.IPv4, c.IPv6 = true, true
	}
	wanted, cut, err := readLists(ctx, c)
	if err != nil {
		return nil, err
	}
	parts, left, err := choose(c, wanted, cut)
	if err != nil {
		return nil, err
	}
	return newPlan(parts, *wanted.usual, resolvedNames(wanted, cut), c.Own, left), nil
}

// newPlan makes a plan of parts that do not overlap, whose memory it takes.
func newPlan(parts []part, usual portSpace, names nameList, own []netip.Prefix, left []LeftOut) *Plan {
	p := &Plan{usual: usual, left: left, own: own}
	if len(parts) == 1 {
		p.product = product{newAddrSpace(parts[0].spans), parts[0].ports}
	} else {
		p.product, p.blocks = newBlocks(parts)
	}
	p.resolved = newResolved(names, &p.addrSpace)
	return p
}

// choose is what is asked on which ports: ranges without what is special, then
// what was named by itself, less what is excluded. left is what is not asked, and
// why.
func choose(c Config, wanted, cut *list) (chosen []part, left []LeftOut, err error) {
	groups := wanted.byRank()
	left = wanted.leftOut(c)
	ranges, ones := make([]spans, len(groups)), make([]spans, len(groups))
	for i, g := range groups {
		ranges[i], ones[i] = g.takeRanges(), g.takeOnes()
	}
	for _, s := range specials(c.Own) {
		var in spans
		for i, r := range ranges {
			block := everywhere(s.spans, r)
			if part := intersect(r, block); part.len() > 0 {
				in, ranges[i] = union(in, part), subtract(r, block)
			}
		}
		if in.len() > 0 {
			left = append(left, leftSpans(subtract(in, unionOf(ones)), s.kind)...)
		}
	}
	excluded := spans{}
	for _, g := range cut.byRank() {
		excluded = union(g.takeOnes(), g.takeRanges())
	}
	all := make([]spans, len(groups))
	for i := range groups {
		all[i] = union(ranges[i], ones[i])
	}
	before, most := count(unionOf(all).each), 0
	for i, g := range groups {
		all[i] = subtract(all[i], everywhere(excluded, all[i]))
		most = max(most, len(g.ports.ports))
	}
	addrs := count(unionOf(all).each)
	if gone := before.sub(addrs); gone != (u128{}) {
		left = append(left, LeftOut{Kind: LeftExcluded, Count: gone.String()})
	}
	if addrs == (u128{}) {
		return nil, nil, nothingLeft(c, wanted, before != (u128{}), left)
	}
	chosen = partition(groups, all)
	var n u128
	for _, p := range chosen {
		n = n.add(count(p.each).mul(uint64(len(p.ports.ports))))
	}
	if n.cmp(u128{0, MaxEndpoints}) > 0 {
		if len(chosen) > 1 {
			most = 0
		}
		return nil, nil, tooMany(wanted, addrs, n, most)
	}
	return chosen, left, nil
}

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
	if len(p.blocks.list) > 0 {
		other.addrSpace, other.blocks = newAddrSpace(merge(p.spans())), blocks{}
	}
	return &other, nil
}

// Public is how many addresses are routed on the Internet, so that they may belong to
// others.
func (p *Plan) Public() uint64 { return count(overlaps(p.spans(), publicSpace())).lo }

// MaxPublic is how many public addresses may be scanned by mistake.
const MaxPublic = 65536

// CheckPublic is an error that asks whose the addresses are, if they are many and public.
func (p *Plan) CheckPublic() error {
	public := p.Public()
	if public <= MaxPublic {
		return nil
	}
	return fmt.Errorf(
		"%s public addresses are many (more than %s): are they yours to scan?",
		wording.Number(public),
		wording.Number(MaxPublic),
	)
}

// LeftOut is what of the targets is not asked, and why.
func (p *Plan) LeftOut() []LeftOut { return slices.Clone(p.left) }
