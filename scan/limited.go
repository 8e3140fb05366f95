package scan

import (
	"fmt"
	"math"
	"net/netip"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/scan/engine"
)

// What is said of UDP silence that is worth nothing, and of TCP silence that is worth less.
const (
	hostLimits = "the host limits its ICMP answers: silence decides nothing"
	netLimits  = "ICMP answers from its network are limited or lost: silence decides nothing"
	tcpLimits  = "ICMP errors from its network are limited or lost: it may be unreachable or refused rather than filtered"
)

// limited are the addresses whose UDP silence decides nothing: whether a silent port
// of theirs is open, or its refusal was never sent, cannot be told apart however often
// it is asked at that pace.
type limited struct {
	hosts, nets []uint64 // a bit for each address; nil if none is set
	refused     tally    // the refusals that came nevertheless, of ports few enough to count as answers
	doubtful    tally    // the same where it may be loss instead
	tcp         []uint64 // addresses whose TCP silence may be that of an ICMP error that did not come
}

func (l *limited) any() bool { return l.hosts != nil || l.nets != nil || l.tcp != nil }

// marked reports whether an address's bit is set.
func marked(bits []uint64, addr uint64) bool { return bits != nil && bits[addr/64]>>(addr%64)&1 != 0 }

// note is why an address's silence decides nothing, or less than it seems, or "".
func (l *limited) note(addr uint64, p probe.Proto) string {
	switch {
	case p == probe.TCP && marked(l.tcp, addr):
		return tcpLimits
	case p == probe.TCP:
	case marked(l.hosts, addr):
		return hostLimits
	case marked(l.nets, addr):
		return netLimits
	}
	return ""
}

// undecided is why the endpoint's silence decides nothing, or less than it seems, or "".
func (s *sweep) undecided(i uint64) string {
	if !s.limited.any() || !s.table.cells[i].quiet() {
		return ""
	}
	return s.limited.note(i%s.addrs, s.proto(i))
}

// undecidedNote tells how many they are, or is "".
func (s *sweep) undecidedNote() string {
	if !s.limited.any() {
		return ""
	}
	var n uint64
	s.each(probe.UDP, 0, s.addrs, func(i uint64, _ cell) { n += uint64(one(s.undecided(i) != "")) })
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("undecided: %s, silent where ICMP answers are limited", wording.Count(n, "udp endpoint", "udp endpoints"))
}

// findLimited looks for them. The caller holds mu, or is the only one left.
func (s *sweep) findLimited() (l limited) {
	if s.ports[probe.UDP] > icmpBurst {
		l.hosts = s.limitedHosts()
	}
	for _, p := range probe.Protos() {
		if s.ports[p] > 0 && s.quiet[p]+int64(one(p == probe.UDP)) > 0 {
			s.findLimitedNets(&l, p)
		}
	}
	return l
}

// limitedHosts are those that refused some UDP ports with an unreachable and were
// asked on more ports than a host refuses without a pause.
func (s *sweep) limitedHosts() (bits []uint64) {
	for port, p := range s.protos {
		if p != probe.UDP {
			continue
		}
		lo := uint64(port) * s.addrs
		for i, c := range s.table.cells[lo : lo+s.addrs] {
			if c.class() == portUnreach {
				if bits == nil {
					bits = make([]uint64, s.addrs/64+1)
				}
				bits[i/64] |= 1 << (i % 64)
			}
		}
	}
	return bits
}

// findLimitedNets finds networks in which one machine speaks for many addresses, or a
// firewall before them does, and is allowed only so many unreachables a second. It
// looks at the smallest networks first, and at larger ones for what they leave.
func (s *sweep) findLimitedNets(l *limited, p probe.Proto) {
	some, count := false, 0
	s.each(p, 0, s.addrs, func(_ uint64, c cell) { some = some || refused(c, p) })
	if !some {
		return
	}
	for range s.Plan.Networks {
		count++
	}
	nets := make([]refusals, 0, count) // a large plan has many
	for lo, hi := range s.Plan.Networks {
		r := s.refusals(p, lo, hi)
		for a := lo; a < hi && l.hosts != nil; a++ {
			r.hosts += float64(l.hosts[a/64] >> (a % 64) & 1)
		}
		nets = append(nets, r)
	}
	usual, known := s.usualLoss()
	for wider := 0; wider <= 16; wider += 4 {
		for rest := nets; len(rest) > 0; {
			n := s.together(rest, wider)
			group := rest[:n]
			rest = rest[n:]
			sum := sumOf(group)
			early, late := sum.early(len(nets)) || sum.silent == 0 && s.uneven(p, group, len(nets)), sum.late(len(nets), usual)
			if !early && !late {
				continue
			}
			if p == probe.UDP && l.hosts != nil && sum.refused >= icmpBurst*sum.hosts {
				continue // each of them has come to a limit of its own
			}
			said := &l.doubtful
			if early || known {
				said = &l.refused
			}
			if l.hosts != nil {
				said = nil // they did not count before
			}
			for i := range group {
				s.mark(l, &group[i], p, said)
			}
		}
	}
}

// refusals are what the endpoints of a network said, over one protocol.
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

// refusals counts what the addresses from lo up to and without hi said.
func (s *sweep) refusals(p probe.Proto, lo, hi uint64) refusals {
	r := refusals{lo: lo, hi: hi}
	s.each(p, lo, hi, func(i uint64, c cell) {
		r.asked += float64(one(c.asked()))
		r.silent += float64(one(c.quiet() && c.class() != noNeighbour))
		if refused(c, p) {
			place := float64(s.order.Position(i)) / float64(s.Plan.Len())
			r.refused++
			r.places += place
			if c.tries() == 1 {
				r.first++
				r.firsts += place
			}
		}
	})
	return r
}

func refused(c cell, p probe.Proto) bool {
	if p == probe.TCP {
		return c.class() >= portUnreach && c.class() <= timeExceeded
	}
	return c.class() == portUnreach || c.class() == portUnreachBy
}

// each calls f for a protocol's endpoints of the addresses from lo up to and without hi.
func (s *sweep) each(of probe.Proto, lo, hi uint64, f func(i uint64, c cell)) {
	for port, p := range s.protos {
		if p != of {
			continue
		}
		first := uint64(port) * s.addrs
		for i, c := range s.table.cells[first+lo : first+hi] {
			f(first+lo+uint64(i), c)
		}
	}
}

// together is how many of the nets, from the first on, one network of so many bits
// less holds.
func (s *sweep) together(nets []refusals, wider int) int {
	first := s.Plan.At(nets[0].lo).Addr
	bits := 64 - wider
	if first.Is4() {
		bits = 24 - wider
	}
	around := netip.PrefixFrom(first.WithZone(""), bits).Masked()
	for n := range nets {
		a := s.Plan.At(nets[n].lo).Addr
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

// mark notes that silence in a network decides nothing, and adds its refusals to those
// that say nothing of loss, or may not.
func (s *sweep) mark(l *limited, r *refusals, p probe.Proto, said *tally) {
	if r.limited {
		return
	}
	r.limited = true
	bits := &l.nets
	if p == probe.TCP {
		bits, said = &l.tcp, nil // no loss is told by them
	}
	if *bits == nil {
		*bits = make([]uint64, s.addrs/64+1)
	}
	for i := r.lo; i < r.hi; i++ {
		(*bits)[i/64] |= 1 << (i % 64)
	}
	if said != nil {
		s.each(probe.UDP, r.lo, r.hi, func(_ uint64, c cell) { said[c.tries()] += uint64(one(c.class() == portUnreach)) })
	}
}

// once is how often in a hundred sweeps chance may be taken for a limit.
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
func (s *sweep) uneven(p probe.Proto, group []refusals, nets int) bool {
	var at [engine.MaxTries + 1]float64
	for i := range group {
		if r := &group[i]; !r.limited {
			s.each(p, r.lo, r.hi, func(_ uint64, c cell) { at[c.tries()] += float64(one(refused(c, p))) })
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
	for k := 1; k <= engine.MaxTries && asked[k] >= enough; k++ {
		d++
		ratio += 2 * (surprise(at[k], asked[k], sum/of) + surprise(asked[k]-at[k], asked[k], 1-sum/of))
	}
	return d > 0 && ratio > d && d/2*math.Log(ratio/d)+(d-ratio)/2 < math.Log(once/100./float64(nets))
}

// enough is how many endpoints make a share.
const enough = 10

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
func (s *sweep) usualLoss() (p float64, known bool) {
	const likely, least = 0.1, 0.01
	for _, by := range probe.Protos() {
		t := s.tally[by]
		if by == probe.UDP && s.ports[by] <= icmpBurst {
			var refusals tally
			s.each(probe.UDP, 0, s.addrs, func(_ uint64, c cell) { refusals[c.tries()] += uint64(one(c.class() == portUnreach)) })
			t.drop(&refusals)
		}
		if p, _, ok := s.lossBy(by, t); ok && t.answered(engine.MaxTries) >= enough {
			return min(max(p, least), 0.9), true
		}
	}
	return likely, false
}
