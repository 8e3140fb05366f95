package html_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"onmux/probe"
	. "onmux/report/reporttest"
	"onmux/scan"
)

// zoned is a scan of 10.0.0.0/27 from zones: each finds ssh open on 10.0.0.1, the first also http on
// 10.0.0.2, which others find filtered; the last does not know the second half.
func zoned(zones ...string) Stream {
	s := Empty()
	s.Started.Command = "scan"
	first := netip.MustParseAddr("10.0.0.0")
	for i, zone := range zones {
		open := func(a netip.Addr, port uint16, name string) probe.Result {
			r := probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: port, Proto: probe.TCP}, State: probe.Open,
				Reason: probe.SynAck, RTT: probe.Millis(1e6 * (i + 1))}
			r.Service, r.Zone = &probe.Service{Name: name}, zone
			return r
		}
		span := func(from, to string, state probe.State) scan.Range {
			r := scan.Range{First: netip.MustParseAddr(from), Last: netip.MustParseAddr(to), Port: 22, Proto: probe.TCP,
				State: state, Reason: probe.Reset, Zone: zone}
			r.Count = uint64(r.Last.As4()[3]-r.First.As4()[3]) + 1
			return r
		}
		http := open(first.Next().Next(), 80, "http")
		rest := span("10.0.0.16", "10.0.0.31", probe.Closed)
		if i > 0 {
			http.State, http.Service, http.RTT = probe.Filtered, nil, 0
		}
		if i > 0 && i == len(zones)-1 {
			rest.State, rest.Error = probe.Unknown, "no control answered"
		}
		s.Findings = append(s.Findings, open(first.Next(), 22, "ssh"), http, rest,
			span("10.0.0.2", "10.0.0.15", probe.Closed))
		s.Ended.Summary.Zones = append(s.Ended.Summary.Zones, scan.Summary{Zone: zone})
	}
	s.Ended.Complete = true
	s.Ended.Summary.States = map[string]uint64{"open": uint64(len(zones)) + 1}
	return s
}

// TestZones: the page has, without scripts, how many endpoints each zone found open, and where they differ.
func TestZones(t *testing.T) {
	t.Parallel()
	page := string(zoned("eu-1", "<b>", "us-2").Write(t, "html"))
	for _, want := range []string{
		`<tr><th scope="row">22/tcp ssh</th><td data-name="&lt;b&gt;">1</td><td data-name="eu-1">1</td>`,
		`<th scope="row">80/tcp http</th><td data-name="&lt;b&gt;" class="fewer">0</td><td data-name="eu-1">1</td>`,
		`<th scope="row">10.0.0.2 80/tcp</th><td data-name="&lt;b&gt;" class="view is-filtered">filtered</td>`,
		`<th scope="row">10.0.0.16-10.0.0.31 22/tcp</th>`, `title="no control answered">unknown</td>`,
		`15 endpoints are the same from every zone`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if one := string(zoned("eu-1").Write(t, "html")); strings.Contains(one, "Not the same") ||
		!strings.Contains(one, `<th scope="row">80/tcp http</th><td data-name="eu-1">1</td>`) {
		t.Error("one zone differs from itself, or has no services")
	}
	if strings.Contains(string(Sample().Write(t, "html")), `id="zones"`) {
		t.Error("a report without zones has a table of them")
	}
}

// drawsZones: a few zones have a map each, of many one is chosen; and the table has a column.
func drawsZones(t *testing.T, b *browser) {
	b.show(t, zoned("eu-1", "us-2"))
	want(t, b, `[...document.querySelectorAll('.zone-maps section')].map(e => e.dataset.zone + ' ' +
		e.querySelectorAll('canvas.addresses').length + ' ' + e.querySelector('h3').textContent).join()`,
		"eu-1 1 eu-1,us-2 1 us-2")
	want(t, b, `[...document.querySelectorAll('#all thead th')].map(e => e.textContent).slice(0, 3).join()`,
		"where,zone,state")
	want(t, b, `[...document.querySelectorAll('#all tbody tr')].map(e => [...e.children].slice(0, 3).map(
		c => c.textContent).join(' ')).join()`,
		"10.0.0.1:22/tcp eu-1 open,10.0.0.1:22/tcp us-2 open,10.0.0.2:80/tcp eu-1 open,10.0.0.2:80/tcp us-2 filtered")
	want(t, b, `document.getElementById('services').hidden`, true)
	want(t, b, `new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size`,
		value[int](t, b, `document.querySelectorAll('[id]').length`))
	var many []string
	for i := range 8 {
		many = append(many, fmt.Sprintf("zone-%d", i))
	}
	b.show(t, zoned(many...))
	want(t, b, `document.querySelectorAll('canvas.addresses').length`, 1)
	want(t, b, `[...document.querySelectorAll('#zone option')].map(e => e.value).join()`, strings.Join(many, ","))
	const pixels = `document.querySelector('canvas.addresses').toDataURL()`
	before := value[string](t, b, pixels)
	want(t, b, `(() => { const z = document.getElementById('zone'); z.value = 'zone-7';
		z.dispatchEvent(new Event('change')); return z.value; })()`, "zone-7")
	if value[string](t, b, pixels) == before {
		t.Error("the map of another zone is the same")
	}
}
