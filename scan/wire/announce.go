package wire

import "onmux/probe/traffic"

// announcer passes flows on while they go on, of each client and endpoint one.
type announcer struct {
	begun     func(Flow) // nil for none
	scope     *scope
	greetings map[*flow]*traffic.Greeting
	pairs     map[pair]struct{} // that were announced
	waiting   []question        // that may turn out to be silence, the first that was asked first
}

// pair is a client and an endpoint.
type pair struct {
	client   [16]byte
	endpoint uint32
}

// maxPairs bounds the pairs that are known to have been announced.
const maxPairs = 1 << 16

// announce passes a flow on whose answer is known, unless one like it was passed on.
func (a *announcer) announce(f *flow) {
	if a.begun == nil || f.is(announced) {
		return
	}
	f.flags |= announced
	p := pair{f.client().addr, f.endpoint}
	if _, known := a.pairs[p]; known {
		return
	}
	if len(a.pairs) == maxPairs {
		clear(a.pairs)
	}
	a.pairs[p] = struct{}{}
	a.begun(f.record(a.scope, a.greetings[f]))
}

// question is a flow that was asked, and when.
type question struct {
	*flow
	key flowKey // the flow's slot may have another by now
	at  int64
}

// Bounds of the questions whose silence is announced.
const (
	maxQuestions = 1 << 14
	silentAfter  = 3e9 // nanoseconds; a client has repeated a SYN twice by then (RFC 6298)
)

// await notes a question, to announce its silence.
func (a *announcer) await(f *flow, now int64) {
	if a.begun != nil && len(a.waiting) < maxQuestions {
		a.waiting = append(a.waiting, question{f, f.key, now})
	}
}

// announceSilence passes on the flows that nothing has answered for long.
func (a *announcer) announceSilence(now int64) {
	for len(a.waiting) > 0 && now-a.waiting[0].at > silentAfter {
		q := a.waiting[0]
		a.waiting = a.waiting[1:]
		if q.flow.key == q.key && q.is(inUse) && !q.cell.HasAnswer() {
			a.announce(q.flow)
		}
	}
}
