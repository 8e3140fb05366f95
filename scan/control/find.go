package control

import (
	"math"
	"net/netip"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/target"
	"onmux/scan/verdict"
)

// Known is what a scan knows when limits are looked for.
type Known struct {
	Plan     *target.Plan
	Order    *target.Order
	Cells    []verdict.Cell                 // by the plan's index
	Silent   verdict.ByProto[int64]         // how many of them are silent
	Answered verdict.ByProto[verdict.Tally] // at which try hosts answered
	Passes   verdict.ByProto[int]           // that each protocol has behind it
}

// limitFinder looks for limits in what is known.
type limitFinder struct {
	Known
	addrs  uint64
	protos []probe.Proto // by port index
	ports  verdict.ByProto[int]
}

// FindLimits looks for them. It reads all cells.
func FindLimits(k Known) (l Limits) {
	f := limitFinder{Known: k, addrs: k.Plan.AddrCount()}
	for _, port := range k.Plan.Ports() {
		f.protos = append(f.protos, port.Proto)
		f.ports[port.Proto]++
	}
	if f.ports[probe.UDP] > ICMPBurst {
		l.hosts = f.limitedHosts()
	}
	for _, p := range probe.Protos() {
		if f.ports[p] > 0 && (f.Silent[p] > 0 || p == probe.UDP) {
			f.findLimitedNets(&l, p)
		}
	}
	return l
}

// limitedHosts are those that refused some UDP ports with an unreachable. They were
// asked on more ports than a host refuses without a pause.
func (f *limitFinder) limitedHosts() (bits []uint64) {
	for port, p := range f.protos {
		if p != probe.UDP {
			continue
		}
		lo := uint64(port) * f.addrs
		for i, c := range f.Cells[lo : lo+f.addrs] {
			if c.Class() == verdict.PortUnreach {
				if bits == nil {
					bits = make([]uint64, f.addrs/64+1)
				}
				bits[i/64] |= 1 << (i % 64)
			}
		}
	}
	return bits
}

// findLimitedNets finds networks in which one machine answers for many addresses, or
// a firewall before them does, and is allowed only so many unreachables a second. It
// looks at the smallest networks first, and then at larger ones for the rest.
func (f *limitFinder) findLimitedNets(l *Limits, p probe.Proto) {
	some, count := false, 0
	f.each(p, 0, f.addrs, func(_ uint64, c verdict.Cell) { some = some || refused(c, p) })
	if !some {
		return
	}
	for range f.Plan.Networks {
		count++
	}
	nets := make([]refusals, 0, count) // a large plan has many
	for lo, hi := range f.Plan.Networks {
		r := f.refusals(p, lo, hi)
		for a := lo; a < hi && l.hosts != nil; a++ {
			r.hosts += float64(l.hosts[a/64] >> (a % 64) & 1)
		}
		nets = append(nets, r)
	}
	usual, known := f.usualLoss()
	for wider := 0; wider <= 16; wider += 4 {
		for rest := nets; len(rest) > 0; {
			n := f.together(rest, wider)
			group := rest[:n]
			rest = rest[n:]
			sum := sumOf(group)
			early := sum.early(len(nets)) || sum.silent == 0 && f.uneven(p, group, len(nets))
			if !early && !sum.late(len(nets), usual) {
				continue
			}
			if p == probe.UDP && l.hosts != nil && sum.refused >= ICMPBurst*sum.hosts {
				continue // each of them has come to a limit of its own
			}
			counts := &l.Doubtful
			if early || known {
				counts = &l.Refused
			}
			if l.hosts != nil {
				counts = nil // they did not count before
			}
			for i := range group {
				f.mark(l, &group[i], p, counts)
			}
		}
	}
}

// refusals counts what the endpoints of a network answered, over one protocol.
type refusals struct {
	lo, hi  uint64  // its addresses in the plan
	asked   float64 // endpoints
	silent  float64
	refused float64 // by a port-unreachable, whoever sent it
	places  float64 // the sum of where those stand in the order, from 0 to 1 each
	first   float64 // refused at the first try
	firsts  float64 // the sum of where those stand
	hosts   float64 // that refused, where each was asked on many ports
	limited bool
}

// refusals counts what the addresses from lo up to and without hi answered.
func (f *limitFinder) refusals(p probe.Proto, lo, hi uint64) refusals {
	r := refusals{lo: lo, hi: hi}
	f.each(p, lo, hi, func(i uint64, c verdict.Cell) {
		r.asked += float64(one(c.Asked()))
		r.silent += float64(one(c.Silent() && c.Class() != verdict.NoNeighbor))
		if refused(c, p) {
			place := float64(f.Order.Position(i)) / float64(f.Plan.Len())
			r.refused++
			r.places += place
			if c.Tries() == 1 {
				r.first++
				r.firsts += place
			}
		}
	})
	return r
}

func refused(c verdict.Cell, p probe.Proto) bool {
	if p == probe.TCP {
		return c.Class() >= verdict.PortUnreach && c.Class() <= verdict.TimeExceeded
	}
	return c.Class() == verdict.PortUnreach || c.Class() == verdict.PortUnreachByOther
}

// each calls do for a protocol's endpoints of the addresses from lo up to and without hi.
func (f *limitFinder) each(of probe.Proto, lo, hi uint64, do func(i uint64, c verdict.Cell)) {
	for port, p := range f.protos {
		if p != of {
			continue
		}
		first := uint64(port) * f.addrs
		for i, c := range f.Cells[first+lo : first+hi] {
			do(first+lo+uint64(i), c)
		}
	}
}

// together is how many of the nets, from the first on, one network of so many bits
// less holds.
func (f *limitFinder) together(nets []refusals, wider int) int {
	first := f.Plan.At(nets[0].lo).Addr
	bits := 64 - wider
	if first.Is4() {
		bits = 24 - wider
	}
	around := netip.PrefixFrom(first.WithZone(""), bits).Masked()
	for n := range nets {
		a := f.Plan.At(nets[n].lo).Addr
		if a.Zone() != first.Zone() || !around.Contains(a.WithZone("")) {
			return n
		}
	}
	return len(nets)
}

// sumOf adds up those that are not known to be limited.
func sumOf(nets []refusals) (sum refusals) {
	for i := range nets {
		if r := &nets[i]; !r.limited {
			sum.asked += r.asked
			sum.silent += r.silent
			sum.refused += r.refused
			sum.first += r.first
			sum.firsts += r.firsts
			sum.hosts += r.hosts
			sum.places += r.places
		}
	}
	return sum
}

// mark notes that silence in a network decides nothing, and adds its refusals to
// counts: those that do not measure loss, or may not.
func (f *limitFinder) mark(l *Limits, r *refusals, p probe.Proto, counts *verdict.Tally) {
	if r.limited {
		return
	}
	r.limited = true
	bits := &l.nets
	if p == probe.TCP {
		bits, counts = &l.tcp, nil // they do not measure loss
	}
	if *bits == nil {
		*bits = make([]uint64, f.addrs/64+1)
	}
	for i := r.lo; i < r.hi; i++ {
		(*bits)[i/64] |= 1 << (i % 64)
	}
	if counts != nil {
		f.countRefusals(r.lo, r.hi, counts)
	}
}

// countRefusals adds the tries at which UDP endpoints refused by themselves.
func (f *limitFinder) countRefusals(lo, hi uint64, to *verdict.Tally) {
	f.each(probe.UDP, lo, hi, func(_ uint64, c verdict.Cell) { to[c.Tries()] += one(c.Class() == verdict.PortUnreach) })
}

// once is how often in a hundred scans chance may be taken for a limit.
const once = 1

// early reports whether those refused, at the first try or at all, stand early in the
// order, in which all are asked by chance: if each were refused by itself, they would
// stand anywhere; where the first few are refused and then next to none, a limit was
// used up.
func (r *refusals) early(nets int) bool {
	return r.unlikely(r.first, r.firsts, 2*nets) || r.unlikely(r.refused, r.places, 2*nets)
}

// unlikely reports whether n places, of which the sum is given, are too early for chance.
// Of n numbers drawn at random and without repetition from N between 0 and 1 the mean
// varies around a half by (N−n) / (12·n·(N−1)), and what is z deviations off is rarer than
// exp(−z²/2). So many tests are made.
func (r *refusals) unlikely(n, places float64, tests int) bool {
	if r.asked < 2 || n < 3 || n >= r.asked {
		return false
	}
	variance := (r.asked - n) / (12 * n * (r.asked - 1))
	z := (0.5 - places/n) / math.Sqrt(variance)
	return z > 0 && -z*z/2 < math.Log(once/100./float64(tests))
}

// uneven reports, of networks that refused all in the end, whether the share of those asked
// that was differs from try to try more than chance explains: loss takes the same share of
// each, and a limit leaves the same number. The likelihood ratio of a share for each try
// against one for all has a χ² distribution (S. S. Wilks, "The Large-Sample Distribution of
// the Likelihood Ratio", 1938) of as many degrees d of freedom as there are tries but one,
// which exceeds x more rarely than (x/d)^(d/2)·exp((d−x)/2).
func (f *limitFinder) uneven(p probe.Proto, group []refusals, nets int) bool {
	var at [engine.MaxTries + 1]float64
	for i := range group {
		if r := &group[i]; !r.limited {
			f.each(p, r.lo, r.hi, func(_ uint64, c verdict.Cell) { at[c.Tries()] += float64(one(refused(c, p))) })
		}
	}
	var asked [engine.MaxTries + 2]float64
	sum, of := 0.0, 0.0
	for k := engine.MaxTries; k > 0; k-- {
		asked[k] = asked[k+1] + at[k]
		sum += at[k]
		of += asked[k]
	}
	ratio, d := 0.0, -1.0
	for k := 1; k <= engine.MaxTries && asked[k] >= Enough; k++ {
		d++
		ratio += 2 * (surprise(at[k], asked[k], sum/of) + surprise(asked[k]-at[k], asked[k], 1-sum/of))
	}
	return d > 0 && ratio > d && d/2*math.Log(ratio/d)+(d-ratio)/2 < math.Log(once/100./float64(nets))
}

// Enough is how many endpoints make a share.
const Enough = 10

// surprise is what n of N add to the logarithm of a likelihood, beyond a share of p.
func surprise(n, of, p float64) float64 {
	if n == 0 {
		return 0
	}
	return n * math.Log(n/of/p)
}

// late reports whether more of them were refused at a later try only than the usual
// loss explains: of n attempts of which each fails with probability p, a share of q
// fails more rarely than exp(−n·D), where D is the divergence of q from p (Hoeffding,
// "Probability Inequalities for Sums of Bounded Random Variables", 1963, theorem 1).
func (r *refusals) late(nets int, p float64) bool {
	q := 1 - r.first/max(r.refused, 1)
	if r.refused == 0 || q <= p {
		return false
	}
	divergence := q * math.Log(q/p)
	if q < 1 {
		divergence += (1 - q) * math.Log((1-q)/(1-p))
	}
	return -r.refused*divergence < math.Log(once/100./float64(nets))
}

// usualLoss is the loss of what no limit holds back, which is TCP's answers and UDP's
// datagrams, or what is likely while that is not known.
func (f *limitFinder) usualLoss() (p float64, known bool) {
	const likely, least = 0.1, 0.01
	for _, by := range probe.Protos() {
		t := f.Answered[by]
		if by == probe.UDP && f.ports[by] <= ICMPBurst {
			var refusals verdict.Tally
			f.countRefusals(0, f.addrs, &refusals)
			t.Subtract(&refusals)
		}
		if p, _, ok := t.Measure(f.Silent[by], f.Passes[by]); ok && t.Answered(engine.MaxTries) >= Enough {
			return min(max(p, least), 0.9), true
		}
	}
	return likely, false
}

func one(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
