package phrase

import (
	"errors"
	"net/netip"
	"testing"

	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/probe/local/trace"
)

// Each outcome of a connection has a sentence, which has the address of a socket that
// is bound to another port.
func TestAnswer(t *testing.T) {
	to, backend := netip.MustParseAddrPort("127.0.0.1:417"), netip.MustParseAddrPort("127.0.0.1:8417")
	nginx := local.Listener{Owners: []owner.Owner{{PID: 12, Name: "nginx"}}}
	failed := errors.New("it broke")
	seen := make(map[trace.Outcome]bool)
	for want, a := range map[string]trace.Attempt{
		"127.0.0.1:417 is answered by nginx (pid 12)": {Outcome: trace.Accepted, Backend: to},
		"127.0.0.1:417 is answered by nginx (pid 12) on 127.0.0.1:8417": {
			Outcome: trace.Accepted, Backend: backend,
		},
		"127.0.0.1:417: the kernel accepted on 127.0.0.1:8417, the application has not: nginx (pid 12)": {
			Outcome: trace.Waiting, Backend: backend,
		},
		"127.0.0.1:417 is answered by nginx (pid 12) on 127.0.0.1:8417, which closes the connection at once": {
			Outcome: trace.Closed, Backend: backend,
		},
		"127.0.0.1:417 is answered by nginx (pid 12), which resets the connection at once": {
			Outcome: trace.Reset, Backend: to,
		},
		"127.0.0.1:417 answers from outside this network namespace, or from behind source NAT": {
			Outcome: trace.Outside,
		},
		"127.0.0.1:417 is answered; by which socket could not be seen: it broke": {
			Outcome: trace.Answered, Err: failed,
		},
		"127.0.0.1:417 refuses connections": {Outcome: trace.Refused},
		"127.0.0.1:417 refuses connections, although a socket listens there: a firewall resets them, most likely": {
			Outcome: trace.Refused, Listening: true,
		},
		"127.0.0.1:417: a firewall rejects connections (it broke)": {Outcome: trace.Rejected, Err: failed},
		"127.0.0.1:417 does not answer within 1s":                  {Outcome: trace.Silent},
		"127.0.0.1:417 was not connected to: it is not an address of this machine": {
			Outcome: trace.Failed, Err: trace.ErrForeign,
		},
		"127.0.0.1:417 is answered by nginx (pid 12); behind it: nginx (pid 12) on 10.0.0.2:80 in network namespace blue": {
			Outcome: trace.Accepted, Backend: to,
			Behind: &owner.Behind{Address: "10.0.0.2:80", NetNS: "blue", Owners: nginx.Owners},
		},
	} {
		a.To = to
		if got := answer(local.Answer{Attempt: &a, Listener: nginx}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		seen[a.Outcome] = true
	}
	for _, o := range []trace.Outcome{
		trace.Accepted, trace.Waiting, trace.Closed, trace.Reset, trace.Outside, trace.Answered, trace.Refused,
		trace.Rejected, trace.Silent, trace.Failed,
	} {
		if !seen[o] {
			t.Errorf("the outcome %s has no sentence", o)
		}
	}
}
