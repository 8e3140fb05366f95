package local

import (
	"fmt"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
)

// judge is the verdict anew, after the port was bound where that was asked for.
// Binding meets also the sockets that no source reports.
func (f finding) judge(t *tracing, s settings, q socket.Query) Verdict {
	v := f.verdict()
	if t.asked && v.Verdict != Listening {
		if t.tries++; t.tries <= trace.MaxTrials {
			f.trials = trace.TryBind(q, f.port)
			f.inUse = f.trials.InUse() && !t.OwnPorts[f.port.Number]
		}
		v = f.verdict()
	}
	v.Bind = append(s.obstacles(f.port, v.Verdict, f.count), s.trialsText(f.trials, f.port)...)
	return v
}

// bindHint states what --trace would decide.
func bindHint(r Request, verdicts []Verdict) []string {
	if r.Trace || !slices.ContainsFunc(verdicts, func(v Verdict) bool {
		return v.Error == idleUnseen || v.Verdict == Free && slices.Contains(v.Caveats, idleUnseen)
	}) {
		return nil
	}
	return []string{"--trace binds the port for a moment, which a socket that cannot be seen is in the way of"}
}

// trialsText puts trials that came out alike into one sentence.
func (s settings) trialsText(trials trace.BindTrials, p probe.Port) []string {
	var order []string
	where := make(map[string][]string)
	for _, t := range trials {
		outcome := s.trialOutcome(t, p)
		if where[outcome] == nil {
			order = append(order, outcome)
		}
		where[outcome] = append(where[outcome], trialAddress(t.Family, p.Number))
	}
	var all []string
	for _, outcome := range order {
		all = append(all, fmt.Sprintf("binding %s %s", strings.Join(where[outcome], ", "), outcome))
	}
	return all
}

func trialAddress(family trace.BindFamily, port uint16) string {
	switch family {
	case trace.IPv4:
		return fmt.Sprintf("0.0.0.0:%d", port)
	case trace.Dual:
		return fmt.Sprintf("[::]:%d with IPv4", port)
	}
	return fmt.Sprintf("[::]:%d", port)
}

// trialOutcome states how binding came out.
func (s settings) trialOutcome(t trace.BindTrial, p probe.Port) string {
	switch {
	case t.Outcome == trace.Bound:
		return "worked"
	case t.Outcome == trace.BoundShared && p.Proto == probe.UDP:
		return "worked only with SO_REUSEADDR, which shares it"
	case t.Outcome == trace.BoundShared:
		return "worked only with SO_REUSEADDR, which most servers set"
	case t.Outcome == trace.NoIPv6:
		return "was refused: this machine has no IPv6"
	case t.Privileged && s.UnprivilegedFrom != nil && int(p.Number) < *s.UnprivilegedFrom:
		return fmt.Sprintf("was refused: %v (port below net.ipv4.ip_unprivileged_port_start %d)", t.Err, *s.UnprivilegedFrom)
	}
	return fmt.Sprintf("was refused: %v", t.Err)
}
