package raw

import (
	"sync"
	"time"

	"onmux/probe"
	"onmux/scan/link"
	"onmux/scan/packet"
)

// announcedRefresh is how long a list of other scans' ports is used for what is sent.
const announcedRefresh = time.Second

// ownPorts knows the UDP ports of this machine that scans send from. Their sockets
// receive nothing, so a datagram to one is met with silence, and what comes from one
// is a probe and no answer. With TCP there is no difference: the kernel refuses a SYN to
// a socket that does not listen. Any goroutine may use it.
type ownPorts struct {
	ours packet.Ports

	mu     sync.Mutex
	others []link.PortRange
	read   time.Time // when they were read
}

// byOther reports whether another scan on this machine sends from a port, by a list
// that is at most so old.
func (o *ownPorts) byOther(port uint16, age time.Duration) bool {
	if port < link.FirstPort {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); o.read.IsZero() || now.Sub(o.read) > age {
		o.others, o.read = link.AnnouncedPorts(), now
	}
	for _, r := range o.others {
		if r.Contains(port) {
			return true
		}
	}
	return false
}

// answer is the answer for a port of this machine that a scan sends from, to which
// nothing is sent. No other program can hold a port of this scan (its sockets
// exclude others), so without the scan it is closed.
func (o *ownPorts) answer(to *route, e probe.Endpoint, evidence bool) (r probe.Result, ok bool) {
	switch {
	case e.Proto != probe.UDP || !to.isLocal():
	case o.ours.Contains(e.Port):
		r = probe.Result{Reason: probe.PortUnreach}
		if evidence {
			r.Facts = []probe.Fact{{Kind: probe.FactOwnPort}}
		}
		return r, true
	case o.byOther(e.Port, announcedRefresh):
		r = probe.Result{Reason: probe.LocalError,
			Error: "another scan on this machine sends from this port, so it cannot be probed"}
		return r, true
	}
	return r, false
}
