package service

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/request"
)

// Bounds of one identification, in connections.
const (
	maxSilentConns = 6 // to a peer that has sent nothing
	maxConns       = 8
	// maxThoroughConns is the bound where every request may be sent (Options.Thorough).
	maxThoroughConns = 80
)

// plan decides what is sent to a peer next, from its port and from what it has answered so
// far: one request at a time, the likeliest first, until an answer settles what it is.
// It sends nothing itself, reads no clock and belongs to one goroutine.
type plan struct {
	findings
	setting
	tally
	conns *budget

	begun      bool
	listened   bool  // for as long as there is time
	secondWait bool  // has listened again
	late       bool  // what is left of the time is for a greeting
	queue      queue // not sent yet
	open       openState
	inLines    bool // the last request had whole lines
}

// setting is what a plan begins with.
type setting struct {
	port     uint16
	thorough bool
	named    bool   // the peer has a host name
	byName   bool   // a page was requested by it
	inTLS    bool   // the connections are inside TLS
	alpn     string // the protocol that the peer chose for that
}

// needsName reports whether a page by the peer's name is still to be requested.
func (s *setting) needsName() bool { return s.named && !s.byName }

// greets reports whether the server of the port sends first.
func (s *setting) greets(q queue) bool {
	if s.inTLS {
		return slices.Contains(greetsInTLS, s.port)
	}
	return waiting.UsualOn(s.port) || slices.ContainsFunc(q, func(r *request.Request) bool {
		return r.AfterGreeting && r.UsualOn(s.port)
	})
}

// tally counts connections by what became of them.
type tally struct {
	accepted int
	closed   int // of them, by the peer before it sent anything
	reset    int // of those, by a reset
	early    int // of those, while nothing was sent either
	refused  int // in a row that were not accepted
}

// budget is how many connections were made, and may be.
type budget struct{ made, silent, all int }

func newBudget(thorough bool) *budget {
	if thorough {
		return &budget{silent: maxThoroughConns, all: maxThoroughConns}
	}
	return &budget{silent: maxSilentConns, all: maxConns}
}

// openState is what the connection of the last step is good for.
type openState uint8

const (
	spent    openState = iota // nothing: there is none, or a request on it had no answer
	fresh                     // any request: neither side has sent anything
	answered                  // another request of the same service: the answer is complete
)

// step is what is to be done next.
type step struct {
	*request.Request      // waiting: nothing is sent
	onOpen           bool // on the connection of the step before
	wait             wait
}

// wait is how long the first byte of an answer is waited for.
type wait uint8

const (
	normally wait = iota // as long as an answer may take
	moment               // as long as what was sent at once takes
	briefly              // as long as a server takes that greets at once
	again                // longer: the first time may have been too short
	twice                // as long as a late greeting takes
	long                 // nearly as long as there is time
	toTheEnd             // as long as there is time
)

// newPlan returns the plan for a port; connected is that a connection is there already.
func newPlan(port uint16, o *Options, conns *budget, connected bool) *plan {
	p := &plan{
		findings: newFindings(port),
		setting:  setting{port: port, thorough: o.Thorough, named: o.serverName() != ""},
		conns:    conns,
	}
	if connected {
		p.open = fresh
	}
	p.queue = append([]*request.Request{&request.HTTP, &clientHello}, request.TCP()...)
	for i := range moreHellos {
		p.queue = append(p.queue, &moreHellos[i])
	}
	return p
}

// newInnerPlan returns the plan for what is inside TLS, on the connection of the handshake.
func newInnerPlan(outer *plan, o *Options, t *tunnel) *plan {
	p := newPlan(outer.port, o, outer.conns, true)
	p.inTLS, p.alpn, p.accepted = true, t.facts.ALPN, 1
	p.queue = slices.DeleteFunc(p.queue, func(r *request.Request) bool { return r.Service == clientHello.Service })
	return p
}

// next returns the next step, false if none would add to what is known. late is whether
// the rest of the time is for a greeting: servers that look the client up, or that test
// whether it waits, take 3 s or 5 s.
func (p *plan) next(late bool) (step, bool) {
	p.late = late
	if !p.begun {
		p.begun = true
		return p.take(p.first())
	}
	own := p.queue.own(p.port)
	if own != nil && p.open == fresh && p.accepted == 1 { // on the connection of the first step
		return p.take(step{own, true, normally})
	}
	if s, ok := p.completion(); ok {
		return p.take(s)
	}
	if s, ok := p.listing(); ok {
		return p.take(s)
	}
	if s, ok := p.namedPage(); ok {
		return p.take(s)
	}
	if s, ok := p.confirmation(); ok {
		return p.take(s)
	}
	if p.complete() || p.tunnel != nil || p.refused > 1 {
		return step{}, false
	}
	if p.early == 1 && p.accepted == 1 && p.mayConnect() { // it may accept another connection
		return p.take(step{&waiting, false, again})
	}
	tooEarly := p.isCutOff(request.HTTP.Name) && p.closed == 1 && p.nothingReceived()
	if tooEarly && !p.secondWait && !p.inTLS && p.mayConnect() {
		// the request may have come before a greeting that takes longer
		p.secondWait = true
		return p.take(step{&waiting, false, again})
	}
	for _, r := range p.byLikelihood() {
		switch continued := p.mayContinue(r); {
		case !p.isUseful(r):
		case !continued && !p.mayConnect():
		case !continued && r.AfterGreeting && p.greeted: // its greeting is not complete, or it has left
		default:
			return p.take(step{r, continued, normally})
		}
	}
	if p.mayListen() && p.conns.made < p.conns.silent {
		return p.take(step{&waiting, false, long})
	}
	return step{}, false
}

// take removes the request of a step from the queue.
func (p *plan) take(s step) (step, bool) {
	p.queue = p.queue.without(s.Request)
	p.testedDNS = p.testedDNS || s.Name == testDNS
	if s.onOpen = s.onOpen && p.open != spent; !s.onOpen {
		p.conns.made++
	}
	p.listened = p.listened || s.wait >= long
	return s, true
}

// first is the first step: to listen, for long where a greeting is usual, or for a moment before
// the port's own request.
func (p *plan) first() step {
	own := p.queue.own(p.port)
	switch {
	case p.inTLS && (p.alpn == "http/1.1" || p.alpn == "h2"):
		return step{&request.HTTP, true, normally}
	case own != nil, p.inTLS && clientHello.UsualOn(p.port) && !p.greets(p.queue):
		return step{&waiting, true, moment}
	case p.greets(p.queue):
		return step{&waiting, true, long}
	}
	return step{&waiting, true, briefly}
}

// completion is the rest of a handshake that the peer would count as failed.
func (p *plan) completion() (step, bool) {
	for _, r := range p.queue {
		if r.Completes && p.known() && r.Service == p.best.Service && p.open == answered {
			return step{r, true, normally}, true
		}
	}
	return step{}, false
}

// confirmation is a step that shows whether the best answer is evidence of its protocol: to listen, where
// the server would have sent first; the protocol's own request; or one of another.
func (p *plan) confirmation() (step, bool) {
	if !p.known() || p.isEvident(p.best) || p.refused > 1 || p.repetitions(p.best) > maxRepetitions {
		return step{}, false
	}
	if p.best.Greets() {
		return step{&waiting, false, twice}, p.mayConnect()
	}
	isOther := func(r *request.Request) bool {
		return r == &request.HTTP || r == &clientHello || r.Name == pageOfName || r.Name == "postgresql"
	}
	for _, useful := range []func(*request.Request) bool{
		func(r *request.Request) bool {
			return r.Service == p.best.Service && !r.AfterGreeting && r.Service != p.attribution(p.best).service
		},
		isOther,
	} {
		for _, r := range p.queue {
			if continued := p.mayContinue(r); useful(r) && (continued || p.mayConnect()) {
				return step{r, continued, normally}, true
			}
		}
	}
	return step{}, false
}

// maxRepetitions is how often the same answer is received before it is taken for one to anything.
const maxRepetitions = 3

// listing is the request for what the server can do, on the connection that is there.
func (p *plan) listing() (step, bool) {
	if !p.known() || p.open != answered || p.startTLS(p.best.Service) != nil {
		return step{}, false
	}
	for _, r := range p.queue {
		if r.Lists && r.Service == p.best.Service {
			return step{r, true, normally}, true
		}
	}
	return step{}, false
}

// namedPage is the request for the page of the peer's name, where another page was received.
func (p *plan) namedPage() (step, bool) {
	mayBeTLS := p.best.IsBadRequest() && slices.Contains(p.queue, &clientHello)
	if !p.needsName() || !p.known() || p.best.Service != request.HTTP.Service || mayBeTLS || !p.mayConnect() {
		return step{}, false
	}
	for _, r := range p.queue {
		if r.Name == pageOfName {
			return step{r, false, normally}, true
		}
	}
	return step{}, false
}

// silentLines is the request to servers of IRC, which neither greet nor answer a line that they cannot read.
const silentLines = "irc-cap"

// waitsInSilence reports whether the peer has sent nothing to an HTTP request, nor for as long as a greeting takes.
func (p *plan) waitsInSilence() bool {
	return p.listened && p.open == fresh && p.observed[request.HTTP.Name] == waits
}

// pageOfName is the request with the Host field.
const pageOfName = "http-host"

// mayContinue reports whether r may be sent on the connection of the last step.
func (p *plan) mayContinue(r *request.Request) bool {
	switch p.open {
	case fresh:
		return !r.AfterGreeting
	case answered:
		return (r.AfterGreeting || r.Continues && p.inLines) && p.pointsTo(r.Service)
	}
	return false
}

// mayConnect reports whether another connection may be made. The last one to a peer that
// is silent is for its greeting.
func (p *plan) mayConnect() bool {
	switch {
	case !p.nothingReceived():
		return p.conns.made < p.conns.all
	case p.mayListen():
		return !p.late && p.conns.made < p.conns.silent-1
	}
	return p.conns.made < p.conns.silent
}

// mayListen reports whether a greeting may still come that takes long: the peer has
// accepted every connection, and left it open.
func (p *plan) mayListen() bool {
	return p.nothingReceived() && p.accepted > 0 && p.closed == 0 && p.refused == 0 && !p.listened
}

// isUseful reports whether r may add to what is known.
func (p *plan) isUseful(r *request.Request) bool {
	http := p.best.Rule != nil && p.best.Service == request.HTTP.Service
	switch {
	case r.Name == "dns-version": // which another request has, too
		return p.pointsTo(r.Service) && !p.best.IsForwarded() || p.thorough && !p.known()
	case r.Name == testDNS && strings.HasPrefix(p.best.Facts.Product, "PowerDNS"): // it logs an error
		return false
	case p.alpn == "h2": // which carries HTTP/2 alone
		return r == &request.HTTP
	case r.Completes:
		return false
	case http && r == &clientHello: // an error may be a TLS server's to plain HTTP
		return p.known() && p.best.IsBadRequest() && p.best.Request == request.HTTP.Name
	case r.Generic:
		return p.best.IsPlainHTTP() && !p.best.IsBadRequest()
	case http && r == &request.HTTP: // the answer was an error to another request
		return true
	case http && r.Service == request.HTTP.Service:
		return p.best.IsPlainHTTP() && r.UsualOn(p.port)
	case p.known():
		return r.Service == p.best.Service || p.best.IsPlainHTTP() && r.UsualOn(p.port)
	case p.greeted:
		return p.suggested[r.Service]
	case r.Name == silentLines && p.waitsInSilence():
		return true
	case r.AfterGreeting: // a greeting is waited for when all else was asked
		return r.UsualOn(p.port)
	case r.Name == pageOfName:
		return p.thorough || p.needsName() && p.isCutOff(request.HTTP.Name) || p.fits(r.Service)
	case r.Service == request.HTTP.Service && r.Rarity == request.Rare:
		return p.thorough || r.UsualOn(p.port)
	case p.early > 1: // it closes connections before it receives anything
		return r == &request.HTTP || r == &clientHello
	}
	return p.thorough || r.Rarity != request.Rare || p.suggested[r.Service] || r.UsualOn(p.port) || p.fits(r.Service)
}

// byLikelihood is the queue, the likeliest request first.
func (p *plan) byLikelihood() []*request.Request {
	class := func(r *request.Request) int {
		_, against := p.reactionsOf(r.Service)
		switch {
		case p.pointsTo(r.Service):
			return -2
		case r.UsualOn(p.port), r.Name == silentLines && p.waitsInSilence():
			return -1
		case r == &request.HTTP, r.Name == pageOfName && p.needsName() && p.isCutOff(request.HTTP.Name):
			return 0
		case p.fits(r.Service) && r.Service == request.HTTP.Service:
			return 3
		case p.fits(r.Service):
			return 2
		}
		return 1000*against + r.Rarity
	}
	return slices.SortedStableFunc(slices.Values(p.queue), func(a, b *request.Request) int {
		return cmp.Or(cmp.Compare(class(a), class(b)), cmp.Compare(a.Rarity, b.Rarity))
	})
}

// record takes in the outcome of a step.
func (p *plan) record(o outcome) {
	continued := p.open == answered && o.onOpen
	p.note = cmp.Or(p.note, o.note)
	p.alert = cmp.Or(p.alert, o.alert)
	p.open = spent
	if o.end == probe.EndRefused || o.end == probe.EndNotAccepted {
		p.refused++
		if p.refused == 1 && o.Request != &waiting { // it may have been chance
			p.queue = p.queue.first(o.Request)
		}
		return
	}
	p.refused = 0
	if o.newConn {
		p.accepted++
	}
	p.byName = p.byName || o.Service == request.HTTP.Service &&
		(bytes.Contains(o.sent, []byte("\r\nHost: ")) || bytes.HasPrefix(o.sent, []byte("PRI * ")))
	gone := o.end == probe.EndClosed || o.end == probe.EndReset
	switch {
	case o.tunnel != nil:
		p.tunnel = o.tunnel
	case len(o.received) > 0:
		p.receive(o, gone)
	case gone && continued: // it serves one request a connection
		p.queue = p.queue.first(o.Request)
	case gone:
		p.closed++
		p.observed[o.Name] = closes
		if o.end == probe.EndReset {
			p.reset++
			p.observed[o.Name] = resets
		}
		if p.inTLS { // which ends by a message of its own
			p.observed[o.Name] = ends
		}
		if o.Request == &waiting {
			p.early++
			if p.known() && p.best.Greets() {
				p.refute()
			}
		}
	case o.Request == &waiting:
		if p.open = fresh; p.known() && p.best.Greets() && o.wait == twice {
			p.refute()
		}
	case len(o.sent) > 0 && !o.cutShort:
		p.observed[o.Name] = waits
	}
}

// receive takes in an answer.
func (p *plan) receive(o outcome, gone bool) {
	if p.consider(o); o.Request == &waiting {
		p.greeted = true
	}
	p.inLines = len(o.sent) == 0 || o.sent[len(o.sent)-1] == '\n'
	if !gone && o.whole {
		p.open = answered
	}
}
