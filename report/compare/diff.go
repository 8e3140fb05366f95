package compare

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/report/compact"
	"onmux/report/phrase"
	"onmux/report/record"
)

// doubtSilence is that of a silence with a note.
var doubtSilence = []probe.Doubt{{Kind: "silence"}}

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
// both looked at, and in its States the changes of high confidence by kind. What a zone
// asked is compared with what the same zone asked before.
func Diff(old, now *Saved, emit func(record.Finding) error) (record.End, error) {
	d := &differ{old: old, now: now, emit: emit, kinds: make(map[string]uint64)}
	zones := slices.AppendSeq(slices.Collect(maps.Keys(old.zones)), maps.Keys(now.zones))
	slices.Sort(zones)
	for _, d.zone = range slices.Compact(zones) {
		if err := d.endpoints(newCursor(old.zone(d.zone)), newCursor(now.zone(d.zone))); err != nil {
			return record.End{}, err
		}
		d.flush()
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
	zone     string        // that is compared
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

func (d *differ) compare(p probe.Port, first, last netip.Addr, a, b *compact.Item) {
	n := span64(first, last)
	c := record.Change{Address: first, Last: last, Count: n, Port: p.Number, Proto: p.Proto, Confidence: probe.High,
		Zone: d.zone}
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
		report        *Saved
	}{{phrase.Old, a, b, d.old}, {phrase.New, b, a, d.now}} {
		switch missed := side.report.summary(d.zone).ExpectedMissed; {
		case side.result.State == probe.Unknown:
			out = append(out, side.of.Doubt(phrase.NotMeasured))
		case side.result.Confidence == probe.Low:
			out = append(out, side.of.Doubt(phrase.NotSure))
		case undecided(side.result, side.other):
			out = append(out, side.of.Doubt(phrase.Undecided))
		case side.result.Reason == probe.NoResponse && missed != nil && *missed >= 0.5:
			out = append(out, side.of.Doubt(phrase.Missed))
		case side.result.Reason == probe.NoResponse && !side.report.Ended.Complete:
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

func sum(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
