package policy

import (
	"strconv"
	"time"

	"onmux/probe"
	"onmux/probe/local"
)

// sight is what was found of what the rules of a policy may name, to write them anew: all
// that any of the sockets or endpoints of a rule say.
type sight struct {
	addresses, processes, users, units []string // "" where one could not be seen
	backlog                            uint32
	queues                             bool // whether an accept queue was told

	services, products, versions []string
	slowest                      time.Duration
	expires                      time.Time // the first certificate to
}

func (s *sight) listener(l local.Listener) {
	if l.State != local.Listening || l.NetNS != "host" && l.NetNS != "" {
		return
	}
	s.addresses = append(s.addresses, place(l))
	if l.Backlog != nil {
		s.queues, s.backlog = true, max(s.backlog, l.Backlog.Used)
	}
	if len(l.Owners) == 0 {
		s.processes, s.users, s.units = append(s.processes, ""), append(s.users, ""), append(s.units, l.Unit)
	}
	for _, o := range l.Owners {
		s.processes, s.users, s.units = append(s.processes, o.Name), append(s.users, o.User), append(s.units, o.Unit)
	}
}

func (s *sight) result(r probe.Result) {
	if r.State != probe.Open {
		return
	}
	s.slowest = max(s.slowest, time.Duration(r.RTT))
	said := r.Service
	if said == nil {
		said = &probe.Service{}
	}
	s.services, s.products, s.versions = append(s.services, said.Name), append(s.products, said.Product), append(s.versions, said.Version)
	if t := said.TLS; t != nil && !t.Expires.IsZero() && (s.expires.IsZero() || t.Expires.Before(s.expires)) {
		s.expires = t.Expires
	}
}

// now is what a rule asked for, as it is now: nothing, if it did not ask or nobody can tell.
func now(asked scalar, all []string) scalar {
	if asked == "" {
		return ""
	}
	return common(all)
}

// check writes what c asks of who holds its ports anew.
func (s *sight) check(c *checkRule) {
	c.Address, c.Process, c.User, c.Unit = now(c.Address, s.addresses), now(c.Process, s.processes), now(c.User, s.users), now(c.Unit, s.units)
	switch {
	case c.MaxBacklog == nil:
	case !s.queues:
		c.MaxBacklog = nil
	case *c.MaxBacklog < s.backlog:
		c.MaxBacklog = &s.backlog
	}
}

// probe writes what c asks of who speaks anew. A bound that holds stays; one that does
// not becomes what was found, and of a round-trip time, which differs, twice that.
func (s *sight) probe(c *probeRule, at time.Time) {
	c.Service, c.Product, c.Version = now(c.Service, s.services), now(c.Product, s.products), now(c.Version, s.versions)
	if c.Service == "unknown" {
		c.Service = ""
	}
	if s.expires.IsZero() {
		c.CertificateDays = 0
	}
	c.CertificateDays = max(0, min(c.CertificateDays, int(s.expires.Sub(at)/(24*time.Hour))))
	if c.MaxRTT == "" {
		return
	}
	most, err := time.ParseDuration(string(c.MaxRTT))
	switch {
	case s.slowest == 0:
		c.MaxRTT = ""
	case err != nil || s.slowest > most:
		c.MaxRTT = scalar(strconv.FormatInt(2*s.slowest.Milliseconds()+1, 10) + "ms")
	}
}
