package arrival

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/listen"
	"onmux/probe/wording"
	"onmux/report/phrase"
)

// maxShown bounds the data of a client in a line; -v shows more.
const maxShown = 60

// Line is how a client came and what it sent, the shortest first.
func Line(a listen.Arrival) []string {
	var parts []string
	way := phrase.Visible(a.Interface)
	switch n := a.Hops(); {
	case n >= 0:
		way = phrase.Join(way, routersBetween(uint64(n)))
	}
	if way != "" {
		parts = append(parts, way)
	}
	switch {
	case a.Proven:
		return append(parts, "proved the key")
	case a.TLS != nil && a.TLS.Error != "":
		parts = append(parts, "no TLS: "+phrase.Visible(a.TLS.Error))
	case a.TLS != nil && a.TLS.ServerName != "":
		parts = append(parts, phrase.Visible(a.TLS.Version+" for "+a.TLS.ServerName))
	case a.TLS != nil:
		parts = append(parts, phrase.Visible(a.TLS.Version))
	}
	if a.Bytes == 0 {
		return append(parts, "no data")
	}
	data := ` "` + phrase.Clip(phrase.Visible(a.Data), maxShown) + `"`
	return append(parts, phrase.Count(uint64(a.Bytes), "byte", "bytes")+data)
}

func routersBetween(n uint64) string {
	if n == 0 {
		return "no router between"
	}
	return phrase.Count(n, "router between", "routers between")
}

// Details are what is known beyond that.
func Details(a listen.Arrival) []string {
	var all []string
	if a.Address.IsValid() {
		all = append(all, "came to "+phrase.Visible(a.Address.String()))
	}
	if a.TTL > 0 {
		all = append(all, "TTL "+strconv.Itoa(int(a.TTL)))
	}
	if s := a.SYN; s != nil {
		text := fmt.Sprintf("SYN: window %s", wording.Number(uint64(s.Window)))
		if s.Scale != nil {
			text += fmt.Sprintf(", scale %d", *s.Scale)
		}
		if s.MSS > 0 {
			text += fmt.Sprintf(", MSS %s", wording.Number(uint64(s.MSS)))
		}
		if len(s.Options) > 0 {
			text += "; options " + phrase.Visible(strings.Join(s.Options, ", "))
		}
		all = append(all, text)
	}
	if len(a.Data) > maxShown {
		all = append(all, `data: "`+phrase.Visible(a.Data)+`"`)
	}
	return all
}

// Sum sums up a run of a listener.
func Sum(c listen.Counts, took time.Duration) string {
	text := fmt.Sprintf("%s and %s in %s", phrase.Count(c.TCP, "connection", "connections"), phrase.Count(c.UDP,
		"datagram",
		"datagrams"),
		phrase.Duration(took))
	for _, more := range []struct {
		n    uint64
		what string
	}{
		{c.Proven, "proved the key"}, {c.Refused, "closed: too many at once"},
		{c.Unreported, "not reported: too many at once"}, {c.Unanswered, "not answered: too many a second"},
	} {
		if more.n > 0 {
			text += fmt.Sprintf("; %s %s", wording.Number(more.n), more.what)
		}
	}
	return text
}

// Coverage is where a listener was reached, and where it could not be.
func Coverage(at []probe.Endpoint, missing []string) []string {
	out := []string{"listened on " + Endpoints(at)}
	for _, family := range missing {
		out = append(out, "not listened on "+family+": this machine does not have it")
	}
	return out
}

// Endpoints lists endpoints.
func Endpoints(all []probe.Endpoint) string {
	var names []string
	for _, e := range all {
		names = append(names, e.String())
	}
	return strings.Join(names, ", ")
}
