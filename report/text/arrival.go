package text

import (
	"net/netip"
	"time"

	"onmux/probe"
	"onmux/probe/listen"
	"onmux/report/phrase"
	"onmux/report/phrase/arrival"
	"onmux/report/record"
)

// arrival writes who came.
func (t *writer) arrival(a listen.Arrival) {
	port := probe.Port{Number: a.Port, Proto: a.Proto}.String()
	client := netip.AddrPortFrom(a.Client, a.ClientPort).String()
	if t.Verbosity == record.Quiet {
		t.line(0, 0, span{port + " " + phrase.Visible(client), plain})
		return
	}
	tone := plain
	if a.Proven {
		tone = yes
	}
	line := []span{{a.Time.Local().Format(time.TimeOnly) + " ", faint}, {port + "  ", plain}, {phrase.Visible(client),
		strong}}
	for _, part := range arrival.Line(a) {
		line = append(line, span{"  " + part, tone})
	}
	t.line(0, 2, line...)
	if t.Verbosity == record.Verbose {
		for _, s := range arrival.Details(a) {
			t.line(4, 6, span{s, faint})
		}
	}
}
