package passing

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/traffic"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan/wire"
)

// Totals is what passed to and from an endpoint, in a few words.
func Totals(t *traffic.Totals) []string {
	if t == nil {
		return nil
	}
	parts := []string{phrase.Count(t.Clients, "client", "clients"), connections(t.Connections)}
	var kinds []string
	for _, k := range []struct {
		n    uint64
		what string
	}{{t.Answered, "answered"}, {t.Refused, "refused"}, {t.Silent, "silent"}} {
		if k.n > 0 && k.n < t.Connections {
			kinds = append(kinds, wording.Number(k.n)+" "+k.what)
		}
	}
	if kinds != nil {
		parts[1] += " (" + strings.Join(kinds, ", ") + ")"
	}
	return append(parts, volumes(t.Sent, t.Received)...)
}

func connections(n uint64) string { return phrase.Count(n, "flow", "flows") }

// volumes is how much the client sent and received, and how much of it again.
func volumes(sent, received traffic.Volume) []string {
	var parts []string
	if sent.Bytes+received.Bytes > 0 {
		parts = append(parts, fmt.Sprintf("%s sent, %s received", Bytes(sent.Bytes), Bytes(received.Bytes)))
	}
	if n := sent.Repeated + received.Repeated; n > 0 {
		parts = append(parts, phrase.Count(n, "retransmission", "retransmissions"))
	}
	return parts
}

// Bytes is an amount of data: "417 bytes", "1.5 kB".
func Bytes(n uint64) string {
	if n < 1000 {
		return phrase.Count(n, "byte", "bytes")
	}
	size, unit := float64(n)/1000, 0
	for units := "kMGTPE"; size >= 1000 && unit < len(units)-1; unit++ {
		size /= 1000
	}
	return strconv.FormatFloat(size, 'f', 1, 64) + phrase.NoBreak + "kMGTPE"[unit:unit+1] + "B"
}

// Period is from when to when packets passed, in local time; the day is left out of the
// second time if it is that of the first.
func Period(first, last time.Time) string {
	if first.IsZero() {
		return ""
	}
	first, last = first.Local(), last.Local()
	from, format := first.Format(time.DateTime), time.DateTime
	if first.Format(time.DateOnly) == last.Format(time.DateOnly) {
		format = time.TimeOnly
	}
	if to := last.Format(format); !strings.HasSuffix(from, to) {
		return from + " to " + to
	}
	return from
}

// Client is who a flow is of: "10.0.0.5:40000", "10.0.0.5", or a range of addresses.
func Client(f wire.Flow) string {
	switch {
	case f.LastClient.IsValid():
		return phrase.Addresses(f.Client, f.LastClient)
	case f.ClientPort > 0:
		return phrase.Visible(netip.AddrPortFrom(f.Client, f.ClientPort).String())
	}
	return phrase.Visible(f.Client.String())
}

// Flow is what is known of a flow beyond its places and its state.
func Flow(f wire.Flow) []string {
	var parts []string
	if f.Connections > 1 {
		parts = append(parts, connections(f.Connections))
	}
	if f.State != probe.Open && f.Tries > 1 {
		parts = append(parts, phrase.Count(uint64(f.Tries), "try", "tries"))
	}
	if f.RTT > 0 {
		parts = append(parts, phrase.Duration(time.Duration(f.RTT)))
	}
	if f.State == probe.Open && f.Event == "" {
		parts = append(parts, volumes(f.Sent, f.Received)...)
	}
	switch f.End {
	case wire.Closed:
		parts = append(parts, "closed")
	case wire.ResetByClient:
		parts = append(parts, "reset by the client")
	case wire.ResetByEnd:
		parts = append(parts, "reset")
	}
	return append(parts, greeting(f.Greeting)...)
}

// greeting is what a client sent first.
func greeting(g *traffic.Greeting) []string {
	switch {
	case g == nil:
		return nil
	case g.ServerName != "":
		return []string{strings.ToUpper(g.Protocol) + " for " + phrase.Visible(g.ServerName)}
	case g.JA4 != "":
		return []string{strings.ToUpper(g.Protocol)}
	}
	return []string{phrase.Visible(g.Protocol)}
}

// Sentence is a flow in one line: from whom, to where, and what came of it.
func Sentence(f wire.Flow) string {
	return Client(f) + " to " + f.Endpoint.String() + ": " +
		strings.Join(append([]string{f.State.String() + phrase.Because(f.Reason, 0)}, Flow(f)...), ", ")
}

// Bounds of what is written about the clients of an endpoint.
const (
	listedClients = 10
	keptClients   = 10000
)

// Clients adds up the flows of an endpoint by client. The zero value is empty.
type Clients struct {
	of   map[string]*client
	more uint64 // flows of clients that are not kept
}

// client is one with all its flows to an endpoint.
type client struct {
	name           string
	flows          uint64
	sent, received traffic.Volume
	states         map[probe.State]uint64
	greeting       *traffic.Greeting
	rtt            probe.Millis
}

// Take returns the line of a flow that is written at once, as each is if all are, and how far
// it is indented; the others are added up, unless only verdicts are written.
func (c *Clients) Take(f wire.Flow, v record.Verbosity) (indent int, line string) {
	switch {
	case v == record.Quiet:
		return 0, ""
	case f.Event != "":
		return 0, f.First.Local().Format(time.TimeOnly) + " " + Sentence(f)
	case v == record.Verbose:
		return 4, strings.TrimSpace(Period(f.First, f.Last) + "  " + Sentence(f))
	}
	c.add(f)
	return 0, ""
}

func (c *Clients) add(f wire.Flow) {
	n := max(f.Connections, 1)
	f.ClientPort = 0
	name := Client(f)
	one := c.of[name]
	if one == nil {
		if len(c.of) == keptClients {
			c.more += n
			return
		}
		if c.of == nil {
			c.of = make(map[string]*client)
		}
		one = &client{name: name, states: make(map[probe.State]uint64)}
		c.of[name] = one
	}
	one.flows += n
	one.states[f.State] += n
	one.sent.Add(f.Sent)
	one.received.Add(f.Received)
	if f.Greeting != nil {
		one.greeting = f.Greeting
	}
	if f.RTT > 0 && (one.rtt == 0 || f.RTT < one.rtt) {
		one.rtt = f.RTT
	}
}

// Lines are the clients with the most flows, a line each, and how many more there are. It
// empties c.
func (c *Clients) Lines() []string {
	all := make([]*client, 0, len(c.of))
	for _, one := range c.of {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *client) int {
		return cmp.Or(cmp.Compare(b.flows, a.flows), cmp.Compare(a.name,
			b.name))
	})
	listed := all[:min(len(all), listedClients)]
	var name, flows int // columns
	for _, one := range listed {
		name, flows = max(name, phrase.Columns(one.name)), max(flows, phrase.Columns(connections(one.flows)))
	}
	var lines []string
	for _, one := range listed {
		lines = append(lines, one.line(name, flows))
	}
	if n := len(all) - len(lines); n > 0 || c.more > 0 {
		lines = append(lines, "and "+phrase.Count(uint64(n), "other client", "other clients")+" (-v lists every flow)")
	}
	*c = Clients{}
	return lines
}

// line is the client in columns that are so wide.
func (c *client) line(name, flows int) string {
	n := connections(c.flows)
	blanks := 2 + name - phrase.Columns(c.name) + flows - phrase.Columns(n)
	parts := []string{c.name + strings.Repeat(phrase.NoBreak, blanks) + n}
	for _, s := range probe.States() {
		if n := c.states[s]; n > 0 && n < c.flows {
			parts = append(parts, wording.Number(n)+" "+s.String())
		} else if n > 0 {
			parts = append(parts, s.String())
		}
	}
	if c.rtt > 0 {
		parts = append(parts, phrase.Duration(time.Duration(c.rtt)))
	}
	if c.states[probe.Open] > 0 {
		parts = append(parts, volumes(c.sent, c.received)...)
	}
	return strings.Join(append(parts, greeting(c.greeting)...), ", ")
}
