package policy

import (
	"slices"
	"strconv"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report/record"
)

// observed collects the properties that a rule can expect of the sockets or endpoints it is
// about, to describe them in a snapshot.
type observed struct {
	addresses, processes, users, units []string // "" where one could not be seen
	backlog                            uint32   // the longest accept queue
	queues                             bool     // whether the length of one is known

	services, products, versions []string
	slowest                      time.Duration
	expires                      time.Time // the certificate that expires first
}

func (o *observed) listener(l local.Listener) {
	if l.State != local.Listening || record.Elsewhere(l) {
		return
	}
	address := l.Address.String()
	if l.Reach == "any" || l.Reach == "loopback" {
		address = l.Reach
	}
	o.addresses = append(o.addresses, address)
	if l.Backlog != nil {
		o.queues, o.backlog = true, max(o.backlog, l.Backlog.Used)
	}
	if len(l.Owners) == 0 {
		o.processes, o.users, o.units = append(o.processes, ""), append(o.users, ""), append(o.units, l.Unit)
	}
	for _, owner := range l.Owners {
		o.processes, o.users = append(o.processes, owner.Name), append(o.users, owner.User)
		o.units = append(o.units, owner.Unit)
	}
}

func (o *observed) result(r probe.Result) {
	if r.State != probe.Open {
		return
	}
	o.slowest = max(o.slowest, time.Duration(r.RTT))
	var s probe.Service
	if r.Service != nil {
		s = *r.Service
	}
	o.services, o.products = append(o.services, s.Name), append(o.products, s.Product)
	o.versions = append(o.versions, s.Version)
	if t := s.TLS; t != nil && !t.Expires.IsZero() && (o.expires.IsZero() || t.Expires.Before(o.expires)) {
		o.expires = t.Expires
	}
}

// common is the value that all of them have, or "".
func common(all []string) string {
	all = slices.Compact(slices.Sorted(slices.Values(all)))
	if len(all) != 1 {
		return ""
	}
	return all[0]
}

// replace is the common value in place of the expected one; "" if nothing was expected.
func replace[T ~string](expected T, all []string) T {
	if expected == "" {
		return ""
	}
	return T(common(all))
}

// check replaces what c expects by what was observed.
func (o *observed) check(c *checkRule) {
	c.Address, c.Process = replace(c.Address, o.addresses), replace(c.Process, o.processes)
	c.User, c.Unit = replace(c.User, o.users), replace(c.Unit, o.units)
	switch {
	case c.MaxBacklog == nil:
	case !o.queues:
		c.MaxBacklog = nil
	case uint32(*c.MaxBacklog) < o.backlog:
		c.MaxBacklog = (*connections)(&o.backlog)
	}
}

// probe replaces what c expects by what was observed. A bound that holds stays; one that
// does not becomes what was observed, and of a round-trip time, which varies, twice that.
func (o *observed) probe(c *probeRule, now time.Time) {
	c.Service, c.Product = replace(c.Service, o.services), replace(c.Product, o.products)
	c.Version = replace(c.Version, o.versions)
	if c.Service == record.Unknown {
		c.Service = ""
	}
	left := max(0, days(o.expires.Sub(now)/(24*time.Hour)))
	c.CertificateDays = min(c.CertificateDays, left)
	if c.MaxRTT == "" {
		return
	}
	limit, err := time.ParseDuration(string(c.MaxRTT))
	switch {
	case o.slowest == 0:
		c.MaxRTT = ""
	case err != nil || o.slowest > limit:
		c.MaxRTT = textOrNumber(strconv.FormatInt(2*o.slowest.Milliseconds()+1, 10) + "ms")
	}
}
