package expect

import (
	"fmt"
	"net/netip"
	"strings"

	"onmux/report/phrase/passing"
	"onmux/report/record"
	"onmux/scan/wire"
)

// clientsField is the name of the expectation of who may have flows.
const clientsField = "clients"

// clients are the addresses that clients may have, and those that they may not.
type clients struct {
	allowed, excluded []netip.Prefix
	judged            map[string]bool // pairs of a client and an endpoint that were judged
}

// maxJudged bounds the pairs of which it is known that they were judged.
const maxJudged = 1 << 16

// parseClients reads "clients=10.0.0.0/24,2001:db8::/64,!10.0.0.9"; ok is false where the text
// is of something else.
func parseClients(text, command string) (e Expectation, ok bool, err error) {
	name, values, found := strings.Cut(strings.ReplaceAll(text, " ", ""), "=")
	if !found || !strings.EqualFold(name, clientsField) || command != "watch" {
		return e, false, nil
	}
	c := &clients{judged: make(map[string]bool)}
	for v := range strings.SplitSeq(values, ",") {
		v, not := strings.CutPrefix(v, "!")
		p, err := netip.ParsePrefix(v)
		if a, bad := netip.ParseAddr(v); err != nil && bad == nil {
			p, err = a.Prefix(a.BitLen())
		}
		if err != nil {
			return e, true, fmt.Errorf("%q is no network: write clients=10.0.0.0/24,!10.0.0.9", v)
		}
		if not {
			c.excluded = append(c.excluded, p.Masked())
		} else {
			c.allowed = append(c.allowed, p.Masked())
		}
	}
	return Expectation{text: text, clients: c}, true, nil
}

// allows reports whether every address from first to last may be a client's. An excluded
// network counts first.
func (c *clients) allows(first, last netip.Addr) bool {
	for _, p := range c.excluded {
		if p.Contains(first) || p.Contains(last) || first.Less(p.Addr()) && p.Addr().Less(last) {
			return false
		}
	}
	if len(c.allowed) == 0 {
		return true
	}
	for _, p := range c.allowed {
		if p.Contains(first) && p.Contains(last) {
			return true
		}
	}
	return false
}

// Flow is judged by its client, of each client and endpoint once.
func (g *judging) Flow(f wire.Flow) error {
	first, last := f.Client.WithZone(""), f.Client.WithZone("")
	if f.LastClient.IsValid() {
		last = f.LastClient.WithZone("")
	}
	for _, e := range g.judge.expect {
		if e.clients == nil || e.clients.allows(first, last) {
			continue
		}
		who := f
		who.ClientPort = 0
		pair := passing.Client(who) + " " + f.Endpoint.String()
		if e.clients.judged[pair] || len(e.clients.judged) == maxJudged {
			continue
		}
		e.clients.judged[pair] = true
		g.found = append(g.found, record.Violation{What: "a client of " + f.Endpoint.String(), Expected: e.text,
			Actual: passing.Client(who), Address: f.Addr.String(), Port: f.Port, Proto: f.Proto.String()})
	}
	return nil
}
