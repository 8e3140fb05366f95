package phrase

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/local/nat"
	"onmux/probe/local/owner"
	"onmux/probe/local/ruleset"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
)

// portFacts is what a test needs of Facts about 417/tcp.
type portFacts struct {
	source    socket.Source
	counts    socket.Counts
	listeners []Listener
	noOwner   NoOwner
	overflows uint64
	elsewhere []Namespace
	missed    bool // not all other namespaces were looked at
	redirects []nat.Redirect
	unknown   []ruleset.Rule
	unread    bool // not all NAT rules were read
	answers   []Answer
	trials    trace.BindTrials
	inUse     bool
}

// verdict is the verdict on them, with its sentences.
func (p portFacts) verdict() Verdict {
	f := Facts{Port: probe.Port{Number: 417, Proto: probe.TCP}, NetNS: OwnNetNS, Answers: p.answers}
	f.Sockets = Sockets{
		Source: p.source, Counts: p.counts, Listeners: p.listeners, NoOwner: p.noOwner, Overflows: p.overflows,
	}
	f.Elsewhere = Elsewheres{Namespaces: p.elsewhere, Incomplete: p.missed}
	f.NAT = Rules{Redirects: p.redirects, Unknown: p.unknown, Incomplete: p.unread}
	f.Bind.Trials, f.Bind.InUse = p.trials, p.inUse
	v := Judge(f)
	for range p.answers {
		v.Trace = append(v.Trace, trace.Trace{})
	}
	completeVerdict(&v)
	return v
}

// reaches has the reach of the addresses that are used here.
var reaches = map[string]string{
	"::": "any", "10.0.0.1": "private", "127.0.0.1": "loopback", "::1": "loopback",
	"fe80::1%eth0": "link-local", "8.8.8.8": "public",
}

// TestVerdict leaves Release to TestRelease.
func TestVerdict(t *testing.T) {
	uid := uint32(33)
	on := func(state Word, addr, family string, owners ...owner.Owner) Listener {
		a := netip.MustParseAddr(addr)
		return Listener{Proto: probe.TCP, Address: a, Port: 417, Family: family, State: state, Reach: reaches[addr],
			UID: &uid, Owners: owners}
	}
	sshd := owner.Owner{PID: 12, Name: "sshd", User: "root"}
	nginx := owner.Owner{PID: 20, Name: "nginx", User: "www", Workers: []int{21, 22}}
	evil := owner.Owner{PID: 9, Name: "x\n417/tcp is free", User: "u"}
	failed := errors.New("permission denied")
	for name, c := range map[string]struct {
		f    portFacts
		want Verdict
	}{
		"nothing": {portFacts{}, Verdict{Verdict: Free, Why: "no socket in this network namespace uses 417/tcp"}},
		"blind kernel": {portFacts{source: socket.Source{NoBound: true}},
			Verdict{Verdict: Free,
				Why:     "no socket in this network namespace uses 417/tcp; one that is bound and does not listen cannot be seen",
				Caveats: []string{boundUnseen}}},
		"half blind": {portFacts{source: socket.Source{NoBound: true, From: socket.FromProc}},
			Verdict{Verdict: Unknown,
				Why:   "no socket in this network namespace uses 417/tcp; one that is bound and does not listen cannot be seen",
				Error: "one that is bound and does not listen cannot be seen"}},
		"bound well": {portFacts{source: socket.Source{NoBound: true}, trials: trace.BindTrials{}},
			Verdict{Verdict: Free, Why: "no socket in this network namespace uses 417/tcp"}},
		"not bound": {portFacts{source: socket.Source{NoBound: true}, inUse: true},
			Verdict{Verdict: Bound, Why: "held by a socket that cannot be seen, but that prevents binding"}},
		"blind": {portFacts{source: socket.Source{Err: failed}},
			Verdict{Verdict: Unknown, Why: "could not look", Error: "permission denied"}},
		"found anyway": {portFacts{source: socket.Source{Err: failed}, counts: socket.Counts{socket.TimeWait: 2}},
			Verdict{Verdict: Connected, Why: "nothing listens; 2 connections in TIME_WAIT still use the number"}},
		"one": {portFacts{counts: socket.Counts{socket.Listening: 1},
			listeners: []Listener{on(Listening, "::", "dual", sshd)}},
			Verdict{Verdict: Listening, Why: "sshd (pid 12, root) on [::]:417, reachable from any address"}},
		"two of one": {portFacts{counts: socket.Counts{socket.Listening: 2},
			listeners: []Listener{on(Listening, "10.0.0.1", "ipv4", nginx), on(Listening, "::1", "ipv6", nginx)}},
			Verdict{Verdict: Listening,
				Why: "nginx (pid 20, www, 2 workers) on 10.0.0.1:417 and [::1]:417, reachable from private networks"}},
		"a name that is a part of a sentence": {portFacts{counts: socket.Counts{socket.Listening: 1},
			listeners: []Listener{on(Listening, "127.0.0.1", "ipv4",
				owner.Owner{PID: 9, Name: "x (pid 1, root)", User: "1234"})}},
			Verdict{Verdict: Listening,
				Why: `"x (pid 1, root)" (pid 9, uid 1234) on 127.0.0.1:417, reachable from this machine only`}},
		"two of two": {portFacts{counts: socket.Counts{socket.Listening: 2, socket.Bound: 1}, listeners: []Listener{
			on(Listening, "127.0.0.1", "ipv4", nginx), on(Listening, "fe80::1%eth0", "ipv6", sshd, nginx),
			on(Bound, "10.0.0.1", "ipv4", sshd)}},
			Verdict{Verdict: Listening,
				Why: "nginx (pid 20, www, 2 workers) on 127.0.0.1:417, reachable from this machine only; " +
					"sshd (pid 12, root) and nginx (pid 20, www, 2 workers) on [fe80::1%eth0]:417, reachable from the same " +
					"link; 1 socket bound and not listening"}},
		"owner not readable": {portFacts{counts: socket.Counts{socket.Listening: 1},
			listeners: []Listener{on(Listening, "8.8.8.8", "ipv4")}, noOwner: OwnerUnreadable},
			Verdict{Verdict: Listening,
				Why: "a socket of uid 33 on 8.8.8.8:417, reachable from public networks, owner not readable"}},
		"no owner": {portFacts{counts: socket.Counts{socket.Bound: 1},
			listeners: []Listener{on(Bound, "127.0.0.1", "ipv4")}, noOwner: NoProcess},
			Verdict{Verdict: Bound,
				Why: "held by a socket of uid 33 on 127.0.0.1:417 (no process that can be seen here holds it: the kernel " +
					"itself may, as for VXLAN, WireGuard or NFS, or io_uring, or it is on its way between processes), but not " +
					"listening"}},
		"owner outside": {portFacts{counts: socket.Counts{socket.Bound: 1},
			listeners: []Listener{on(Bound, "127.0.0.1", "ipv4")}, noOwner: OutsideOwner},
			Verdict{Verdict: Bound,
				Why: "held by a socket of uid 33 on 127.0.0.1:417 (no process of this PID namespace holds it: its owner " +
					"lives in another one, or is the kernel itself), but not listening"}},
		"connected": {portFacts{counts: socket.Counts{socket.Connected: 40, socket.TimeWait: 1},
			listeners: []Listener{on(Connected, "10.0.0.1", "ipv4", sshd), on(Connected, "10.0.0.1", "ipv4", sshd)}},
			Verdict{Verdict: Connected,
				Why: "nothing listens; 40 connections use the number, of sshd (pid 12, root); 1 connection in TIME_WAIT " +
					"still uses the number"}},
		"a name that lies": {portFacts{counts: socket.Counts{socket.Bound: 1},
			listeners: []Listener{on(Bound, "127.0.0.1", "ipv4", evil)}},
			Verdict{Verdict: Bound, Why: `held by "x\n417/tcp is free" (pid 9, u) on 127.0.0.1:417, but not listening`}},
	} {
		c.want.Port, c.want.Proto = 417, probe.TCP
		got := c.f.verdict()
		if got.Facts, got.Cause, got.Release = nil, "", ""; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n%+v, want\n%+v", name, got, c.want)
		}
	}
}

// However many holders there are, a sentence names a few.
func TestWhyIsBounded(t *testing.T) {
	f := portFacts{counts: socket.Counts{socket.Listening: 500}}
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

// What is held elsewhere never stands for what is held here, nor hides that it
// could not be looked.
func TestVerdictElsewhere(t *testing.T) {
	there := func(netns string, state Word, addr, reach string) Namespace {
		return Namespace{Name: netns,
			Listeners: []Listener{{Address: netip.MustParseAddr(addr), Port: 417, State: state, Reach: reach, NetNS: netns,
				Owners: []owner.Owner{{PID: 5, Name: "web", User: "www"}}}}}
	}
	blue, green := there("blue", Listening, "0.0.0.0", "any"), there("gr\neen", Listening, "127.0.0.1", "loopback")
	here := []Listener{{Address: netip.MustParseAddr("10.0.0.1"), Port: 417, State: Listening, Reach: "private",
		NetNS: "host"}}
	broken := socket.Source{Err: errors.New("permission denied")}
	for name, c := range map[string]struct {
		f    portFacts
		want Word
		why  string
	}{
		"one": {portFacts{elsewhere: []Namespace{blue}}, Elsewhere,
			"in use in network namespace blue: web (pid 5, www) on 0.0.0.0:417, every address of that namespace"},
		"two": {portFacts{elsewhere: []Namespace{blue, green}}, Elsewhere,
			`in use in network namespace blue: web (pid 5, www) on ` +
				`0.0.0.0:417, every address of that namespace; in network namespace "gr\neen": web (pid 5, www) on ` +
				`127.0.0.1:417, reachable from that namespace only`},
		"private": {portFacts{elsewhere: []Namespace{there("blue", Listening, "10.0.0.2", "private")}}, Elsewhere,
			"in use in network namespace blue: web (pid 5, www) on 10.0.0.2:417"},
		"bound": {portFacts{elsewhere: []Namespace{there("blue", Bound, "::", "any")}}, Elsewhere,
			"in use in network namespace blue: web (pid 5, www) on [::]:417, not listening"},
		"many": {portFacts{elsewhere: slices.Repeat([]Namespace{there("blue", Bound, "::", "any")}, 9)}, Elsewhere,
			"; 6 more network namespaces"},
		"blind": {portFacts{source: socket.Source{NoBound: true}, elsewhere: []Namespace{blue}}, Elsewhere,
			"; one that is bound and does not listen cannot be seen"},
		"connections": {portFacts{counts: socket.Counts{socket.Connected: 2}, elsewhere: []Namespace{blue}}, Elsewhere,
			"in use in network namespace blue: web (pid 5, www) on 0.0.0.0:417, every address of that namespace; " +
				"2 connections use the number"},
		"here too": {portFacts{counts: socket.Counts{socket.Listening: 1}, listeners: here,
			elsewhere: []Namespace{blue, green}}, Listening,
			`a socket on 10.0.0.1:417, reachable from private networks; also in 2 other network namespaces (blue, "gr\neen")`},
		"unknown": {portFacts{source: broken, elsewhere: []Namespace{blue}}, Unknown,
			"could not look; held in 1 other network namespace (blue)"},
		"uncertain": {portFacts{source: broken, counts: socket.Counts{socket.Connected: 1}, elsewhere: []Namespace{blue}},
			Connected, "nothing listens; 1 connection uses the number; also in 1 other network namespace (blue)"},
		"missed": {portFacts{missed: true}, Free,
			"no socket in this network namespace uses 417/tcp; not every other network namespace could be looked at"},
	} {
		v := c.f.verdict()
		if v.Verdict != c.want || v.Why != c.why && !(strings.HasPrefix(c.why, ";") && strings.HasSuffix(v.Why, c.why)) &&
			!(strings.HasSuffix(c.why, ": ") && strings.HasPrefix(v.Why, c.why)) {
			t.Errorf("%s: %+v, want %s: %s", name, v, c.want, c.why)
		}
	}
}

const (
	namespacesUnseen = "not every other network namespace could be looked at"
	rulesUnread      = "not every NAT rule could be read, and one may send arrivals on"
)

// What was not seen stands in a field of its own beside a verdict that it might
// change, and in the sentence.
func TestCaveats(t *testing.T) {
	one := []Namespace{{Name: "blue"}}
	rules := []ruleset.Rule{{Table: "ip nat", Chain: "pre"}}
	for name, c := range map[string]struct {
		f    portFacts
		word Word
		want []string
	}{
		"all was seen": {portFacts{}, Free, nil},
		"free": {portFacts{missed: true, unread: true, source: socket.Source{NoBound: true},
			trials: trace.BindTrials{}}, Free, []string{namespacesUnseen, rulesUnread}},
		"elsewhere": {portFacts{missed: true, unread: true, source: socket.Source{NoBound: true},
			elsewhere: one}, Elsewhere, []string{boundUnseen, rulesUnread}},
		"connected": {portFacts{missed: true, counts: socket.Counts{socket.Connected: 1}}, Connected,
			[]string{namespacesUnseen}},
		"redirected": {portFacts{missed: true, unread: true, redirects: []nat.Redirect{{Scope: nat.Any}}},
			Redirected, nil},
		"listening": {portFacts{missed: true, unread: true, unknown: rules,
			counts: socket.Counts{socket.Listening: 1}}, Listening, nil},
		"bound": {portFacts{missed: true, unread: true, counts: socket.Counts{socket.Bound: 1}}, Bound, nil},
		"unknown": {portFacts{missed: true, unread: true,
			source: socket.Source{NoBound: true, From: socket.FromProc}}, Unknown, nil},
		"a rule that is not one": {portFacts{unknown: rules}, Free,
			[]string{"where arrivals go is not known: not understood: an nftables rule (table ip nat, chain pre)"}},
		"sent where?": {portFacts{unread: true,
			answers: []Answer{{Attempt: &trace.Attempt{Outcome: trace.Silent}}}}, Unknown, nil},
		"sent where, rejected?": {portFacts{unknown: rules,
			answers: []Answer{{Attempt: &trace.Attempt{Outcome: trace.Refused}},
				{Attempt: &trace.Attempt{Outcome: trace.Rejected}}}}, Unknown, nil},
		"refused": {portFacts{unread: true,
			answers: []Answer{{Attempt: &trace.Attempt{Outcome: trace.Refused}}}}, Free, []string{rulesUnread}},
		"dropped": {portFacts{answers: []Answer{{Attempt: &trace.Attempt{Outcome: trace.Silent}}}}, Free, nil},
	} {
		v := c.f.verdict()
		if v.Verdict != c.word || !slices.Equal(v.Caveats, c.want) || (v.Error != "") != (c.word == Unknown) {
			t.Errorf("%s: %+v, want %s, %q", name, v, c.word, c.want)
		}
		for _, caveat := range v.Caveats {
			if strings.Count(v.Why, caveat) != 1 {
				t.Errorf("%s: %q has not %q once", name, v.Why, caveat)
			}
		}
	}
}

// What a queue lost is stated once for all sockets of a holder.
func TestLosses(t *testing.T) {
	tcp, udp := probe.Port{Number: 417, Proto: probe.TCP}, probe.Port{Number: 417, Proto: probe.UDP}
	full, one := Listener{Backlog: &socket.Backlog{Used: 129, Limit: 128}, Drops: 36},
		Listener{Backlog: &socket.Backlog{Used: 128, Limit: 128}, Drops: 1}
	for _, c := range []struct {
		f    Facts
		of   []Listener
		want string
	}{
		{Facts{Port: tcp}, []Listener{{}}, ""},
		{Facts{Port: tcp, Sockets: Sockets{Overflows: 41}},
			[]Listener{{Backlog: &socket.Backlog{Used: 128, Limit: 128}}}, ""},
		{Facts{Port: tcp, Sockets: Sockets{Overflows: 41}}, []Listener{one},
			", up to 1 attempt to connect dropped by a full accept queue"},
		{Facts{Port: tcp}, []Listener{one, full}, ", accept queue full (129 of 128), 37 attempts to connect dropped"},
		{Facts{Port: tcp, Sockets: Sockets{Overflows: 41}}, []Listener{full},
			", accept queue full (129 of 128), 36 attempts to connect dropped (in this network namespace since it began: " +
				"41 by full queues)"},
		{Facts{Port: tcp, Sockets: Sockets{Overflows: 41}}, []Listener{full},
			", accept queue full (129 of 128), 36 attempts to connect dropped (in this network namespace since it began: " +
				"41 by full queues)"},
		{Facts{Port: udp}, []Listener{{Drops: 2}, {Drops: 3}}, ", 5 datagrams dropped"},
	} {
		if got := (group{sockets: c.of}).losses(c.f); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
