package report

import (
	"onmux/probe"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// openOnly passes on the records of open endpoints, of those of endpoints.
type openOnly struct{ record.Handler }

// OpenOnly is h without the endpoints that are not open. The coverage states it.
func OpenOnly(h record.Handler) record.Handler { return openOnly{h} }

// Endpoint passes on an endpoint that is open.
func (o openOnly) Endpoint(r probe.Result) error {
	if r.State != probe.Open {
		return nil
	}
	return o.Handler.Endpoint(r)
}

// Range passes on nothing: no range is open.
func (o openOnly) Range(scan.Range) error { return nil }

// End notes that not every endpoint is listed.
func (o openOnly) End(e record.End) error {
	e.Coverage = append(e.Coverage[:len(e.Coverage):len(e.Coverage)], phrase.OnlyOpen)
	return o.Handler.End(e)
}
