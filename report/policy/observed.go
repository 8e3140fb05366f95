package policy

import (
	"strconv"
	"time"

	"onmux/probe"
	"onmux/probe/local"
)

// observed is what was found of what the rules of a policy may name, to write them anew: all
// that any of the sockets or endpoints of a rule say.
type observed struct {
	addresses, processes, users, units []string // "" where one could not be seen
	backlog                            uint32
	queues                             bool // whether an accept queue was told

	services, products, versions []string
	slowest                      time.Duration
	expires                      time.Time // the first certificate to
}

func (o *observed) listener(l local.Listener) {
	if l.State != local.Listening || l.NetNS != "host" && l.NetNS != "" {
		return
	}
	o.addresses = append(o.addresses, place(l))
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
	said := r.Service
	if said == nil {
		said = &probe.Service{}
	}
	o.services, o.products, o.versions = append(o.services, said.Name), append(o.products, said.Product), append(o.versions, said.Version)
	if t := said.TLS; t != nil && !t.Expires.IsZero() && (o.expires.IsZero() || t.Expires.Before(o.expires)) {
		o.expires = t.Expires
	}
}

// now is what a rule asked for, as it is now: nothing, if it did not ask or nobody can tell.
func now[T ~string](asked T, all []string) T {
	if asked == "" {
		return ""
	}
	return T(common(all))
}

// check writes what c asks of who holds its ports anew.
func (o *observed) check(c *checkRule) {
	c.Address, c.Process, c.User, c.Unit = now(c.Address, o.addresses), now(c.Process, o.processes), now(c.User, o.users), now(c.Unit, o.units)
	switch {
	case c.MaxBacklog == nil:
	case !o.queues:
		c.MaxBacklog = nil
	case uint32(*c.MaxBacklog) < o.backlog:
		c.MaxBacklog = (*connections)(&o.backlog)
	}
}

// probe writes what c asks of who speaks anew. A bound that holds stays; one that does
// not becomes what was found, and of a round-trip time, which differs, twice that.
func (o *observed) probe(c *probeRule, at time.Time) {
	c.Service, c.Product, c.Version = now(c.Service, o.services), now(c.Product, o.products), now(c.Version, o.versions)
	if c.Service == "unknown" {
		c.Service = ""
	}
	if o.expires.IsZero() {
		c.CertificateDays = 0
	}
	c.CertificateDays = max(0, min(c.CertificateDays, days(o.expires.Sub(at)/(24*time.Hour))))
	if c.MaxRTT == "" {
		return
	}
	most, err := time.ParseDuration(string(c.MaxRTT))
	switch {
	case o.slowest == 0:
		c.MaxRTT = ""
	case err != nil || o.slowest > most:
		c.MaxRTT = text(strconv.FormatInt(2*o.slowest.Milliseconds()+1, 10) + "ms")
	}
}
