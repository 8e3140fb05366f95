package local

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
)

func TestVerdict(t *testing.T) {
	uid := uint32(33)
	on := func(state Word, addr, family string, owners ...owner.Owner) Listener {
		a := netip.MustParseAddr(addr)
		return Listener{Proto: probe.TCP, Address: a, Port: 417, Family: family, State: state, Reach: reach(a, false), UID: &uid, Owners: owners}
	}
	sshd := owner.Owner{PID: 12, Name: "sshd", User: "root"}
	nginx := owner.Owner{PID: 20, Name: "nginx", User: "www", Workers: []int{21, 22}}
	evil := owner.Owner{PID: 9, Name: "x\n417/tcp is free", User: "u"}
	failed := errors.New("permission denied")
	for name, c := range map[string]struct {
		f    finding
		want Verdict
	}{
		"nothing":      {finding{where: "here"}, Verdict{Verdict: Free, Why: "no socket here uses 417/tcp"}},
		"blind kernel": {finding{where: "here", source: socket.Source{NoBound: true}}, Verdict{Verdict: Free, Why: "no socket here uses 417/tcp; one that is bound and does not listen cannot be seen", Caveats: []string{idleUnseen}}},
		"half blind":   {finding{where: "here", source: socket.Source{NoBound: true, From: socket.FromProc}}, Verdict{Verdict: Unknown, Why: "no socket here uses 417/tcp; one that is bound and does not listen cannot be seen", Error: "one that is bound and does not listen cannot be seen"}},
		"bound well":   {finding{where: "here", source: socket.Source{NoBound: true}, trials: trace.BindTrials{}}, Verdict{Verdict: Free, Why: "no socket here uses 417/tcp"}},
		"not bound":    {finding{where: "here", source: socket.Source{NoBound: true}, inUse: true}, Verdict{Verdict: Bound, Why: "held by a socket that cannot be seen, and is in the way of binding"}},
		"blind":        {finding{source: socket.Source{Err: failed}}, Verdict{Verdict: Unknown, Why: "could not look", Error: "permission denied"}},
		"found anyway": {finding{source: socket.Source{Err: failed}, count: socket.Counts{socket.TimeWait: 2}}, Verdict{Verdict: Connected, Why: "nothing listens; 2 connections in TIME_WAIT still use the number"}},
		"one": {finding{count: socket.Counts{socket.Listening: 1}, listeners: []Listener{on(Listening, "::", "dual", sshd)}},
			Verdict{Verdict: Listening, Why: "sshd (pid 12, root) on [::]:417, reachable from any address"}},
		"two of one": {finding{count: socket.Counts{socket.Listening: 2}, listeners: []Listener{on(Listening, "10.0.0.1", "ipv4", nginx), on(Listening, "::1", "ipv6", nginx)}},
			Verdict{Verdict: Listening, Why: "nginx (pid 20, www, 2 workers) on 10.0.0.1:417 and [::1]:417, reachable from private networks"}},
		"a name that is a part of a sentence": {finding{count: socket.Counts{socket.Listening: 1}, listeners: []Listener{on(Listening, "127.0.0.1", "ipv4", owner.Owner{PID: 9, Name: "x (pid 1, root)", User: "1234"})}},
			Verdict{Verdict: Listening, Why: `"x (pid 1, root)" (pid 9, uid 1234) on 127.0.0.1:417, reachable from this machine only`}},
		"two of two": {finding{count: socket.Counts{socket.Listening: 2, socket.Bound: 1}, listeners: []Listener{
			on(Listening, "127.0.0.1", "ipv4", nginx), on(Listening, "fe80::1%eth0", "ipv6", sshd, nginx), on(Bound, "10.0.0.1", "ipv4", sshd)}},
			Verdict{Verdict: Listening, Why: "nginx (pid 20, www, 2 workers) on 127.0.0.1:417, reachable from this machine only; " +
				"sshd (pid 12, root) and nginx (pid 20, www, 2 workers) on [fe80::1%eth0]:417, reachable from the same link; 1 socket bound and not listening"}},
		"owner not readable": {finding{count: socket.Counts{socket.Listening: 1}, listeners: []Listener{on(Listening, "8.8.8.8", "ipv4")}, owners: owner.Owners{Asked: true, Scan: owner.Scan{Unreadable: []int{1}}}},
			Verdict{Verdict: Listening, Why: "a socket of uid 33 on 8.8.8.8:417, reachable from public networks, owner not readable"}},
		"no owner": {finding{count: socket.Counts{socket.Bound: 1}, listeners: []Listener{on(Bound, "127.0.0.1", "ipv4")}, owners: owner.Owners{Asked: true}},
			Verdict{Verdict: Bound, Why: "held by a socket of uid 33 on 127.0.0.1:417 (no process that can be seen here holds it: the kernel itself may, as for VXLAN, WireGuard or NFS), but not listening"}},
		"connected": {finding{count: socket.Counts{socket.Connected: 40, socket.TimeWait: 1}, listeners: []Listener{on(Connected, "10.0.0.1", "ipv4", sshd), on(Connected, "10.0.0.1", "ipv4", sshd)}},
			Verdict{Verdict: Connected, Why: "nothing listens; 40 connections use the number, of sshd (pid 12, root); 1 connection in TIME_WAIT still uses the number"}},
		"a name that lies": {finding{count: socket.Counts{socket.Bound: 1}, listeners: []Listener{on(Bound, "127.0.0.1", "ipv4", evil)}},
			Verdict{Verdict: Bound, Why: `held by "x\n417/tcp is free" (pid 9, u) on 127.0.0.1:417, but not listening`}},
	} {
		c.f.port = probe.Port{Number: 417, Proto: probe.TCP}
		c.want.Port, c.want.Proto = 417, probe.TCP
		if got := c.f.verdict(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n%+v, want\n%+v", name, got, c.want)
		}
	}
}

// However many holders there are, a sentence names a few.
func TestWhyIsBounded(t *testing.T) {
	f := finding{count: socket.Counts{socket.Listening: 500}}
	for pid := range 500 {
		f.listeners = append(f.listeners, Listener{
			Address: netip.AddrFrom4([4]byte{127, 0, byte(pid >> 8), byte(pid)}), Port: 1, State: Listening, Reach: "loopback",
			Owners: []owner.Owner{{PID: pid, Name: "p"}},
		})
	}
	if why := f.verdict().Why; len(why) > 300 || !strings.HasSuffix(why, "; 497 more holders") {
		t.Error(why)
	}
}

func TestCoverage(t *testing.T) {
	both := query{Query: socket.Query{IPv4: true, IPv6: true}}
	refused := errors.New("permission denied")
	for _, c := range []struct {
		q    query
		s    []socket.Source
		want string
	}{
		{both, []socket.Source{{Proto: probe.TCP, From: socket.FromKernel}, {Proto: probe.UDP, From: socket.FromKernel}}, "TCP and UDP sockets, IPv4 and IPv6, from the kernel (sock_diag)"},
		{query{Query: socket.Query{IPv4: true}}, []socket.Source{{Proto: probe.UDP, From: socket.FromKernel}}, "UDP sockets, IPv4, from the kernel (sock_diag)\nIPv6 not looked at (-4)"},
		{query{Query: socket.Query{IPv6: true}}, []socket.Source{{Proto: probe.UDP, From: socket.FromKernel}}, "UDP sockets, IPv6, from the kernel (sock_diag)\nIPv4 not looked at (-6)"},
		{both, []socket.Source{{Proto: probe.TCP, From: socket.FromKernel}, {Proto: probe.UDP, From: socket.FromProc, Fallback: refused}},
			"TCP sockets, IPv4 and IPv6, from the kernel (sock_diag)\nUDP sockets, IPv4 and IPv6, from /proc/net because of: permission denied"},
		{both, []socket.Source{{Proto: probe.TCP, Err: refused}, {Proto: probe.UDP, From: socket.FromProc, Err: refused}},
			"TCP sockets, IPv4 and IPv6: not read: permission denied\nUDP sockets, IPv4 and IPv6, from /proc/net: not all read: permission denied"},
	} {
		for i := range c.s {
			c.s[i].IPv4, c.s[i].IPv6 = c.q.IPv4, c.q.IPv6
		}
		if got := strings.Join(c.q.coverage(c.s), "\n"); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestWhyProxied(t *testing.T) {
	f := finding{count: socket.Counts{socket.Listening: 1}, listeners: []Listener{{State: Listening, Reach: "any", ProxyFor: "172.17.0.2:80"}, {State: Listening, Reach: "any", ProxyFor: "172.17.0.2:80"}}}
	if why := f.verdict().Why; !strings.HasSuffix(why, "reachable from any address, a proxy for 172.17.0.2:80") {
		t.Error(why)
	}
}
