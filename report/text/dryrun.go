package text

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan/routes"
	targets "onmux/scan/target"
)

// DryRun is what a scan would do, a line each.
func DryRun(d record.DryRun) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s %s\n", name, phrase.Visible(fmt.Sprintf(format, args...)))
	}
	needs := ""
	if d.Public > targets.MaxPublic {
		needs = ": --yes is needed"
	}
	line("addresses", "%s (%s public%s)", wording.Number(d.Addresses), wording.Number(d.Public), needs)
	line("ports", "%s", some(d.Ports, 8))
	if d.Plan.Shards > 1 {
		line("endpoints", "%s, of which shard %d of %d probes %s", wording.Number(d.Endpoints), d.Plan.Shard,
			d.Plan.Shards, wording.Number(d.Targets))
	} else {
		line("endpoints", "%s", wording.Number(d.Endpoints))
	}
	line("probes", "%s if all answer, %s if all are silent, at most %s", wording.Number(d.Probes.Answering),
		wording.Number(d.Probes.Silent), wording.Number(d.Probes.Most))
	switch {
	case d.Rate == 0:
		line("rate", "as fast as it goes")
	case d.HeldBy != "":
		line("rate", "%s probes a second: %s", rateText(d.Rate), d.HeldBy)
	default:
		line("rate", "%s probes a second", rateText(d.Rate))
	}
	if t := d.Time; t != nil {
		line("time", "%s if all answer, %s if all are silent, at most %s", lasting(t.Answering), lasting(t.Silent),
			lasting(t.Most))
	}
	if n := d.Neighbors; n != nil {
		line("neighbors", "%s, through the kernel's table of %s: room for %s at a time, and as much is left to others",
			wording.Number(n.Neighbors), wording.Number(uint64(n.Limit)), wording.Number(uint64(n.Room)))
	}
	var methods []string
	for _, p := range []string{"tcp", "udp"} {
		if m := d.Method[p]; m != "" {
			methods = append(methods, p+" by "+m)
		}
	}
	line("method", "%s", strings.Join(methods, ", "))
	line("seed", "%s", d.Plan.Seed)
	for _, r := range d.Routes {
		line("route", "%s", routeText(r))
	}
	if d.More > 0 {
		line("", "and %s more ranges", wording.Number(d.More))
	}
	for _, l := range d.LeftOut {
		line("left out", "%s", l)
	}
	if r := d.Resumes; r != nil && r.Complete {
		line("resumes", "nothing: the scan is complete")
	} else if r != nil {
		line("resumes", "after %s probes, as of %s", wording.Number(r.Probes), r.Saved.Format(time.RFC3339))
	}
	return b.String()
}

func routeText(r routes.Range) string {
	s := r.First.String()
	if r.Last != r.First {
		s += "-" + r.Last.String()
	}
	if r.Port != "" {
		s += " on " + r.Port
	}
	switch {
	case r.Error != "":
		return s + ": " + r.Error
	case r.Interface != "":
		s += " through " + r.Interface
	}
	if r.Gateway.IsValid() {
		s += " by " + r.Gateway.String()
	}
	return s + ", from " + r.Source.String()
}

// some lists the first of names and counts the rest.
func some(names []string, most int) string {
	if n := len(names) - most; n > 0 {
		return fmt.Sprintf("%s and %s more", strings.Join(names[:most], ", "), wording.Number(uint64(n)))
	}
	return strings.Join(names, ", ")
}

func rateText(r float64) string {
	if r >= 10 {
		return wording.Number(uint64(r))
	}
	return strconv.FormatFloat(r, 'g', 3, 64)
}

func lasting(ms uint64) string {
	return phrase.Duration(time.Duration(min(ms, 1<<43)) * time.Millisecond)
}
