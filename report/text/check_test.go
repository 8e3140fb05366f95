package text_test

import (
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/probe/local/trace"
	. "onmux/report/record"
	. "onmux/report/reporttest"
)

// Many free ports are written in a line, and those of which something could not be
// looked at in another.
func TestTextFoldsFree(t *testing.T) {
	s := Stream{Started: Start{Command: "check"}, Ended: End{Complete: true}}
	for n := range uint16(12) {
		v := local.Verdict{Port: 1 + n, Proto: probe.TCP, Verdict: local.Free, Why: "why"}
		if n > 8 {
			v.Caveats = []string{"a rule is not known"}
		}
		s.Findings = append(s.Findings, v)
	}
	text := textOf(t, s, Options{})
	want := "tcp 1-9 are free\ntcp 10-12 are free, as far as can be seen: a rule is not known\n"
	if !strings.HasPrefix(text, want) {
		t.Errorf("%q", text)
	}
}

// What the reason has already is not written again.
func TestReasonHasIt(t *testing.T) {
	sentOn := local.Verdict{Port: 80, Proto: probe.TCP, Verdict: local.Redirected, Cause: local.SentOn,
		Why: "127.0.0.1:80 is answered"}
	sentOn.Trace = []trace.Trace{
		{To: "127.0.0.1:80", Outcome: trace.Accepted, Text: "127.0.0.1:80 is answered"},
		{To: "[::1]:80", Outcome: trace.Refused, Text: "[::1]:80 refuses"},
	}
	unlisted := local.Verdict{Port: 81, Proto: probe.TCP, Verdict: local.Unknown, Cause: local.BoundNotListed,
		Why: "none; unseen", Error: "unseen"}
	unread := local.Verdict{Port: 82, Proto: probe.TCP, Verdict: local.Unknown, Cause: local.NotRead,
		Why: "could not look", Error: "denied"}
	for want, v := range map[string]local.Verdict{
		"80/tcp is redirected: 127.0.0.1:80 is answered\n  traced: [::1]:80 refuses\n": sentOn,
		"81/tcp is unknown: none; unseen\n":                                            unlisted,
		"82/tcp is unknown: could not look: denied\n":                                  unread,
	} {
		stream := Stream{Started: Start{Command: "check"}, Findings: []Finding{v}, Ended: End{Complete: true}}
		if text := textOf(t, stream, Options{}); !strings.HasPrefix(text, want) {
			t.Errorf("%q, want %q", text, want)
		}
	}
}

// TestLongCommandLines are cut, also where the output has no width.
func TestLongCommandLines(t *testing.T) {
	l := Socket(probe.TCP, "127.0.0.1", "ipv4", "loopback", 80)
	long := []string{"/usr/bin/java", "-cp", strings.Repeat("x:", 1500)}
	l.Owners = []owner.Owner{{PID: 12, Name: "java", Cmdline: long}}
	s := Stream{Started: Starts("check"), Ended: Ends(1, map[string]uint64{"listening": 1}), Findings: []Finding{
		local.Verdict{Port: 80, Proto: probe.TCP, Verdict: local.Listening, Why: "why"}, l}}
	for _, o := range []Options{{}, {Width: 80}, {Verbosity: Verbose}, {Width: 80, Verbosity: Verbose}} {
		out := textOf(t, s, o)
		verbose := o.Verbosity == Verbose
		if len(out) > 600 && !verbose || len(out) > 1500 || strings.Contains(out, "(json has more)") != verbose {
			t.Errorf("%+v: %d bytes\n%s", o, len(out), out)
		}
	}
}
