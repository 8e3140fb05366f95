package verdict

import (
	"onmux/probe"
	"onmux/scan/engine"
)

// Cell is all that a scan keeps of every endpoint: what answered in the upper
// four bits, how often it was asked in the lower four. The zero Cell was never
// asked.
type Cell uint8

// Class is the part of a Cell that has the strongest evidence so far: one of
// probe's reasons, with a second one for a port-unreachable, whose sender decides
// what it means.
type Class uint8

const (
	Unanswered Class = iota // no answer yet, and no try has ended in silence for certain
	Silence                 // an earlier try ended in silence
	SynAck
	Reset
	UDPResponse
	PortUnreach        // from the target itself
	PortUnreachByOther // from another host
	HostUnreach
	NetUnreach
	ProtoUnreach
	AdminProhibited
	HostProhibited
	NetProhibited
	TimeExceeded
	NoNeighbor
	LocalError

	classCount
)

// weight orders evidence; the stronger replaces the weaker whatever came first,
// and of equals the first stays. What the target itself sent stands above what
// others sent about it, a refusal above a route that failed, and anything above
// silence.
type weight uint8

const (
	weightNothing weight = iota
	weightLocal
	weightSilence
	weightNeighbor
	weightRoute
	weightRefusal
	weightTarget
	weightUDP
	weightReset
	weightSynAck
)

// classes has what each class stands for.
var classes = [classCount]struct {
	reason probe.Reason
	target bool // sent by the target itself, where that matters
	weight weight
}{
	Unanswered:         {probe.NoResponse, false, weightNothing},
	Silence:            {probe.NoResponse, false, weightSilence},
	SynAck:             {probe.SynAck, true, weightSynAck},
	Reset:              {probe.Reset, true, weightReset},
	UDPResponse:        {probe.UDPResponse, true, weightUDP},
	PortUnreach:        {probe.PortUnreach, true, weightTarget},
	PortUnreachByOther: {probe.PortUnreach, false, weightRefusal},
	HostUnreach:        {probe.HostUnreach, false, weightRoute},
	NetUnreach:         {probe.NetUnreach, false, weightRoute},
	ProtoUnreach:       {probe.ProtoUnreach, false, weightRefusal},
	AdminProhibited:    {probe.AdminProhibited, false, weightRefusal},
	HostProhibited:     {probe.HostProhibited, false, weightRefusal},
	NetProhibited:      {probe.NetProhibited, false, weightRefusal},
	TimeExceeded:       {probe.TimeExceeded, false, weightRoute},
	NoNeighbor:         {probe.NoNeighbor, false, weightNeighbor},
	LocalError:         {probe.LocalError, false, weightLocal},
}

// ClassOf finds the class of an answer to a probe of protocol p. It is false
// for what no probe of p can cause, and for silence, which is no answer.
func ClassOf(p probe.Proto, r probe.Reason, fromTarget bool) (Class, bool) {
	c := Unanswered
	switch r {
	case probe.SynAck:
		return SynAck, p == probe.TCP
	case probe.Reset:
		return Reset, p == probe.TCP
	case probe.UDPResponse:
		return UDPResponse, p == probe.UDP
	case probe.PortUnreach:
		c = PortUnreachByOther
		if fromTarget {
			c = PortUnreach
		}
	case probe.HostUnreach:
		c = HostUnreach
	case probe.NetUnreach:
		c = NetUnreach
	case probe.ProtoUnreach:
		c = ProtoUnreach
	case probe.AdminProhibited:
		c = AdminProhibited
	case probe.HostProhibited:
		c = HostProhibited
	case probe.NetProhibited:
		c = NetProhibited
	case probe.TimeExceeded:
		c = TimeExceeded
	case probe.NoNeighbor:
		c = NoNeighbor
	case probe.LocalError:
		c = LocalError
	}
	return c, c != Unanswered
}

// String is the reason, and who sent it where that makes another answer of it.
func (k Class) String() string {
	if k == PortUnreachByOther {
		return classes[k].reason.String() + " from another host"
	}
	return classes[k].reason.String()
}

// FromTarget reports whether only the target itself can have sent it.
func (k Class) FromTarget() bool { return classes[k].weight >= weightTarget }

// CellOf is the cell of an endpoint that was asked so often, 0 to engine.MaxTries.
func CellOf(c Class, tries int) Cell { return Cell(c)<<4 | Cell(tries) }

// Class is the strongest evidence so far.
func (c Cell) Class() Class { return Class(c >> 4) }

// Tries is how often the endpoint was asked.
func (c Cell) Tries() int { return int(c & engine.MaxTries) }

// Asked reports whether the endpoint was asked, or would have been but for an
// error of this machine.
func (c Cell) Asked() bool { return c != 0 }

// Reason is the evidence in probe's terms.
func (c Cell) Reason() probe.Reason { return classes[c.Class()].reason }

// State is the verdict for protocol p; it is meaningful for asked cells only.
func (c Cell) State(p probe.Proto) probe.State {
	k := classes[c.Class()]
	return probe.Verdict(p, k.reason, k.target)
}

// Open reports whether the verdict is probe.Open.
func (c Cell) Open() bool { k := c.Class(); return k == SynAck || k == UDPResponse }

// Answered reports whether any host answered. A missing neighbor is no answer:
// the kernel concludes it from silence to ARP or NDP, which can be lost too.
func (c Cell) Answered() bool { return classes[c.Class()].weight > weightNeighbor }

// SameVerdict reports whether two cells make the same verdict for the same reason.
func (c Cell) SameVerdict(o Cell, p probe.Proto) bool {
	if !c.Asked() || !o.Asked() {
		return c == o
	}
	return c.Reason() == o.Reason() && c.State(p) == o.State(p)
}

// HasAnswer reports whether an answer of any kind made the cell, a local error
// and a missing neighbor included.
func (c Cell) HasAnswer() bool { return c.Class() > Silence }

// Silent reports whether the endpoint was asked and no host has answered so far.
func (c Cell) Silent() bool {
	return c.Asked() && !c.Answered() && c.Class() != LocalError
}

// Askable reports whether a later pass may ask the endpoint again: while it is
// silent, and once after a local error, because what this machine lacked at one time
// it may have later.
func (c Cell) Askable() bool {
	return c.Silent() && c.Tries() < engine.MaxTries || c.Class() == LocalError && c.Tries() == 1
}

// Counts is 1 for Askable, for Silent and for NoNeighbor if they hold, else 0: what a
// cell adds to the sums over all of them.
func (c Cell) Counts() (askable, silent, absent int64) {
	if !c.Silent() {
		if c.Askable() {
			return 1, 0, 0
		}
		return 0, 0, 0
	}
	if c.Tries() < engine.MaxTries {
		askable = 1
	}
	if c.Class() == NoNeighbor {
		absent = 1
	}
	return askable, 1, absent
}

// NeighborAnswers is the cell when the endpoint answers ARP or NDP after all.
func (c Cell) NeighborAnswers() Cell {
	if c.Class() != NoNeighbor {
		return c
	}
	return CellOf(Silence, c.Tries())
}

// Ask is the cell while a further try is on its way. From the second on it is
// known that an earlier one ended in silence, unless that one never left.
func (c Cell) Ask() Cell {
	k, tries := c.Class(), min(c.Tries()+1, engine.MaxTries)
	switch {
	case k == LocalError:
		k = Unanswered
	case k == Unanswered && tries > 1:
		k = Silence
	}
	return CellOf(k, tries)
}

// Unask undoes Ask for a probe that did not leave after all. An answer that came
// nevertheless stays.
func (c Cell) Unask() Cell {
	k, tries := c.Class(), max(c.Tries()-1, 0)
	if c.Answered() {
		return c
	}
	if k == Unanswered && tries > 0 {
		k = LocalError
	}
	return CellOf(k, tries)
}

// Void takes back a try whose silence is no evidence. After the last one the cell
// is of Silence and no tries: the endpoint is to be asked again.
func (c Cell) Void() Cell {
	switch k, tries := c.Class(), max(c.Tries()-1, 0); {
	case !c.Silent():
		return c
	case tries == 0 || k == NoNeighbor:
		return CellOf(Silence, tries)
	default:
		return CellOf(k, tries)
	}
}

// Merge is the cell after an answer of class k, and whether that changed it.
// disagrees is true if the two answers make different states for protocol p.
func (c Cell) Merge(k Class, p probe.Proto) (_ Cell, changed, disagrees bool) {
	next := CellOf(k, c.Tries())
	disagrees = c.Answered() && next.Answered() && c.State(p) != next.State(p)
	if classes[k].weight <= classes[c.Class()].weight {
		return c, false, disagrees
	}
	return next, true, disagrees
}
