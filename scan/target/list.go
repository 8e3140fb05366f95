package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"onmux/probe/wording"
)

// list is what targets or exclusions name, as numbers.
type list struct {
	words       int
	biggest     string     // of the words, the one with most addresses
	most        u128       // how many those are
	usual       *portSpace // of what has no ports of its own; nil for exclusions
	groups      map[*portSpace]*group
	ranged      bool // there are ranges
	hosts       map[string]*named
	lastFailed  *ResolveError // of the last name that has no address
	otherFamily sample        // targets of a family that is not wanted
	partly      []string      // names that also have addresses of such a family
	noZone      []string      // names whose link-local addresses lack a zone
}

// readLists reads both lists of c and resolves the names in them.
func readLists(ctx context.Context, c Config) (wanted, cut *list, err error) {
	var bad problems
	usual, err := newPortSpace(c.Ports)
	if err != nil {
		return nil, nil, err
	}
	wanted, cut = newList(&usual), newList(nil)
	targets := reader{in: c.Files, protos: c.Protos, add: func(w word) {
		wanted.add(w, &bad, func(s span) (bool, error) {
			if s.v6 && !c.IPv6 || !s.v6 && !c.IPv4 {
				return false, nil
			}
			if s.lacksZone() {
				return false, needsZone(w.text)
			}
			return true, nil
		})
	}}
	if err := targets.read(c.Targets, c.TargetFiles); err != nil {
		return nil, nil, err
	}
	excluded := reader{in: c.Files, noPorts: true, add: func(w word) {
		cut.add(w, &bad, func(span) (bool, error) { return true, nil })
	}}
	if err := excluded.read(c.Exclude, nil); err != nil {
		return nil, nil, fmt.Errorf("--exclude: %w", err)
	}
	if wanted.words == 0 {
		return nil, nil, errNoTargets
	}
	if err := bad.err(); err != nil { // nothing is looked up for a list that is wrong
		return nil, nil, err
	}
	answers := resolver(c.Resolve).resolve(ctx, slices.Concat(wanted.names().hosts(), cut.names().hosts()))
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("the names of the targets were not resolved: %w", err)
	}
	wanted.learn(answers, &bad, c)
	cut.learn(answers, &bad, Config{IPv4: true, IPv6: true})
	return wanted, cut, bad.err()
}

// newList makes a list of what is asked on the usual ports where a word has none of its own.
func newList(usual *portSpace) *list {
	return &list{usual: usual, groups: map[*portSpace]*group{}, hosts: map[string]*named{}}
}

// group is the group of what is asked on these ports.
func (l *list) group(on *portSpace) *group {
	g := l.groups[on]
	if g == nil {
		g = &group{ports: on, rank: len(l.groups)}
		l.groups[on] = g
	}
	return g
}

// byRank lists the groups in the order in which their ports were given.
func (l *list) byRank() []*group {
	return slices.SortedFunc(maps.Values(l.groups), func(a, b *group) int { return a.rank - b.rank })
}

// add adds a target; keep reports whether its addresses are to be kept.
func (l *list) add(w word, bad *problems, keep func(span) (bool, error)) {
	i := l.words
	l.words++
	if bad.add(w.err) {
		return
	}
	on := cmp.Or(w.ports, l.usual)
	if w.name != "" {
		n := l.hosts[w.name]
		if n == nil {
			n = &named{host: w.name, rank: i}
			l.hosts[w.name] = n
		}
		if !slices.Contains(n.on, on) {
			n.on = append(n.on, on)
		}
		return
	}
	if size := count(slices.Values(w.spans)); size.cmp(l.most) > 0 {
		l.biggest, l.most = w.text, size
	}
	switch ok, err := keep(w.spans[0]); {
	case bad.add(err):
	case !ok:
		l.otherFamily.add(w.text)
	default:
		l.ranged = l.group(on).add(w.spans) || l.ranged
	}
}

// names lists the host names in the order in which they were given.
func (l *list) names() nameList {
	return slices.SortedFunc(maps.Values(l.hosts), func(a, b *named) int { return a.rank - b.rank })
}

// learn takes in what names resolved to, in the families that c wants.
func (l *list) learn(answers map[string]answer, bad *problems, c Config) {
	for _, n := range l.names() {
		a := answers[n.host]
		failed, _ := errors.AsType[*ResolveError](a.err)
		if failed != nil {
			failed.Ports = n.ports()
		}
		if failed != nil && (failed.Family == "IPv4" && !c.IPv4 || failed.Family == "IPv6" && !c.IPv6) {
			a.err, failed = nil, nil
		}
		if failed != nil && c.Unresolved != nil {
			c.Unresolved(failed)
			n.why, n.family = wording.Printable(failed.reason()), failed.Family
			l.lastFailed = failed
		}
		if (failed == nil || c.Unresolved == nil) && bad.add(a.err) {
			continue
		}
		partly, noZone := false, false
		for _, addr := range a.addrs {
			s := spanOf(addr, addr)
			switch {
			case s.v6 && !c.IPv6 || !s.v6 && !c.IPv4:
				partly = true
			case s.lacksZone():
				noZone = true
			default:
				for _, on := range n.on {
					l.group(on).ones.add(s)
				}
			}
		}
		n.addrs = a.addrs
		if partly {
			l.partly = append(l.partly, n.host)
		}
		if noZone {
			l.noZone = append(l.noZone, n.host)
		}
	}
}

// leftOut lists what the family flags and missing zones left out.
func (l *list) leftOut(c Config) (out []LeftOut) {
	if n := l.otherFamily.n; n > 0 {
		out = append(out, LeftOut{
			Kind: LeftOtherFamily, Names: l.otherFamily.names, Total: n, IPv6: c.IPv4,
		})
	}
	if len(l.partly) > 0 {
		out = append(out, leftHosts(LeftFamilyOfHosts, l.partly, c.IPv4))
	}
	if len(l.noZone) > 0 {
		out = append(out, leftHosts(LeftNoZone, l.noZone, true))
	}
	return out
}

func leftHosts(kind LeftOutKind, hosts []string, v6 bool) LeftOut {
	return LeftOut{
		Kind: kind, Names: hosts[:min(len(hosts), wording.MaxNamed)], Total: len(hosts), IPv6: v6,
	}
}

// unwanted is the family that c does not want, and the flag for the other.
func unwanted(c Config) (other, flag string) {
	if c.IPv4 {
		return "IPv6", "-4"
	}
	return "IPv4", "-6"
}

// nothingLeft is why a plan is empty; where all names have no address, a *ResolveError.
func nothingLeft(c Config, l *list, excluded bool, left []LeftOut) error {
	other, flag := unwanted(c)
	switch {
	case l.lastFailed != nil && len(left) == 0:
		return l.lastFailed
	case excluded && len(left) == 1:
		return errors.New("no targets: everything named is excluded")
	case l.otherFamily.n == l.words && l.words == 1:
		return fmt.Errorf("no targets: %s asked for, but %s is %s", flag, l.otherFamily.String(), other)
	case l.otherFamily.n == l.words:
		return fmt.Errorf("no targets: %s asked for, but %s are %s", flag, l.otherFamily.String(), other)
	}
	return &NothingLeftError{LeftOut: left, Ranges: !excluded && l.ranged}
}

// tooMany is the error that so many addresses on so many ports, 0 for different ones, are
// more endpoints than a plan may hold.
func tooMany(l *list, addrs, n u128, ports int) error {
	biggest := l.biggest
	if l.words == 0 {
		biggest = plural(addrs, "address", "addresses")
	}
	if others := l.words - 1; others > 0 {
		biggest += fmt.Sprintf(" and %d more", others)
	}
	mend := "name fewer addresses or ports"
	if addrs.cmp(u128{0, MaxEndpoints}) > 0 {
		mend = "narrow the prefix"
	}
	on := ""
	if ports > 0 {
		on = " × " + plural(u128{0, uint64(ports)}, "port", "ports")
	}
	return fmt.Errorf("%s%s is %s endpoints; a scan holds at most %s: %s",
		biggest, on, n, wording.Number(MaxEndpoints), mend)
}

// lacksZone reports whether s is link-local (RFC 4291, section 2.5.6) and does
// not name the link.
func (s span) lacksZone() bool {
	return s.v6 && s.zone == "" && s.from.hi>>54 == 0xfe80>>6
}

func needsZone(text string) error {
	addr, rest, _ := strings.Cut(text, "/")
	if rest != "" {
		rest = "/" + rest
	}
	if first, last, ok := strings.Cut(addr, "-"); ok {
		addr, rest = first, "-"+last
	}
	return fmt.Errorf("%s needs a zone, as in %s%%eth0%s", text, strings.Trim(addr, "[]"), rest)
}

// everywhere copies spans that have no zone into every zone that among holds.
// Both are merged, and so is the result.
func everywhere(all, among spans) spans {
	var more []span
	last := ""
	for _, s := range among.v6 {
		if s.zone == last {
			continue
		}
		last = s.zone
		for _, u := range all.v6 {
			if u.zone == "" {
				u.zone = last
				more = append(more, u)
			}
		}
	}
	if more == nil {
		return all
	}
	return merge(spans{all.v4, append(more, all.v6...)})
}

// problems keeps the first of several errors and counts the others.
type problems struct {
	first error
	more  int
}

// add reports whether there was one.
func (p *problems) add(err error) bool {
	switch {
	case err == nil:
		return false
	case p.first == nil:
		p.first = err
	default:
		p.more++
	}
	return true
}

func (p *problems) err() error {
	switch {
	case p.more == 1:
		return fmt.Errorf("%w (and another target is wrong)", p.first)
	case p.more > 1:
		return fmt.Errorf("%w (and %d more targets are wrong)", p.first, p.more)
	}
	return p.first
}

// sample counts names and keeps as many as a sentence lists.
type sample struct {
	names []string
	n     int
}

func (s *sample) add(name string) {
	if s.n++; len(s.names) < wording.MaxNamed {
		s.names = append(s.names, name)
	}
}

// String lists the first of the names and counts the rest.
func (s *sample) String() string { return wording.Few(s.names, s.n) }

// few lists the first of names and counts the rest.
func few(names []string) string { return wording.Few(names, len(names)) }

func plural(n u128, one, many string) string {
	if n == (u128{0, 1}) {
		return "1 " + one
	}
	return n.String() + " " + many
}

// String is "4,294,967,296", "2^65" or "about 2^65".
func (a u128) String() string {
	if a.hi == 0 && a.lo < 1<<40 {
		return wording.Number(a.lo)
	}
	ones := bits.OnesCount64(a.hi) + bits.OnesCount64(a.lo)
	switch top := bits.Len64(a.hi) + 64; {
	case ones == 1 && a.hi != 0:
		return fmt.Sprintf("2^%d", top-1)
	case ones == 1:
		return fmt.Sprintf("2^%d", bits.Len64(a.lo)-1)
	case a == maxU128:
		return "2^128"
	case a.hi != 0:
		return fmt.Sprintf("about 2^%d", nearest(a.hi, top))
	default:
		return fmt.Sprintf("about 2^%d", nearest(a.lo, bits.Len64(a.lo)))
	}
}

// nearest is the exponent of the power of two that a number of width bits, whose
// upper word is hi, is nearest to.
func nearest(hi uint64, width int) int {
	if second := bits.Len64(hi) - 2; second >= 0 && hi>>second&1 == 1 {
		return width
	}
	return width - 1
}
