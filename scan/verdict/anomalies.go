package verdict

import (
	"slices"
	"sync"

	"onmux/probe"
)

// maxContradictions bounds the contradictions that are kept with their endpoints.
const maxContradictions = 4

// Odd counts answers that were out of the ordinary.
type Odd struct {
	Strays         uint64 // no probe can have caused them
	Contradictions uint64 // they contradict an earlier one
	Repeated       uint64 // they repeat what is known
	Late           uint64 // they answer a try before the last
}

// Contradiction is two answers of one endpoint that make different states.
type Contradiction struct {
	Endpoint    probe.Endpoint
	First, Then Class
}

// Anomalies are what was out of the ordinary in a scan's answers. Any goroutine may
// use them.
type Anomalies struct {
	mu         sync.Mutex
	odd        Odd
	examples   []Contradiction
	localError string // the first, for endpoints whose own was not kept
}

// Add counts answers.
func (a *Anomalies) Add(n Odd) {
	if n == (Odd{}) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.odd.Strays += n.Strays
	a.odd.Contradictions += n.Contradictions
	a.odd.Repeated += n.Repeated
	a.odd.Late += n.Late
}

// Contradict notes that an answer contradicts an earlier one.
func (a *Anomalies) Contradict(e probe.Endpoint, first, then Class) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.odd.Contradictions++
	if len(a.examples) < maxContradictions {
		a.examples = append(a.examples, Contradiction{e, first, then})
	}
}

// Failed notes why this machine could not probe an endpoint.
func (a *Anomalies) Failed(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.localError == "" {
		a.localError = why
	}
}

// Odd is how many answers were out of the ordinary.
func (a *Anomalies) Odd() Odd {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.odd
}

// Examples are some of the contradictions.
func (a *Anomalies) Examples() []Contradiction {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.examples)
}

// LocalError is the first reason why this machine could not probe an endpoint.
func (a *Anomalies) LocalError() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.localError
}

// Restore makes them what they were at a checkpoint.
func (a *Anomalies) Restore(n Odd, localError string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.odd, a.localError = n, localError
}
