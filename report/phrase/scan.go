package phrase

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report/phrase/evidence"
	"onmux/scan"
	"onmux/scan/control"
)

// ScanNotes are lines about a finished scan.
func ScanNotes(notes []scan.Note) (out []string) {
	for _, n := range notes {
		out = append(out, ScanNote(n))
	}
	return out
}

// ScanNote is a line about a finished scan: what it covers, or what else its user
// should know.
func ScanNote(n scan.Note) string {
	switch n.Kind {
	case scan.CoverAsked:
		of := "probed " + wording.Number(n.Count) + " of " + endpoints(n.Of)
		if n.Shard.N > 1 {
			of += fmt.Sprintf(", shard %d of %d of a plan of %s", n.Shard.I, n.Shard.N, wording.Number(n.Plan))
		}
		return of
	case scan.CoverReplayed:
		return fmt.Sprintf("reported again from a checkpoint of %s: %s were sent until then, and none now",
			n.Saved.Format(time.RFC3339), wording.Count(n.Count, "probe", "probes"))
	case scan.CoverResumed:
		return fmt.Sprintf("resumed from a checkpoint of %s: %s were sent until then",
			n.Saved.Format(time.RFC3339), wording.Count(n.Count, "probe", "probes"))
	case scan.CoverNotReached:
		return fmt.Sprintf("not reached: %s of %s (%s)", wording.Number(n.Count), endpoints(n.Of), stopReason(n.Err))
	case scan.CoverPassCut:
		return fmt.Sprintf("pass %d over the silent endpoints was not finished (%s)", n.Pass, stopReason(n.Err))
	case scan.CoverNotRepeated:
		return "silent endpoints were not probed again (" + stopReason(n.Err) + ")"
	case scan.CoverNotAsked:
		return fmt.Sprintf("could not be probed: %s (%v)", endpoints(n.Count), n.Err)
	case scan.CoverLossUnknown:
		tries := "a first pass that was not finished"
		if n.Pass > 0 {
			tries = wording.Count(n.Pass, "pass", "passes")
		}
		return fmt.Sprintf("the loss of %v could not be measured, so its silence is judged by %s", n.Proto, tries)
	case scan.CoverUndecided:
		return fmt.Sprintf("undecided: %s, silent where ICMP answers are limited",
			wording.Count(n.Count, "udp endpoint", "udp endpoints"))
	case scan.CoverContradictions:
		return contradictions(n)
	case scan.CoverDetailsCut:
		return "round-trip times, responders and evidence are reported of the first " + endpoints(n.Count) +
			" that answered and are not open, and of the open ones"
	case scan.CoverNotFollowedUp:
		return fmt.Sprintf("not followed up: %s of the open endpoints", wording.Number(n.Count))
	case scan.CoverOpenEverywhere:
		return fmt.Sprintf("%s: all %d open hosts that were looked at answer on every port: "+
			"something before them answers in their place", n.Network, n.Count)
	}
	return scanWarning(n)
}

// scanWarning is what else the user of a scan should know.
func scanWarning(n scan.Note) string {
	switch n.Kind {
	case scan.NoteSlowed:
		return fmt.Sprintf("slowed to %s a second: %s", wording.Number(uint64(n.Rate)), slowCause(n.Cause))
	case scan.NoteOutage:
		return outage(n)
	case scan.NoteControl:
		return fmt.Sprintf("control %s did not answer: 0 of %s", n.Endpoint, wording.Count(n.Count, "probe", "probes"))
	case scan.NoteNoControl:
		return fmt.Sprintf("no endpoint behind %s on %s answered, so that silence cannot be distinguished from a path "+
			"that is down beyond it: --control HOST, of one that answers, would settle that", n.Addr, n.Device)
	case scan.NoteNetworkRate:
		return fmt.Sprintf("limited to %s probes a second: %s unless --net-rate allows it",
			wording.Number(uint64(math.Ceil(n.Rate))), NetworkRate(n.Most))
	case scan.NoteMissed:
		return fmt.Sprintf("about %.3g answering hosts are probably still reported as silent after %s: "+
			"more retries or a lower rate would find them", n.Rate, wording.Count(n.Pass, "pass", "passes"))
	case scan.NoteStrays:
		return "ignored " + wording.Count(n.Count, "answer", "answers") + " to probes that were not sent"
	case scan.NoteCloseFailed:
		return fmt.Sprintf("closing the sockets failed: %v", n.Err)
	case scan.NoteSaveFailed:
		return n.Err.Error()
	}
	return string(n.Kind)
}

// OnlyOpen is what a report without the other endpoints covers.
const OnlyOpen = "only open endpoints are listed; the summary counts all"

func outage(n scan.Note) string {
	when := fmt.Sprintf("endpoints known to answer did not from %s to %s",
		n.From.Format(time.TimeOnly), n.To.Format(time.TimeOnly))
	if n.Lost {
		return when + " UTC and did not recover; silence then is no evidence"
	}
	return when + " UTC; what was silent then was probed again"
}

func endpoints(n uint64) string { return wording.Count(n, "endpoint", "endpoints") }

// NetworkRate is why a scan is slower than its rate: most probes a second for one
// network.
func NetworkRate(most float64) string {
	return fmt.Sprintf("no network (/24, or /64 of IPv6) gets more than %s", wording.Number(uint64(math.Ceil(most))))
}

// slowCause is why a scan was slowed down.
func slowCause(c control.Cause) string {
	switch c := c.(type) {
	case control.FewerAnswers:
		return fmt.Sprintf("of known hosts %.0f %% answered, and %.0f %% while the scan paused", 100*c.Loaded,
			100*c.Paused)
	case control.RouterErrors:
		return fmt.Sprintf("%v answers with ICMP errors, and is made to send no more than %d a second", c.Router,
			c.Most)
	}
	return fmt.Sprint(c)
}

// stopReason is why a scan stopped early, in a few words.
func stopReason(err error) string {
	switch {
	case err == nil:
		return "it ended early"
	case errors.Is(err, context.DeadlineExceeded):
		return "the deadline passed"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	}
	return err.Error()
}

func contradictions(n scan.Note) string {
	out := wording.Count(n.Count, "answer", "answers") + " disagreed with an earlier one of the same endpoint"
	var examples []string
	for _, e := range n.Examples {
		examples = append(examples, fmt.Sprintf("%s answered %s, then %s", e.Endpoint, e.First, e.Then))
	}
	if len(examples) == 0 {
		return out
	}
	if n.Count > uint64(len(examples)) {
		examples = append(examples, "…")
	}
	return out + ": " + strings.Join(examples, "; ")
}

// VerdictDoubt is why a verdict proves less than it seems to.
func VerdictDoubt(d probe.Doubt) string {
	switch d.Kind {
	case probe.DoubtHostLimits:
		return "the host limits its ICMP answers: silence decides nothing"
	case probe.DoubtNetworkLimits:
		return "ICMP answers from its network are limited or lost: silence decides nothing"
	case probe.DoubtRefusalLimited:
		return "ICMP errors from its network are limited or lost: it may be unreachable or refused rather than filtered"
	case probe.DoubtResetFollowed:
		return "its SYN-ACK was followed by a reset: something in between answers, or no service"
	case probe.DoubtNotVerified:
		return "whether it is a service could not be tested: " + d.Error
	case probe.DoubtHostDown:
		return "the host was found down, and its ports were not probed"
	case probe.DoubtNotCaptured:
		return "its answers are not in the capture: clients went on after them"
	case probe.DoubtBeganBefore:
		return "its connections began before the capture"
	case probe.DoubtContradicted:
		return "it was seen in another state as well: some clients were answered otherwise, or at other times"
	case probe.DoubtNoOptions:
		return "it accepts connections without a single TCP option, as decoys and middleboxes do"
	case probe.DoubtZeroWindow:
		return "it accepts connections with a zero window and takes no data, as proxies and tarpits do"
	}
	switch probe.Behavior(d.Kind) {
	case probe.ResetsAtOnce:
		return "it resets accepted connections before any data: a filter by address, or no service"
	case probe.ClosesAtOnce:
		return "it closes accepted connections before any data: a filter by address, or no service"
	case probe.ResetsOnData:
		return "it resets a connection as soon as it receives data"
	case probe.Unconfirmed:
		return "it answered, and no further connection was accepted: a limit, or no service"
	case probe.NeverAcknowledges:
		return "it accepts connections and never acknowledges data: something in between answers, not a service"
	}
	return string(d.Kind)
}

// opennessDoubt is VerdictDoubt for one about other ports of the host.
func opennessDoubt(d probe.Doubt, r *probe.Result) string {
	v := r.Openness
	if v == nil {
		return VerdictDoubt(d)
	}
	random := fmt.Sprintf("%d of %d others, taken at random, are open too", v.Answered, v.Controls)
	switch {
	case d.Kind == probe.DoubtOthersOpen:
		return fmt.Sprintf("%d of %d other ports, taken at random, are open too", v.Answered, v.Controls)
	case d.Kind == probe.DoubtEverywhere && r.Identified():
		return "its host answers on every port: " + random + "; but this one identifies itself"
	case d.Kind == probe.DoubtEverywhere:
		return "it answers on every port: " + random + ", so this one is not evidence of a service"
	}
	return VerdictDoubt(d)
}

// Finding is a record of a probe or a scan with its facts and doubts as sentences.
func Finding(f scan.Finding) scan.Finding {
	switch f := f.(type) {
	case probe.Result:
		f.Notes = slices.Concat(f.Notes, evidence.Notes(&f))
		f.Evidence = slices.Concat(f.Evidence, evidence.Sentences(&f))
		f.Error = cmp.Or(f.Error, evidence.Failure(f.Facts))
		f.Facts = nil
		for _, d := range f.Doubts {
			f.Notes = append(f.Notes, opennessDoubt(d, &f))
		}
		if f.Withdrawn != nil {
			f.Notes = append(f.Notes, withdrawn(f))
		}
		return f
	case scan.Range:
		f.Notes = slices.Clip(f.Notes)
		f.Error = cmp.Or(f.Error, evidence.Failure(f.Facts))
		f.Facts = nil
		for _, d := range f.Doubts {
			f.Notes = append(f.Notes, VerdictDoubt(d))
		}
		return f
	}
	return f
}
