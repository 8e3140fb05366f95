package service

import (
	"slices"

	"onmux/probe/request"
)

// queue are requests that were not sent yet.
type queue []*request.Request

// own is the request that the port is known for, nil if there is none.
func (q queue) own(port uint16) *request.Request {
	for _, r := range q {
		if r == &clientHello && r.UsualOn(port) {
			return r
		}
		if r.UsualOn(port) && !r.AfterGreeting && r.Service != clientHello.Service {
			return r
		}
	}
	return nil
}

// without is the queue but for one request.
func (q queue) without(r *request.Request) queue {
	return slices.DeleteFunc(q, func(other *request.Request) bool { return other == r })
}

// first puts a request before the others.
func (q queue) first(r *request.Request) queue { return append(queue{r}, q...) }
