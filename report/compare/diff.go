package compare

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/report/compact"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// Saved is a Handler that keeps of a stream what Diff compares.
type Saved struct {
	record.Nop
	Started record.Start
	Ended   record.End
	asked   compact.Store // endpoints with what Diff needs of them
	ports   map[probe.Port]local.Verdict
	sockets map[socketKey][]owner.Owner
}

// socketKey is what makes a socket that listens the same one in another report.
type socketKey struct {
	address       netip.Addr
	port          probe.Port
	netns, device string
}

// Start keeps s.
func (r *Saved) Start(s record.Start) error {
	r.Started = s
	r.ports, r.sockets = make(map[probe.Port]local.Verdict), make(map[socketKey][]owner.Owner)
	return nil
}

// Endpoint keeps its state.
func (r *Saved) Endpoint(f probe.Result) error {
	if !f.Addr.IsValid() {
		return nil // a name that has no address
	}
	kept := probe.Result{Endpoint: f.Endpoint, State: f.State, Reason: f.Reason, Confidence: f.Confidence,
		Doubts: doubtsOf(f.State, f.Reason, f.Doubts, f.Notes)}
	if s := f.Service; s != nil {
		kept.Service = &probe.Service{Name: s.Name, Product: s.Product, Version: s.Version}
	}
	return r.asked.Endpoint(kept)
}

// Range keeps the state of its endpoints.
func (r *Saved) Range(f scan.Range) error {
	return r.asked.Range(scan.Range{First: f.First, Last: f.Last, Count: f.Count, Port: f.Port, Proto: f.Proto,
		State: f.State, Reason: f.Reason, Doubts: doubtsOf(f.State, f.Reason, f.Doubts, f.Notes)})
}

// doubtSilence is that of a silence with a note.
var doubtSilence = []probe.Doubt{{Kind: "silence"}}

// doubtsOf is what Diff needs of the doubts about a state: whether its host is down, and
// whether a silence decides nothing.
func doubtsOf(state probe.State, reason probe.Reason, doubts []probe.Doubt, notes []string) []probe.Doubt {
	down := probe.Doubt{Kind: probe.DoubtHostDown}
	switch {
	case slices.Contains(doubts, down):
		return []probe.Doubt{down}
	case isSilence(state, reason) && (len(doubts) > 0 || len(notes) > 0):
		return doubtSilence
	}
	return nil
}

// isSilence reports whether a state was concluded from no answer.
func isSilence(state probe.State, reason probe.Reason) bool {
	return reason == probe.NoResponse ||
		reason == probe.NoReason && (state == probe.Filtered || state == probe.OpenFiltered)
}

// Verdict keeps it.
func (r *Saved) Verdict(f local.Verdict) error {
	r.ports[probe.Port{Number: f.Port, Proto: f.Proto}] = f
	return nil
}

// Listener keeps the owners of a socket that listens.
func (r *Saved) Listener(f local.Listener) error {
	if f.State == local.Listening {
		k := socketKey{f.Address, probe.Port{Number: f.Port, Proto: f.Proto}, f.NetNS, f.Device}
		r.sockets[k] = append(r.sockets[k], f.Owners...)
	}
	return nil
}

// End keeps e.
func (r *Saved) End(e record.End) error {
	r.Ended = e
	return nil
}

// IgnoresViolations states that they are not compared.
func (r *Saved) IgnoresViolations() {}

// Close removes what is kept.
func (r *Saved) Close() { r.asked.Close() }

// Comparable reports whether reports of two commands have to do with each other.
func Comparable(old, now string) error {
	remote := func(command string) bool { return slices.Contains([]string{"scan", "probe", "watch"}, command) }
	if remote(old) && remote(now) || old == "check" && now == "check" {
		return nil
	}
	return fmt.Errorf("a report of onmux %s cannot be compared with one of onmux %s", old, now)
}

// Diff emits what is different in now from what it was in old, whatever their
// order and ranges. What only one of them looked at is not compared, unless it is
// open there: that is a Change of low confidence. The returned End counts what
// both looked at, and in its States the changes of high confidence by kind.
func Diff(old, now *Saved, emit func(record.Finding) error) (record.End, error) {
	d := &differ{old: old, now: now, emit: emit, kinds: make(map[string]uint64)}
	if err := d.endpoints(newCursor(&old.asked), newCursor(&now.asked)); err != nil {
		return record.End{}, err
	}
	d.verdicts()
	d.owners()
	d.flush()
	return d.end(), d.err
}

type differ struct {
	old, now *Saved
	emit     func(record.Finding) error
	err      error
	held     record.Change // may grow
	compared uint64
	onlyOld  uint64
	onlyNow  uint64
	kinds    map[string]uint64
	silent   uint64 // changes that are Undecided
}

// endpoints goes through both reports at once, from one address at which something
// changes to the next, port by port.
func (d *differ) endpoints(old, now *cursor) error {
	for old.head != nil || now.head != nil {
		p := old.port()
		if old.head == nil || now.head != nil && record.ComparePorts(now.port(), p) < 0 {
			p = now.port()
		}
		x, y := old.on(p), now.on(p)
		var a, b *compact.Item
		if x != nil && (y == nil || !y.Addr.Less(x.Addr)) {
			a = x
		}
		if y != nil && (x == nil || !x.Addr.Less(y.Addr)) {
			b = y
		}
		last := upTo(a, b, x, y)
		d.compare(p, cmp.Or(a, b).Addr, last, a, b)
		old.skip(p, last)
		now.skip(p, last)
		if err := cmp.Or(old.err, now.err); err != nil {
			return err
		}
	}
	return nil
}

// upTo is the last address of the piece that begins where a and b, of which
// one may be nil, begin: it ends where one of them ends, or before the other report,
// which is at x or y, goes on.
func upTo(a, b, x, y *compact.Item) netip.Addr {
	switch {
	case a == nil:
		if x != nil && !b.Last.Less(x.Addr) {
			return x.Addr.Prev()
		}
		return b.Last
	case b == nil:
		if y != nil && !a.Last.Less(y.Addr) {
			return y.Addr.Prev()
		}
		return a.Last
	case a.Last.Less(b.Last):
		return a.Last
	}
	return b.Last
}

// cursor reads the endpoints and ranges of a report by port and address.
type cursor struct {
	store *compact.Store
	order []uint32
	head  *compact.Item // the first of what was not compared yet; nil at the end
	err   error         // of reading on, which ends there
}

func newCursor(s *compact.Store) *cursor {
	c := &cursor{store: s, order: s.ByPort()}
	c.next()
	return c
}

func (c *cursor) next() {
	c.head = nil
	if len(c.order) == 0 || c.err != nil {
		return
	}
	item, err := c.store.At(c.order[0])
	if c.err = err; err == nil {
		c.head, c.order = &item, c.order[1:]
	}
}

func (c *cursor) port() probe.Port {
	if c.head == nil {
		return probe.Port{}
	}
	return probe.Port{Number: c.head.Port, Proto: c.head.Proto}
}

// on is the head if it is of a port, or nil.
func (c *cursor) on(p probe.Port) *compact.Item {
	if c.head == nil || c.port() != p {
		return nil
	}
	return c.head
}

// skip goes on to what of a port lies beyond last. Of two records of an address the
// first counts.
func (c *cursor) skip(p probe.Port, last netip.Addr) {
	for c.on(p) != nil && !last.Less(c.head.Last) {
		c.next()
	}
	if h := c.on(p); h != nil && !last.Less(h.Addr) {
		h.Addr = last.Next()
	}
}

func (d *differ) compare(p probe.Port, first, last netip.Addr, a, b *compact.Item) {
	n := span64(first, last)
	c := record.Change{Address: first, Last: last, Count: n, Port: p.Number, Proto: p.Proto, Confidence: probe.High}
	switch {
	case b == nil:
		d.onlyOld += n
		if a.State != probe.Open {
			return
		}
		c.What, c.Old, c.New = record.Vanished, sentence(a.Result), phrase.NotReported
		c.Notes = []string{phrase.New.Doubt(phrase.Absent)}
	case a == nil:
		d.onlyNow += n
		if b.State != probe.Open {
			return
		}
		c.What, c.Old, c.New = record.Appeared, phrase.NotReported, sentence(b.Result)
		c.Notes = []string{phrase.Old.Doubt(phrase.Absent)}
	default:
		d.compared += n
		if !different(&c, a.Result, b.Result) {
			return
		}
		c.Notes = d.doubts(a.Result, b.Result)
		c.Undecided = a.State != probe.Open && b.State != probe.Open &&
			(undecided(a.Result, b.Result) || undecided(b.Result, a.Result))
	}
	if c.Notes != nil {
		c.Confidence = probe.Low
	}
	d.add(c)
}

// different fills in how b differs from a, if it does.
func different(c *record.Change, a, b probe.Result) bool {
	switch {
	case a.State != b.State && b.State == probe.Open:
		c.What = record.Appeared
	case a.State != b.State && a.State == probe.Open:
		c.What = record.Vanished
	case a.State != b.State:
		c.What = record.Changed
	case a.Service != nil && b.Service != nil && !sameService(a.Service, b.Service):
		c.What = record.Service
		c.Old, c.New = phrase.Product(a.Service), phrase.Product(b.Service)
		return true
	default:
		return false
	}
	c.Old, c.New = sentence(a), sentence(b)
	return true
}

// sentence is what is known of an endpoint, without its round-trip time: a difference in
// that does not split a run.
func sentence(r probe.Result) string {
	if isDown(r) {
		return phrase.HostDown
	}
	r.RTT = 0
	return phrase.Sentence(r)
}

// isDown reports whether another program found the host down, and did not ask it.
func isDown(r probe.Result) bool {
	return slices.Contains(r.Doubts, probe.Doubt{Kind: probe.DoubtHostDown})
}

// undecided reports whether the state of r is of a silence that decides nothing: that is
// known of it, or the other report has an ICMP error, and those are limited (RFC 1812, section
// 4.3.2.8; RFC 4443, section 2.4 f), whether or not a scan noticed it.
func undecided(r, other probe.Result) bool {
	return isSilence(r.State, r.Reason) && !isDown(r) && (len(r.Doubts) > 0 || isICMPError(other.Reason))
}

func isICMPError(r probe.Reason) bool {
	switch r {
	case probe.PortUnreach, probe.HostUnreach, probe.NetUnreach, probe.ProtoUnreach, probe.AdminProhibited,
		probe.HostProhibited, probe.NetProhibited, probe.TimeExceeded:
		return true
	}
	return false
}

// doubts are why a difference between two endpoints may be none.
func (d *differ) doubts(a, b probe.Result) []string {
	var out []string
	for _, side := range []struct {
		of            phrase.Side
		result, other probe.Result
		end           record.End
	}{{phrase.Old, a, b, d.old.Ended}, {phrase.New, b, a, d.now.Ended}} {
		switch missed := side.end.Summary.ExpectedMissed; {
		case side.result.State == probe.Unknown:
			out = append(out, side.of.Doubt(phrase.NotMeasured))
		case side.result.Confidence == probe.Low:
			out = append(out, side.of.Doubt(phrase.NotSure))
		case undecided(side.result, side.other):
			out = append(out, side.of.Doubt(phrase.Undecided))
		case side.result.Reason == probe.NoResponse && missed != nil && *missed >= 0.5:
			out = append(out, side.of.Doubt(phrase.Missed))
		case side.result.Reason == probe.NoResponse && !side.end.Complete:
			out = append(out, side.of.Doubt(phrase.Incomplete))
		case side.result.State == probe.Open && isUnidentified(a, b, side.result):
			out = append(out, side.of.Doubt(phrase.Unidentified))
		}
	}
	return out
}

// isUnidentified reports whether the service of one of two open endpoints is not known.
func isUnidentified(a, b, of probe.Result) bool {
	return a.State == b.State && of.Service != nil && of.Service.Name == record.Unknown
}

func (d *differ) verdicts() {
	for _, p := range union(d.old.ports, d.now.ports) {
		a, was := d.old.ports[p]
		b, is := d.now.ports[p]
		switch {
		case !is:
			d.onlyOld++
			if len(d.now.ports) == 0 || a.Verdict != local.Listening {
				continue
			}
			b = local.Verdict{Verdict: phrase.NotReported}
		case !was:
			d.onlyNow++
			if len(d.old.ports) == 0 || b.Verdict != local.Listening {
				continue
			}
			// With --all-ports only what listens has a record.
			a = local.Verdict{Verdict: phrase.NotReported}
		default:
			d.compared++
		}
		if a.Verdict == b.Verdict {
			continue
		}
		c := record.Change{What: record.Changed, Port: p.Number, Proto: p.Proto, Old: string(a.Verdict),
			New: string(b.Verdict), Confidence: probe.High}
		if b.Verdict == local.Listening {
			c.What = record.Appeared
		} else if a.Verdict == local.Listening {
			c.What = record.Vanished
		}
		switch {
		case a.Verdict == local.Unknown || b.Verdict == local.Unknown:
			c.Notes = []string{phrase.NotLooked}
		case !was:
			c.Notes = []string{phrase.Old.Doubt(phrase.Absent)}
		case !is:
			c.Notes = []string{phrase.New.Doubt(phrase.Absent)}
		}
		if c.Notes != nil {
			c.Confidence = probe.Low
		}
		d.add(c)
	}
}

// owners compares who holds the sockets that are in both reports, and emits those that
// only one has where the port listens in both: another address may be exposed.
// Processes come and go: their names count, not their pids.
func (d *differ) owners() {
	all := maps.Clone(d.old.sockets)
	maps.Copy(all, d.now.sockets)
	keys := slices.SortedFunc(maps.Keys(all), func(a, b socketKey) int {
		return cmp.Or(cmp.Compare(a.port.Number, b.port.Number), cmp.Compare(a.port.Proto, b.port.Proto),
			a.address.Compare(b.address), strings.Compare(a.netns, b.netns))
	})
	for _, k := range keys {
		before, was := d.old.sockets[k]
		now, is := d.now.sockets[k]
		if was != is {
			d.socket(k, is)
			continue
		}
		a, b := holdersOf(before, wholeName), holdersOf(now, wholeName)
		if a != "" && b != "" && a != b && holdersOf(before, cutName) != holdersOf(now, cutName) {
			d.add(record.Change{What: record.Owner, Address: k.address, Port: k.port.Number, Proto: k.port.Proto,
				Old: a, New: b, Confidence: probe.High})
		}
	}
}

// socket emits one that only one of the reports has.
func (d *differ) socket(k socketKey, is bool) {
	const there = string(local.Listening)
	if d.old.ports[k.port].Verdict != local.Listening || d.now.ports[k.port].Verdict != local.Listening {
		return // it is the verdict that changed, or the port was not looked at
	}
	c := record.Change{What: record.Vanished, Address: k.address, Port: k.port.Number, Proto: k.port.Proto, Old: there,
		New: phrase.NotThere, Confidence: probe.High}
	if is {
		c.What, c.Old, c.New = record.Appeared, phrase.NotThere, there
	}
	d.add(c)
}

func wholeName(o owner.Owner) string { return o.Name }

// cutName is an owner's name as the kernel cuts it: one of the reports may have no more.
func cutName(o owner.Owner) string {
	const maxComm = 15
	return o.Name[:min(len(o.Name), maxComm)]
}

func holdersOf(owners []owner.Owner, nameOf func(owner.Owner) string) string {
	var names []string
	for _, o := range owners {
		name := nameOf(o)
		if o.User != "" {
			name += " of " + o.User
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// add emits a change, once it is clear that the next does not continue it.
func (d *differ) add(c record.Change) {
	h := &d.held
	if h.What == c.What && h.What != "" && h.Port == c.Port && h.Proto == c.Proto && h.Old == c.Old && h.New == c.New &&
		h.Last.IsValid() && h.Last.Next() == c.Address && slices.Equal(h.Notes, c.Notes) {
		h.Last = c.Last
		h.Count = sum(h.Count, c.Count)
		return
	}
	d.flush()
	d.held = c
}

func (d *differ) flush() {
	c := d.held
	d.held = record.Change{}
	if c.What == "" || d.err != nil {
		return
	}
	switch {
	case c.Confidence != probe.Low:
		d.kinds[c.What] = sum(d.kinds[c.What], c.Number())
	case c.Undecided:
		d.silent = sum(d.silent, c.Number())
	}
	if c.Count <= 1 {
		c.Last, c.Count = netip.Addr{}, 0
	}
	d.err = d.emit(c)
}

func (d *differ) end() record.End {
	e := record.End{Complete: d.old.Ended.Complete && d.now.Ended.Complete}
	e.Summary.Targets, e.Summary.States = d.compared, d.kinds
	e.Coverage = append(e.Coverage, phrase.InBoth(d.compared))
	if d.silent > 0 {
		e.Coverage = append(e.Coverage, phrase.NotDecided(d.silent))
	}
	if d.onlyOld > 0 {
		e.Coverage = append(e.Coverage, phrase.OnlyIn(phrase.Old, d.onlyOld))
	}
	if d.onlyNow > 0 {
		e.Coverage = append(e.Coverage, phrase.OnlyIn(phrase.New, d.onlyNow))
	}
	for _, side := range []struct {
		of  phrase.Side
		end record.End
	}{{phrase.Old, d.old.Ended}, {phrase.New, d.now.Ended}} {
		if !side.end.Complete {
			e.Coverage = append(e.Coverage, side.of.Doubt(phrase.Incomplete))
		}
	}
	return e
}

func union[V any](a, b map[probe.Port]V) []probe.Port {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.SortFunc(keys, record.ComparePorts)
	return slices.Compact(keys)
}

// span64 is how many addresses lie from first to last; as many as fit.
func span64(first, last netip.Addr) uint64 {
	a, b := first.As16(), last.As16()
	var high, low uint64
	borrow := 0
	for i := 15; i >= 0; i-- {
		v := int(b[i]) - int(a[i]) - borrow
		borrow = 0
		if v < 0 {
			v, borrow = v+256, 1
		}
		if i >= 8 {
			low |= uint64(v) << (8 * (15 - i))
		} else {
			high |= uint64(v) << (8 * (7 - i))
		}
	}
	if high > 0 || low == math.MaxUint64 {
		return math.MaxUint64
	}
	return low + 1
}

func sum(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
