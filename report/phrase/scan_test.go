package phrase

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/control"
	"onmux/scan/target"
	"onmux/scan/verdict"
)

func TestScanNote(t *testing.T) {
	saved := time.Date(2026, 11, 27, 1, 2, 3, 0, time.UTC)
	outageBegan := time.Date(2026, 11, 27, 7, 5, 2, 0, time.UTC)
	host := probe.Endpoint{Addr: netip.MustParseAddr("10.92.1.1"), Port: 417, Proto: probe.UDP}
	other := verdict.Contradiction{Endpoint: host, First: verdict.PortUnreach, Then: verdict.PortUnreachByOther}
	for want, n := range map[string]scan.Note{
		"probed 1,024 of 1,024 endpoints": {Kind: scan.CoverAsked, Count: 1024, Of: 1024, Plan: 1024},
		"probed 5 of 5 endpoints, shard 1 of 2 of a plan of 10": {
			Kind: scan.CoverAsked, Count: 5, Of: 5, Plan: 10, Shard: target.Shard{I: 1, N: 2},
		},
		"reported again from a checkpoint of 2026-11-27T01:02:03Z: 1 probe were sent until then, and none now": {
			Kind: scan.CoverReplayed, Saved: saved, Count: 1,
		},
		"resumed from a checkpoint of 2026-11-27T01:02:03Z: 2 probes were sent until then": {
			Kind: scan.CoverResumed, Saved: saved, Count: 2,
		},
		"not reached: 512 of 512 endpoints (interrupted)": {
			Kind: scan.CoverNotReached, Count: 512, Of: 512, Err: context.Canceled,
		},
		"pass 2 over the silent endpoints was not finished (the deadline passed)": {
			Kind: scan.CoverPassCut, Pass: 2, Err: context.DeadlineExceeded,
		},
		"silent endpoints were not probed again (it ended early)": {Kind: scan.CoverNotRepeated},
		"could not be probed: 1 endpoint (out of local ports)": {
			Kind: scan.CoverNotAsked, Count: 1, Err: errors.New("out of local ports"),
		},
		"the loss of udp could not be measured, so its silence is judged by 1 pass": {
			Kind: scan.CoverLossUnknown, Proto: probe.UDP, Pass: 1,
		},
		"the loss of tcp could not be measured, so its silence is judged by a first pass that was not finished": {
			Kind: scan.CoverLossUnknown, Proto: probe.TCP,
		},
		"undecided: 3 udp endpoints, silent where ICMP answers are limited": {Kind: scan.CoverUndecided, Count: 3},
		"1 answer disagreed with an earlier one of the same endpoint: " +
			"10.92.1.1:417/udp answered port-unreach, then port-unreach from another host": {
			Kind: scan.CoverContradictions, Count: 1, Examples: []verdict.Contradiction{other},
		},
		"2 answers disagreed with an earlier one of the same endpoint: " +
			"10.92.1.1:417/udp answered port-unreach, then port-unreach from another host; …": {
			Kind: scan.CoverContradictions, Count: 2, Examples: []verdict.Contradiction{other},
		},
		"round-trip times, responders and evidence are reported of the first 65,536 endpoints " +
			"that answered and are not open, and of the open ones": {Kind: scan.CoverDetailsCut, Count: 65536},
		"not followed up: 1 of the open endpoints": {Kind: scan.CoverNotFollowedUp, Count: 1},
		"10.0.1.0/24: all 8 open hosts that were looked at answer on every port: " +
			"something before them answers in their place": {
			Kind: scan.CoverOpenEverywhere, Network: netip.MustParsePrefix("10.0.1.0/24"), Count: 8,
		},
		"slowed to 100 a second: out of local ports": {
			Kind: scan.NoteSlowed, Rate: 100, Cause: errors.New("out of local ports"),
		},
		"slowed to 5,000 a second: of known hosts 25 % answered, and 100 % while the scan paused": {
			Kind: scan.NoteSlowed, Rate: 5000, Cause: control.FewerAnswers{Loaded: 0.25, Paused: 1},
		},
		"slowed to 900 a second: 10.255.0.0 answers with ICMP errors, and is made to send no more than 800 a second": {
			Kind: scan.NoteSlowed, Rate: 900,
			Cause: control.RouterErrors{Router: netip.MustParseAddr("10.255.0.0"), Most: 800},
		},
		"endpoints known to answer did not from 07:05:02 to 07:05:09 UTC; what was silent then was probed again": {
			Kind: scan.NoteOutage, From: outageBegan, To: outageBegan.Add(7 * time.Second),
		},
		"endpoints known to answer did not from 07:05:02 to 07:05:09 UTC and did not recover; " +
			"silence then is no evidence": {
			Kind: scan.NoteOutage, From: outageBegan, To: outageBegan.Add(7 * time.Second), Lost: true,
		},
		"control 192.0.2.1:22/tcp did not answer: 0 of 9 probes": {
			Kind: scan.NoteControl, Count: 9,
			Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("192.0.2.1"), Port: 22, Proto: probe.TCP},
		},
		"no endpoint behind 10.0.0.1 on eth0 answered, so that silence cannot be distinguished from a path " +
			"that is down beyond it: --control HOST, of one that answers, would settle that": {
			Kind: scan.NoteNoControl, Addr: netip.MustParseAddr("10.0.0.1"), Device: "eth0",
		},
		"limited to 232 probes a second: no network (/24, or /64 of IPv6) gets more than 100 unless " +
			"--net-rate allows it": {
			Kind: scan.NoteNetworkRate, Rate: 231.5, Most: 100,
		},
		"about 2.5 answering hosts are probably still reported as silent after 3 passes: " +
			"more retries or a lower rate would find them": {Kind: scan.NoteMissed, Rate: 2.5, Pass: 3},
		"ignored 7 answers to probes that were not sent": {Kind: scan.NoteStrays, Count: 7},
		"closing the sockets failed: broken":             {Kind: scan.NoteCloseFailed, Err: errors.New("broken")},
		"the checkpoint x could not be written: full": {
			Kind: scan.NoteSaveFailed, Err: errors.New("the checkpoint x could not be written: full"),
		},
	} {
		if got := ScanNote(n); got != want {
			t.Errorf("%s: %q, want %q", n.Kind, got, want)
		}
	}
}

// TestFinding: doubts follow the notes, as sentences, and the record that was passed
// stays as it was.
func TestFinding(t *testing.T) {
	for kind, want := range map[probe.DoubtKind]string{
		probe.DoubtHostLimits:    "the host limits its ICMP answers: silence decides nothing",
		probe.DoubtNetworkLimits: "ICMP answers from its network are limited or lost: silence decides nothing",
		probe.DoubtRefusalLimited: "ICMP errors from its network are limited or lost: it may be unreachable or " +
			"refused rather than filtered",
		probe.DoubtResetFollowed: "its SYN-ACK was followed by a reset: something in between answers, or no service",
		probe.DoubtNotVerified:   "whether it is a service could not be tested: too many open files",
		probe.DoubtNoOptions:     "it accepts connections without a single TCP option, as decoys and middleboxes do",
		probe.DoubtZeroWindow: "it accepts connections with a zero window and takes no data, as proxies and " +
			"tarpits do",
		probe.DoubtResetsAtOnce: "it resets accepted connections before any data: a filter by address, or no service",
		probe.DoubtKind(probe.ClosesAtOnce): "it closes accepted connections before any data: a filter by address, " +
			"or no service",
		probe.DoubtKind(probe.ResetsOnData): "it resets a connection as soon as it receives data",
		probe.DoubtKind(probe.Unconfirmed): "it answered, and no further connection was accepted: a limit, or no " +
			"service",
		probe.DoubtKind(probe.NeverAcknowledges): "it accepts connections and never acknowledges data: something in " +
			"between answers, not a service",
	} {
		doubts := []probe.Doubt{{Kind: kind, Error: "too many open files"}}
		notes := []string{"a note"}
		r := Finding(probe.Result{Notes: notes, Doubts: doubts}).(probe.Result)
		if len(r.Notes) != 2 || r.Notes[0] != "a note" || r.Notes[1] != want {
			t.Errorf("%s: notes %q", kind, r.Notes)
		}
		run := Finding(scan.Range{Doubts: doubts}).(scan.Range)
		if len(run.Notes) != 1 || run.Notes[0] != want {
			t.Errorf("%s: notes %q", kind, run.Notes)
		}
	}
}

// TestOpennessDoubts: a doubt is noted once, whichever attempt showed it, with what was
// counted on other ports.
func TestOpennessDoubts(t *testing.T) {
	const window = "it accepts connections with a zero window and takes no data, as proxies and tarpits do"
	for _, tt := range []struct {
		found   probe.Openness
		service string
		want    []string
	}{
		{probe.Openness{Behavior: probe.ZeroWindow, Controls: 4}, "", []string{window}},
		{probe.Openness{Controls: 4, Answered: 1}, "",
			[]string{window, "1 of 4 other ports, taken at random, are open too"}},
		{probe.Openness{Controls: 4, Answered: 4, Everywhere: true}, "unknown",
			[]string{window, "it answers on every port: 4 of 4 others, taken at random, are open too, so this one " +
				"is not evidence of a service"}},
		{probe.Openness{Controls: 4, Answered: 4, Everywhere: true}, "http",
			[]string{window, "its host answers on every port: 4 of 4 others, taken at random, are open too; but this " +
				"one identifies itself"}},
	} {
		r := probe.Result{State: probe.Open, Doubts: []probe.Doubt{{Kind: probe.DoubtZeroWindow}}}
		if tt.service != "" {
			r.Service = &probe.Service{Name: tt.service}
		}
		tt.found.ApplyTo(&r)
		if got := Finding(r).(probe.Result).Notes; !slices.Equal(got, tt.want) {
			t.Errorf("%+v:\n got %q\nwant %q", tt.found, got, tt.want)
		}
	}
}
