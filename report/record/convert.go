package record

import (
	"net/netip"

	"onmux/probe"
	"onmux/scan"
)

// Asked is an endpoint as one attempt found it; its Tries is the attempt's number.
func Asked(a probe.Attempt) probe.Result {
	return probe.Result{Endpoint: a.Endpoint, Origin: probe.Origin{Host: a.Host}, State: a.State, Reason: a.Reason,
		RTT:   a.RTT,
		Tries: a.Try, Responder: a.Responder, Error: a.Error}
}

// Single is the range of one endpoint.
func Single(r probe.Result) scan.Range {
	return scan.Range{First: r.Addr, Last: r.Addr, Count: 1, Port: r.Port, Proto: r.Proto, State: r.State,
		Reason: r.Reason, Tries: r.Tries, Responder: r.Responder, Doubts: r.Doubts, Notes: r.Notes, Error: r.Error,
		Zone: r.Zone}
}

// At is what a range states of one of its addresses.
func At(r scan.Range, a netip.Addr) probe.Result {
	return probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: r.Port, Proto: r.Proto}, State: r.State,
		Reason: r.Reason, Tries: r.Tries, Responder: r.Responder, Doubts: r.Doubts, Notes: r.Notes, Error: r.Error,
		Details: probe.Details{Zone: r.Zone}}
}
