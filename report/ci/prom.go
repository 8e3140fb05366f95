package ci

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// metric is a family of samples, which stand together in the exposition format.
type metric struct {
	name, help string
	samples    []sample
	index      map[string]int // of the samples, by their labels: one that is there twice makes the whole file void
}

type sample struct {
	labels string
	value  any
}

// prom writes what node_exporter's textfile collector reads: the Prometheus
// text format, version 0.0.4, gauges without timestamps. Every series has the command and
// the job, so that files of several runs can stand in one folder. Single endpoints have
// series of their own, with one for each state that is 0 or 1, so that none begins or ends
// when the state changes; ranges are in the counts.
type prom struct {
	record.Nop
	w        io.Writer
	command  string
	job      string
	metrics  []*metric
	violated int
	series   int    // of single records
	left     uint64 // records that have none
}

// maxSeries bounds the series of single records of all kinds: a monitoring
// system pays for each, day after day. All are in the counts.
const maxSeries = 10_000

func NewProm(w io.Writer, o record.Options) record.Handler { return &prom{w: w, job: o.Job} }

// Start adds what is known already.
func (p *prom) Start(s record.Start) error {
	p.command = s.Command
	p.job = cmp.Or(s.Job, p.job, s.Command)
	p.set("onmux_info", "Which onmux wrote this.", 1, "version", s.Version)
	return nil
}

// sample is that of a family and labels, which are names and values in turn; new ones are nil.
func (p *prom) sample(name, help string, labels []string) *any {
	i := slices.IndexFunc(p.metrics, func(m *metric) bool { return m.name == name })
	if i < 0 {
		i = len(p.metrics)
		p.metrics = append(p.metrics, &metric{name: name, help: help, index: make(map[string]int)})
	}
	var pairs []string
	for pair := range slices.Chunk(slices.Concat([]string{"command", p.command, "job", p.job}, labels), 2) {
		if pair[1] != "" { // an empty label is none
			pairs = append(pairs, pair[0]+`="`+labelValue(pair[1])+`"`)
		}
	}
	m, key := p.metrics[i], strings.Join(pairs, ",")
	n, known := m.index[key]
	if !known {
		n = len(m.samples)
		m.index[key] = n
		m.samples = append(m.samples, sample{labels: key})
	}
	return &m.samples[n].value
}

// set gives a series its value; of several the first counts.
func (p *prom) set(name, help string, value any, labels ...string) {
	if v := p.sample(name, help, labels); *v == nil {
		*v = value
	}
}

// sum adds to the value of a series.
func (p *prom) sum(name, help string, value uint64, labels ...string) {
	v := p.sample(name, help, labels)
	before, _ := (*v).(uint64)
	*v = before + value
}

// words gives each of the words a series, which is 1 for the one that holds.
func (p *prom) words(name, help string, words []string, is, label string, labels ...string) {
	for _, w := range words {
		p.set(name, help, number01(w == is), append(slices.Clip(labels), label, w)...)
	}
}

// room reports whether there is room for so many series of one record more.
func (p *prom) room(series int) bool {
	if p.series+series > maxSeries {
		p.left++
		return false
	}
	p.series += series
	return true
}

// labelValue escapes as the format demands.
func labelValue(s string) string { return yamlEscapes.Replace(phrase.Visible(s)) }

// Endpoint adds the samples of one.
func (p *prom) Endpoint(r probe.Result) error {
	states := record.Words("probe")
	if !p.room(len(states) + 2) {
		return nil
	}
	at := []string{"address", record.AddressOf(r), "port", fmt.Sprint(r.Port), "proto", r.Proto.String(), "host", r.Host,
		"zone", r.Zone}
	if r.Hosts != nil {
		at = append(at, "hosts", strings.Join(r.Hosts, " "))
	}
	p.words("onmux_endpoint_state", "1 for the state of each endpoint that was reported singly, 0 for the others.",
		states, r.State.String(), "state", at...)
	if r.RTT > 0 {
		p.set("onmux_endpoint_rtt_seconds", "Round-trip time of the answer.", phrase.Seconds(r.RTT), at...)
	}
	if a := r.Attempts; a != nil {
		p.set("onmux_endpoint_loss_ratio", "Share of the attempts that the endpoint did not answer.", a.Loss, at...)
	}
	return nil
}

// Verdict adds the samples of a port.
func (p *prom) Verdict(v local.Verdict) error {
	if words := record.Words("check"); p.room(len(words)) {
		p.words("onmux_port_verdict", "1 for the verdict on each port of this machine, 0 for the others.", words,
			string(v.Verdict), "verdict", "port", fmt.Sprint(v.Port), "proto", v.Proto.String())
	}
	return nil
}

// Rule adds the samples of one.
func (p *prom) Rule(r record.Rule) error {
	if words := record.Outcomes(); p.room(len(words)) {
		p.words("onmux_rule", "1 for what came of each rule of the policy, 0 for the others.", words, r.Outcome.String(),
			"outcome", "name", r.Name, "about", r.About)
	}
	return nil
}

// Change adds a sample.
func (p *prom) Change(c record.Change) error {
	if !c.Undecided && p.room(1) {
		p.set("onmux_change", "1 for each change between the reports.", 1, "where", c.Place(), "what", c.What,
			"confidence", string(c.Confidence))
	}
	return nil
}

// Violation counts it.
func (p *prom) Violation(record.Violation) error {
	p.violated++
	return nil
}

// Listener adds samples of a socket that listens. Its inode is none of the labels: it is
// another after each start of the program.
func (p *prom) Listener(l local.Listener) error {
	if l.State != local.Listening || !p.room(3) {
		return nil
	}
	at := []string{"address", l.Address.String(), "port", fmt.Sprint(l.Port), "proto", l.Proto.String(), "device",
		l.Device, "netns", l.NetNS}
	p.sum("onmux_listener", "How many sockets listen there.", 1, append(at, "reach", l.Reach)...)
	if b := l.Backlog; b != nil {
		p.sum("onmux_listener_backlog", "Connections that wait to be accepted.", uint64(b.Used), at...)
		p.sum("onmux_listener_backlog_limit", "How many may wait.", uint64(b.Limit), at...)
	}
	return nil
}

// End writes everything.
func (p *prom) End(e record.End) error {
	summaries := e.Summary.Zones
	if len(summaries) == 0 {
		summaries = []scan.Summary{e.Summary}
	}
	for _, s := range summaries {
		for _, w := range record.Words(p.command) {
			p.set("onmux_targets", "How many endpoints or ports have each state.", s.States[w], "state", w, "zone", s.Zone)
		}
	}
	p.words("onmux_outcome", "1 for what came of the expectations, 0 for the others.", record.Outcomes(),
		record.OutcomeOf(e, p.violated).String(), "outcome")
	p.set("onmux_left_out", "Records that have no series of their own, because there are too many.", p.left)
	p.set("onmux_violations", "Expectations that do not hold.", p.violated)
	p.set("onmux_complete", "Whether everything that was asked for was looked at.", number01(e.Complete))
	p.set("onmux_probes", "Attempts that were sent.", e.Summary.Probes)
	p.set("onmux_duration_seconds", "How long it took.", phrase.Seconds(e.Summary.Duration))
	p.set("onmux_finished_time_seconds", "When it ended, in seconds since 1970.", e.Finished.Unix())
	if f := record.Finite(e.Summary.Loss); f != nil {
		p.set("onmux_loss_ratio", "Share of attempts at answering hosts that brought no answer.", *f)
	}
	if f := record.Finite(e.Summary.ExpectedMissed); f != nil {
		p.set("onmux_expected_missed", "Answering hosts that were probably missed.", *f)
	}
	b := bufio.NewWriter(p.w)
	for _, m := range p.metrics {
		fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s gauge\n", m.name, m.help, m.name)
		for _, s := range m.samples {
			fmt.Fprintf(b, "%s{%s} %v\n", m.name, s.labels, s.value)
		}
	}
	return b.Flush()
}

func number01(b bool) int {
	if b {
		return 1
	}
	return 0
}
