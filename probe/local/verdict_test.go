package local

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"onmux/probe"
)

func TestVerdict(t *testing.T) {
	uid := uint32(33)
	on := func(state Word, addr, family string, owners ...Owner) Listener {
		a := netip.MustParseAddr(addr)
		return Listener{Proto: probe.TCP, Address: a, Port: 417, Family: family, State: state, Reach: reach(a, false), UID: &uid, Owners: owners}
	}
	sshd := Owner{PID: 12, Name: "sshd", User: "root"}
	nginx := Owner{PID: 20, Name: "nginx", User: "www", Workers: []int{21, 22}}
	evil := Owner{PID: 9, Name: "x\n417/tcp is free", User: "u"}
	failed := errors.New("permission denied")
	for name, c := range map[string]struct {
		f    finding
		want Verdict
	}{
		"nothing":      {finding{where: "here"}, Verdict{Verdict: Free, Why: "no socket here uses 417/tcp"}},
		"blind kernel": {finding{where: "here", source: Source{NoBound: true}}, Verdict{Verdict: Free, Why: "no socket here uses 417/tcp; one that is bound and does not listen cannot be seen", Caveats: []string{idleUnseen}}},
		"half blind":   {finding{where: "here", source: Source{NoBound: true, From: FromProc}}, Verdict{Verdict: Unknown, Why: "no socket here uses 417/tcp; one that is bound and does not listen cannot be seen", Error: "one that is bound and does not listen cannot be seen"}},
		"bound well":   {finding{where: "here", source: Source{NoBound: true}, tried: tried{free: true}}, Verdict{Verdict: Free, Why: "no socket here uses 417/tcp"}},
		"not bound":    {finding{where: "here", source: Source{NoBound: true}, tried: tried{used: true}}, Verdict{Verdict: Bound, Why: "held by a socket that cannot be seen, and is in the way of binding"}},
		"blind":        {finding{source: Source{Err: failed}}, Verdict{Verdict: Unknown, Why: "could not look", Error: "permission denied"}},
		"found anyway": {finding{source: Source{Err: failed}, count: Counts{timeWait: 2}}, Verdict{Verdict: Connected, Why: "nothing listens; 2 connections in TIME_WAIT still use the number"}},
		"one": {finding{count: Counts{listening: 1}, listeners: []Listener{on(Listening, "::", "dual", sshd)}},
			Verdict{Verdict: Listening, Why: "sshd (pid 12, root) on [::]:417, reachable from any address"}},
		"two of one": {finding{count: Counts{listening: 2}, listeners: []Listener{on(Listening, "10.0.0.1", "ipv4", nginx), on(Listening, "::1", "ipv6", nginx)}},
			Verdict{Verdict: Listening, Why: "nginx (pid 20, www, 2 workers) on 10.0.0.1:417 and [::1]:417, reachable from private networks"}},
		"a name that is a part of a sentence": {finding{count: Counts{listening: 1}, listeners: []Listener{on(Listening, "127.0.0.1", "ipv4", Owner{PID: 9, Name: "x (pid 1, root)", User: "1234"})}},
			Verdict{Verdict: Listening, Why: `"x (pid 1, root)" (pid 9, uid 1234) on 127.0.0.1:417, reachable from this machine only`}},
		"two of two": {finding{count: Counts{listening: 2, bound: 1}, listeners: []Listener{
			on(Listening, "127.0.0.1", "ipv4", nginx), on(Listening, "fe80::1%eth0", "ipv6", sshd, nginx), on(Bound, "10.0.0.1", "ipv4", sshd)}},
			Verdict{Verdict: Listening, Why: "nginx (pid 20, www, 2 workers) on 127.0.0.1:417, reachable from this machine only; " +
				"sshd (pid 12, root) and nginx (pid 20, www, 2 workers) on [fe80::1%eth0]:417, reachable from the same link; 1 socket bound and not listening"}},
		"owner not readable": {finding{count: Counts{listening: 1}, listeners: []Listener{on(Listening, "8.8.8.8", "ipv4")}, owners: owners{asked: true, ownership: ownership{unread: []int{1}}}},
			Verdict{Verdict: Listening, Why: "a socket of uid 33 on 8.8.8.8:417, reachable from public networks, owner not readable"}},
		"no owner": {finding{count: Counts{bound: 1}, listeners: []Listener{on(Bound, "127.0.0.1", "ipv4")}, owners: owners{asked: true}},
			Verdict{Verdict: Bound, Why: "held by a socket of uid 33 on 127.0.0.1:417 (no process that can be seen here holds it: the kernel itself may, as for VXLAN, WireGuard or NFS), but not listening"}},
		"connected": {finding{count: Counts{connected: 40, timeWait: 1}, listeners: []Listener{on(Connected, "10.0.0.1", "ipv4", sshd), on(Connected, "10.0.0.1", "ipv4", sshd)}},
			Verdict{Verdict: Connected, Why: "nothing listens; 40 connections use the number, of sshd (pid 12, root); 1 connection in TIME_WAIT still uses the number"}},
		"a name that lies": {finding{count: Counts{bound: 1}, listeners: []Listener{on(Bound, "127.0.0.1", "ipv4", evil)}},
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
	f := finding{count: Counts{listening: 500}}
	for pid := range 500 {
		f.listeners = append(f.listeners, Listener{
			Address: netip.AddrFrom4([4]byte{127, 0, byte(pid >> 8), byte(pid)}), Port: 1, State: Listening, Reach: "loopback",
			Owners: []Owner{{PID: pid, Name: "p"}},
		})
	}
	if why := f.verdict().Why; len(why) > 300 || !strings.HasSuffix(why, "; 497 more holders") {
		t.Error(why)
	}
}

func TestCoverage(t *testing.T) {
	both := query{Query: Query{v4: true, v6: true}}
	refused := errors.New("permission denied")
	for _, c := range []struct {
		q    query
		s    []Source
		want string
	}{
		{both, []Source{{Proto: probe.TCP, From: FromKernel}, {Proto: probe.UDP, From: FromKernel}}, "TCP and UDP sockets, IPv4 and IPv6, from the kernel (sock_diag)"},
		{query{Query: Query{v4: true}}, []Source{{Proto: probe.UDP, From: FromKernel}}, "UDP sockets, IPv4, from the kernel (sock_diag)\nIPv6 not looked at (-4)"},
		{query{Query: Query{v6: true}}, []Source{{Proto: probe.UDP, From: FromKernel}}, "UDP sockets, IPv6, from the kernel (sock_diag)\nIPv4 not looked at (-6)"},
		{both, []Source{{Proto: probe.TCP, From: FromKernel}, {Proto: probe.UDP, From: FromProc, Fallback: refused}},
			"TCP sockets, IPv4 and IPv6, from the kernel (sock_diag)\nUDP sockets, IPv4 and IPv6, from /proc/net because of: permission denied"},
		{both, []Source{{Proto: probe.TCP, Err: refused}, {Proto: probe.UDP, From: FromProc, Err: refused}},
			"TCP sockets, IPv4 and IPv6: not read: permission denied\nUDP sockets, IPv4 and IPv6, from /proc/net: not all read: permission denied"},
	} {
		for i := range c.s {
			c.s[i].IPv4, c.s[i].IPv6 = c.q.v4, c.q.v6
		}
		if got := strings.Join(c.q.coverage(c.s), "\n"); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestRow(t *testing.T) {
	at := netip.MustParseAddrPort
	for name, c := range map[string]struct {
		in   row
		want socket
		ok   bool
	}{
		"listener":      {row{proto: probe.TCP, local: "*", port: 417, status: "LISTEN", pid: 5}, socket{local: at("0.0.0.0:417"), family: "ipv4", state: listening, holder: 5}, true},
		"of IPv6":       {row{proto: probe.TCP, v6: true, local: "*", port: 417, status: "LISTEN"}, socket{local: at("[::]:417"), state: listening}, true},
		"in brackets":   {row{proto: probe.TCP, v6: true, local: "[::1]", port: 417, status: "Listen"}, socket{local: at("[::1]:417"), family: "ipv6", state: listening}, true},
		"mapped":        {row{proto: probe.TCP, v6: true, local: "::ffff:127.0.0.1", port: 417, status: "CLOSED"}, socket{local: at("127.0.0.1:417"), family: "ipv4", state: bound}, true},
		"connection":    {row{proto: probe.TCP, local: "10.0.0.1", port: 417, peer: "10.0.0.2", from: 9, status: "ESTABLISHED"}, socket{local: at("10.0.0.1:417"), peer: at("10.0.0.2:9"), family: "ipv4", state: connected}, true},
		"time-wait":     {row{proto: probe.TCP, local: "10.0.0.1", port: 417, peer: "10.0.0.2", from: 9, status: "TIME_WAIT"}, socket{local: at("10.0.0.1:417"), family: "ipv4", state: timeWait}, true},
		"UDP":           {row{proto: probe.UDP, local: "", port: 417}, socket{local: at("0.0.0.0:417"), family: "ipv4", state: listening}, true},
		"connected UDP": {row{proto: probe.UDP, local: "10.0.0.1", port: 417, peer: "10.0.0.2", from: 9}, socket{local: at("10.0.0.1:417"), peer: at("10.0.0.2:9"), family: "ipv4", state: connected}, true},
		"zone":          {row{proto: probe.UDP, v6: true, local: "fe80::1%en0", port: 417}, socket{local: at("[fe80::1%en0]:417"), family: "ipv6", state: listening}, true},
		"no protocol":   {row{local: "*", port: 417}, socket{}, false},
		"no port":       {row{proto: probe.TCP, local: "*"}, socket{}, false},
		"no such port":  {row{proto: probe.TCP, local: "*", port: 70000}, socket{}, false},
		"no address":    {row{proto: probe.TCP, local: "localhost", port: 417}, socket{}, false},
	} {
		c.want.proto = c.in.proto
		if got, ok := c.in.socket(); ok != c.ok || ok && got != c.want {
			t.Errorf("%s: %+v, %t; want %+v", name, got, ok, c.want)
		}
	}
}

func FuzzRow(f *testing.F) {
	f.Add("*", "10.0.0.1", uint32(417), uint32(0), "LISTEN", true)
	f.Fuzz(func(t *testing.T, local, peer string, port, from uint32, status string, v6 bool) {
		for _, proto := range probe.Protos() {
			s, ok := row{proto: proto, v6: v6, local: local, peer: peer, port: port, from: from, status: status}.socket()
			if ok && (!s.local.Addr().IsValid() || s.local.Addr().Is4In6() || s.local.Port() == 0) {
				t.Errorf("%+v", s)
			}
		}
	})
}

func TestPortSet(t *testing.T) {
	s := newPortSet([]uint16{1, 63, 64, 417, 65535})
	n := 0
	for p := range 1 << 16 {
		if s.has(uint16(p)) {
			n++
		}
	}
	if n != 5 || !s.has(417) || !s.has(65535) || s.has(418) {
		t.Error(n)
	}
}
