package compact

import "onmux/probe"

// Merged passes the endpoints on in the order of their addresses, each once: of several
// records of one, the first with the service of the others, if it has none.
func (s *Store) Merged(write func(probe.Result) error) error {
	var held probe.Result
	for n, i := range s.ByAddress() {
		item, err := s.At(i)
		if err != nil {
			return err
		}
		if n > 0 && item.Endpoint == held.Endpoint {
			merge(&held, item.Result)
			continue
		}
		if n > 0 {
			if err := write(held); err != nil {
				return err
			}
		}
		held = item.Result
	}
	if s.n == 0 {
		return nil
	}
	return write(held)
}

// merge adds to r what another record of the same endpoint knows.
func merge(r *probe.Result, o probe.Result) {
	if r.State != probe.Open && o.State == probe.Open || r.Reason == probe.NoReason {
		r.State, r.Reason = o.State, o.Reason
	}
	switch {
	case r.Service == nil:
		r.Service = o.Service
	case o.Service != nil && r.Service.Banner == "":
		both := *r.Service
		both.Banner = o.Service.Banner
		r.Service = &both
	}
	if r.TTL == 0 {
		r.TTL = o.TTL
	}
	if r.Host == "" {
		r.Host = o.Host
	}
}
