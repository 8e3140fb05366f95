package ci

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report/phrase"
	"onmux/report/record"
)

// metric is a family of samples, which stand together in the exposition format.
type metric struct {
	name, help string
	samples    bytes.Buffer
}

// prom writes what node_exporter's textfile collector reads: the Prometheus
// text format, version 0.0.4, gauges without timestamps. Single endpoints have
// samples of their own, ranges are in the counts.
type prom struct {
	record.Nop
	w        io.Writer
	command  string
	metrics  []*metric
	violated int
	series   map[string]bool // one that stands twice makes the whole file void
	left     uint64          // endpoints that have none
}

// maxSeries bounds the endpoints that have series of their own: a monitoring
// system pays for each, day after day. All are in the counts.
const maxSeries = 10_000

func NewProm(w io.Writer, _ record.Options) record.Handler {
	return &prom{w: w, series: make(map[string]bool)}
}

// Start adds what is known already.
func (p *prom) Start(s record.Start) error {
	p.command = s.Command
	p.add("onmux_info", "Which onmux wrote this, and what it was asked.", 1, "command", s.Command, "version", s.Version)
	return nil
}

// add puts a sample to its family; labels are names and values in turn.
func (p *prom) add(name, help string, value any, labels ...string) {
	i := slices.IndexFunc(p.metrics, func(m *metric) bool { return m.name == name })
	if i < 0 {
		i = len(p.metrics)
		p.metrics = append(p.metrics, &metric{name: name, help: help})
	}
	var pairs []string
	for i := 0; i < len(labels); i += 2 {
		if labels[i+1] != "" { // an empty label is none
			pairs = append(pairs, labels[i]+`="`+labelValue(labels[i+1])+`"`)
		}
	}
	series := name
	if pairs != nil {
		series += "{" + strings.Join(pairs, ",") + "}"
	}
	if !p.series[series] {
		p.series[series] = true
		fmt.Fprintf(&p.metrics[i].samples, "%s %v\n", series, value)
	}
}

// labelValue escapes as the format demands.
func labelValue(s string) string { return yamlEscapes.Replace(phrase.Visible(s)) }

// Endpoint adds the samples of one, as long as there are few.
// End writes everything.
func (p *prom) Endpoint(r probe.Result) error {
	if len(p.series) >= maxSeries {
		p.left++
		return nil
	}
	at := []string{"address", r.Addr.String(), "port", fmt.Sprint(r.Port), "proto", r.Proto.String(), "host", r.Host}
	p.add("onmux_endpoint_state", "1 for the state of each endpoint that was reported singly.", 1,
		append(at, "state", r.State.String(), "reason", r.Reason.String())...)
	if r.RTT > 0 {
		p.add("onmux_endpoint_rtt_seconds", "Round-trip time of the answer.", phrase.Seconds(r.RTT), at...)
	}
	if a := r.Attempts; a != nil {
		p.add("onmux_endpoint_loss_ratio", "Share of the attempts that the endpoint did not answer.", a.Loss, at...)
	}
	return nil
}

// Verdict adds a sample.
func (p *prom) Verdict(v local.Verdict) error {
	p.add("onmux_port_verdict", "1 for the verdict on each port of this machine.", 1,
		"port", fmt.Sprint(v.Port), "proto", v.Proto.String(), "verdict", string(v.Verdict))
	return nil
}

// Rule adds a sample.
func (p *prom) Rule(r record.Rule) error {
	p.add("onmux_rule", "1 for what came of each rule of the policy.", 1, "name", r.Name, "about", r.About, "outcome",
		r.Outcome.String())
	return nil
}

// Change adds a sample.
func (p *prom) Change(c record.Change) error {
	p.add("onmux_change", "1 for each change between the reports.", 1, "where", c.Place(), "what", c.What,
		"confidence", string(c.Confidence))
	return nil
}

// Violation counts it.
func (p *prom) Violation(record.Violation) error {
	p.violated++
	return nil
}

// Listener adds samples of a socket that listens.
func (p *prom) Listener(l local.Listener) error {
	if l.State != local.Listening {
		return nil
	}
	at := []string{"address", l.Address.String(), "port", fmt.Sprint(l.Port), "proto", l.Proto.String(), "device",
		l.Device, "netns", l.NetNS, "inode", fmt.Sprint(l.Inode)}
	p.add("onmux_listener", "1 for each socket that listens.", 1, append(at, "reach", l.Reach)...)
	if b := l.Backlog; b != nil {
		p.add("onmux_listener_backlog", "Connections that wait to be accepted.", b.Used, at...)
		p.add("onmux_listener_backlog_limit", "How many may wait.", b.Limit, at...)
	}
	return nil
}

// End writes everything.
func (p *prom) End(e record.End) error {
	for _, w := range record.Words(p.command) {
		p.add("onmux_targets", "How many endpoints or ports have each state.", e.Summary.States[w], "state", w)
	}
	for _, o := range []record.Outcome{record.Holds, record.Fails, record.CannotTell} {
		p.add("onmux_outcome", "1 for what came of the expectations.", number01(record.OutcomeOf(e, p.violated) == o),
			"outcome", o.String())
	}
	p.add("onmux_endpoints_not_told", "Endpoints that have no series of their own, because there are too many.", p.left)
	p.add("onmux_violations", "Expectations that do not hold.", p.violated)
	p.add("onmux_complete", "Whether everything that was asked for was looked at.", number01(e.Complete))
	p.add("onmux_probes", "Attempts that were sent.", e.Summary.Probes)
	p.add("onmux_duration_seconds", "How long it took.", phrase.Seconds(e.Summary.Duration))
	p.add("onmux_finished_time_seconds", "When it ended, in seconds since 1970.", e.Finished.Unix())
	if f := record.Finite(e.Summary.Loss); f != nil {
		p.add("onmux_loss_ratio", "Share of attempts at answering hosts that brought no answer.", *f)
	}
	if f := record.Finite(e.Summary.ExpectedMissed); f != nil {
		p.add("onmux_expected_missed", "Answering hosts that were probably missed.", *f)
	}
	for _, m := range p.metrics {
		if _, err := fmt.Fprintf(p.w, "# HELP %s %s\n# TYPE %s gauge\n%s", m.name, m.help, m.name,
			m.samples.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func number01(b bool) int {
	if b {
		return 1
	}
	return 0
}
