package local

import (
	"slices"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local/nat"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
)

// What was not seen stands in a field of its own beside a verdict that it might
// change, and in the sentence.
func TestCaveats(t *testing.T) {
	one := []foreign{{netns: "blue"}}
	rules := []nat.Rule{{Table: "ip nat", Chain: "pre"}}
	for name, c := range map[string]struct {
		f    finding
		word Word
		want []string
	}{
		"all was seen":           {finding{}, Free, nil},
		"free":                   {finding{missed: true, unruled: true, source: socket.Source{NoBound: true}, trials: trace.BindTrials{}}, Free, []string{spacesMissed, rulesMissed}},
		"elsewhere":              {finding{missed: true, unruled: true, source: socket.Source{NoBound: true}, elsewhere: one}, Elsewhere, []string{idleUnseen, rulesMissed}},
		"connected":              {finding{missed: true, count: socket.Counts{socket.Connected: 1}}, Connected, []string{spacesMissed}},
		"redirected":             {finding{missed: true, unruled: true, redirects: []nat.Redirect{{To: "port 1"}}}, Redirected, nil},
		"listening":              {finding{missed: true, unruled: true, unread: rules, count: socket.Counts{socket.Listening: 1}}, Listening, nil},
		"bound":                  {finding{missed: true, unruled: true, count: socket.Counts{socket.Bound: 1}}, Bound, nil},
		"unknown":                {finding{missed: true, unruled: true, source: socket.Source{NoBound: true, From: socket.FromProc}}, Unknown, nil},
		"a rule that is not one": {finding{unread: rules}, Free, []string{"what becomes of arrivals is not known: not understood was an nftables rule (table ip nat, chain pre)"}},
		"sent where?":            {finding{unruled: true, attempts: []*trace.Attempt{{Outcome: trace.Silent}}}, Unknown, nil},
		"sent where, rejected?":  {finding{unread: rules, attempts: []*trace.Attempt{{Outcome: trace.Refused}, {Outcome: trace.Rejected}}}, Unknown, nil},
		"refused":                {finding{unruled: true, attempts: []*trace.Attempt{{Outcome: trace.Refused}}}, Free, []string{rulesMissed}},
		"dropped":                {finding{attempts: []*trace.Attempt{{Outcome: trace.Silent}}}, Free, nil},
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

// To somebody who may not read the rules, one that sends connections to nowhere
// shows by their silence.
func TestTraceAstray(t *testing.T) {
	nettest.InHost(t, func(*nettest.Host) {
		addOutputRule(t, nft.ToPort(4461), nft.DNAT("192.0.2.1", 9))
		facts := []fact{
			{port: probe.Port{Number: 4461, Proto: probe.TCP}, verdict: Unknown},
			{port: probe.Port{Number: 4462, Proto: probe.TCP}, verdict: Free},
		}
		for i, v := range as(t, "tracer", facts).Verdicts {
			if v.Verdict != facts[i].verdict || v.Verdict == Free && !slices.Contains(v.Caveats, rulesMissed) {
				t.Errorf("%+v, want %s", v, facts[i].verdict)
			}
		}
	})
}
