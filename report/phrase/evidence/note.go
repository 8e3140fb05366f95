package evidence

import (
	"fmt"
	"strconv"
	"strings"

	"onmux/probe"
)

// Notes are the facts about a verdict that are no evidence of it.
func Notes(r *probe.Result) (out []string) {
	if r.NAT64.IsValid() {
		out = append(out, "a NAT64 translates: the address stands for "+r.NAT64.String())
	}
	for _, f := range r.Facts {
		if s := note(f, r); s != "" {
			out = append(out, s)
		}
	}
	return out
}

var tasks = map[probe.Part]string{
	probe.PartService: "identify the service",
	probe.PartVerify:  "test whether it is a service",
	probe.PartPath:    "find the path",
	probe.PartFarEnd:  "ask the far end",
}

var failures = map[probe.Part]string{
	probe.PartService: "the service could not be identified",
	probe.PartVerify:  "whether it is a service could not be tested",
	probe.PartPath:    "the path could not be found",
	probe.PartFarEnd:  "the far end could not be asked",
}

// note is one note, or "" if f is evidence.
func note(f probe.Fact, r *probe.Result) string {
	switch f.Kind {
	case probe.FactNoTime:
		return "there was no time to " + tasks[f.Part]
	case probe.FactNotFound:
		return failures[f.Part] + ": " + f.Text
	case probe.FactFamilies:
		return fmt.Sprintf("IPv4 and IPv6 differ: over IPv4 %s is %s at %s", r.Host, f.State, f.Addr)
	case probe.FactNoRouter:
		return "the path: the target is on this network, so that no router lies between; it drops the packets itself"
	case probe.FactNoHop:
		return "the path: " + Path(r.Endpoint, nil)
	case probe.FactContradictory:
		return "the answers contradict each other: " + counts(f.States) + "; the last one counts"
	case probe.FactSilentSince:
		return fmt.Sprintf("it was %s up to try %d; the %d tries since had no answer", f.State, f.Count, f.Size)
	case probe.FactLastSilent:
		if f.Count == 1 {
			return "the last try had no answer; the state is that of the last answer"
		}
		return fmt.Sprintf("the last %d tries had no answer; the state is that of the last answer", f.Count)
	case probe.FactRateLimited:
		return "hosts limit how many port unreachables they send, often to one a second: what looks like loss may be that"
	}
	return ""
}

// counts is "3 open, 1 closed", in the order of reports.
func counts(states map[string]int) string {
	var parts []string
	for _, state := range probe.States() {
		if n := states[state.String()]; n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+state.String())
		}
	}
	return strings.Join(parts, ", ")
}
