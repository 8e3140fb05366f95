package scan

import (
	"onmux/probe"
	"onmux/scan/engine"
)

// cell is all that the sweep keeps of every endpoint: what was heard in the
// upper four bits, how often it was asked in the lower four. The zero cell was
// never asked.
type cell uint8

// class is the part of a cell that says what was heard: one of probe's reasons,
// with a second one for a port-unreachable, whose sender decides what it means.
type class uint8

const (
	unheard class = iota // nothing yet, and no try has ended in silence for certain
	silent               // an earlier try ended in silence
	synAck
	reset
	udpResponse
	portUnreach   // from the target itself
	portUnreachBy // from somebody else
	hostUnreach
	netUnreach
	protoUnreach
	adminProhibited
	hostProhibited
	netProhibited
	timeExceeded
	noNeighbour
	localError

	classCount
)

// weight orders evidence; the stronger replaces the weaker whatever came first,
// and of equals the first stays. What the target itself said stands above what
// others said of it, a refusal above a route that failed, and anything above
// silence.
type weight uint8

const (
	weighsNothing weight = iota
	weighsLocal
	weighsSilence
	weighsNeighbour
	weighsRoute
	weighsRefusal
	weighsTarget
	weighsUDP
	weighsReset
	weighsSynAck
)

// classes says what each class stands for.
var classes = [classCount]struct {
	reason probe.Reason
	target bool // said by the target itself, where that matters
	weight weight
}{
	unheard:         {probe.NoResponse, false, weighsNothing},
	silent:          {probe.NoResponse, false, weighsSilence},
	synAck:          {probe.SynAck, true, weighsSynAck},
	reset:           {probe.Reset, true, weighsReset},
	udpResponse:     {probe.UDPResponse, true, weighsUDP},
	portUnreach:     {probe.PortUnreach, true, weighsTarget},
	portUnreachBy:   {probe.PortUnreach, false, weighsRefusal},
	hostUnreach:     {probe.HostUnreach, false, weighsRoute},
	netUnreach:      {probe.NetUnreach, false, weighsRoute},
	protoUnreach:    {probe.ProtoUnreach, false, weighsRefusal},
	adminProhibited: {probe.AdminProhibited, false, weighsRefusal},
	hostProhibited:  {probe.HostProhibited, false, weighsRefusal},
	netProhibited:   {probe.NetProhibited, false, weighsRefusal},
	timeExceeded:    {probe.TimeExceeded, false, weighsRoute},
	noNeighbour:     {probe.NoNeighbour, false, weighsNeighbour},
	localError:      {probe.LocalError, false, weighsLocal},
}

// classOf finds the class of an answer to a probe of protocol p. It is false
// for what no probe of p can draw, and for silence, which is nobody's answer.
func classOf(p probe.Proto, r probe.Reason, fromTarget bool) (class, bool) {
	c := unheard
	switch r {
	case probe.SynAck:
		return synAck, p == probe.TCP
	case probe.Reset:
		return reset, p == probe.TCP
	case probe.UDPResponse:
		return udpResponse, p == probe.UDP
	case probe.PortUnreach:
		c = portUnreachBy
		if fromTarget {
			c = portUnreach
		}
	case probe.HostUnreach:
		c = hostUnreach
	case probe.NetUnreach:
		c = netUnreach
	case probe.ProtoUnreach:
		c = protoUnreach
	case probe.AdminProhibited:
		c = adminProhibited
	case probe.HostProhibited:
		c = hostProhibited
	case probe.NetProhibited:
		c = netProhibited
	case probe.TimeExceeded:
		c = timeExceeded
	case probe.NoNeighbour:
		c = noNeighbour
	case probe.LocalError:
		c = localError
	}
	return c, c != unheard
}

func cellOf(c class, tries int) cell { return cell(c)<<4 | cell(tries) }

func (c cell) class() class         { return class(c >> 4) }
func (c cell) tries() int           { return int(c & engine.MaxTries) }
func (c cell) asked() bool          { return c != 0 }
func (c cell) reason() probe.Reason { return classes[c.class()].reason }
func (c cell) weight() weight       { return classes[c.class()].weight }

// state is the verdict for protocol p; it is meaningful for asked cells only.
func (c cell) state(p probe.Proto) probe.State {
	k := classes[c.class()]
	return probe.Verdict(p, k.reason, k.target)
}

func (c cell) open() bool { k := c.class(); return k == synAck || k == udpResponse }

// heard reports whether somebody answered. A missing neighbour is no answer:
// the kernel concludes it from silence to ARP or NDP, which can be lost too.
func (c cell) heard() bool { return c.weight() > weighsNeighbour }

// like reports whether two cells make the same verdict for the same reason.
func (c cell) like(o cell, p probe.Proto) bool {
	if !c.asked() || !o.asked() {
		return c == o
	}
	return c.reason() == o.reason() && c.state(p) == o.state(p)
}

// told reports whether the cell was made by an answer of any kind.
func (c cell) told() bool { return c.class() > silent }

// quiet reports whether the endpoint was asked and nobody answered so far.
func (c cell) quiet() bool {
	return c.asked() && !c.heard() && c.class() != localError
}

// failedOnce reports whether all that is known is one local failure. Such an
// endpoint may be asked again once: what is short at one time may not be later.
func (c cell) failedOnce() bool { return c.class() == localError && c.tries() == 1 }

// owed reports whether a later pass may ask the endpoint.
func (c cell) owed() bool {
	return c.quiet() && c.tries() < engine.MaxTries || c.failedOnce()
}

// tallied has for each cell what the sweep counts of it: whether it is owed a question,
// and in the next bit whether it is quiet.
var tallied = func() (t [256]uint8) {
	for i := range t {
		c := cell(i)
		t[i] = uint8(one(c.owed()) | one(c.quiet())<<1)
	}
	return t
}()

// ask is the cell while a further try is on its way. From the second on it is
// known that an earlier one ended in silence, unless that one never left.
func (c cell) ask() cell {
	k, tries := c.class(), min(c.tries()+1, engine.MaxTries)
	switch {
	case k == localError:
		k = unheard
	case k == unheard && tries > 1:
		k = silent
	}
	return cellOf(k, tries)
}

// takeBack undoes ask for a probe that did not leave after all. An answer that
// came nevertheless stays.
func (c cell) takeBack() cell {
	k, tries := c.class(), max(c.tries()-1, 0)
	if c.heard() {
		return c
	}
	if k == unheard && tries > 0 {
		k = localError
	}
	return cellOf(k, tries)
}

// hear is the cell after an answer of class k, and whether that changed it.
// disagrees tells that two answers make different states for protocol p.
func (c cell) hear(k class, p probe.Proto) (_ cell, changed, disagrees bool) {
	next := cellOf(k, c.tries())
	disagrees = c.heard() && next.heard() && c.state(p) != next.state(p)
	if next.weight() <= c.weight() {
		return c, false, disagrees
	}
	return next, true, disagrees
}

// maxDetails bounds for how many endpoints that answered, and are not open, the
// whole Result is kept beside the cell. A small scan, or one with a record for
// every endpoint that somebody will read, loses nothing; a large one stays at
// about a byte a target, whatever answers: a Result takes some 400 bytes, and
// a network may make every address answer.
const maxDetails = 65536

// table is what is known of every endpoint of a plan.
type table struct {
	cells   []cell
	details map[uint64]*probe.Result // of at most maxDetails endpoints
	touched cell                     // keeps touch from being optimized away
}

func newTable(n uint64) *table {
	return &table{cells: make([]cell, n), details: make(map[uint64]*probe.Result)}
}

// keep stores the details of an answer that changed the cell old, and returns
// what it stored: nil if there is no room.
func (t *table) keep(i uint64, old cell, r *probe.Result) *probe.Result {
	t.forget(i, old)
	if len(t.details) >= maxDetails {
		return nil
	}
	kept := *r
	t.details[i] = &kept
	return &kept
}

// forget drops the details of what made the cell old. A look into the map is
// paid for only if something may be there.
func (t *table) forget(i uint64, old cell) {
	if old.told() {
		delete(t.details, i)
	}
}

// touch brings the cells of answers into the cache. They lie all over memory, and
// loads that do not depend on each other overlap.
func (t *table) touch(answers []engine.Answer) {
	for i := range answers {
		if at := answers[i].Index; at < uint64(len(t.cells)) {
			t.touched |= t.cells[at]
		}
	}
}
