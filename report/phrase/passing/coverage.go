package passing

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"onmux/probe/wording"
	"onmux/scan/wire"
)

// Coverage is what of the packets was and was not looked at.
func Coverage(o wire.Outcome) []string {
	out := []string{fmt.Sprintf("%s passed, %s of them to or from the ports", wording.Count(o.Packets, "packet",
		"packets"),
		wording.Number(o.Matched))}
	if o.Began > 0 {
		out[0] += fmt.Sprintf(", from %s to %s", moment(o.Began), moment(o.Ended))
	}
	for _, l := range slices.Sorted(maps.Keys(o.Links)) {
		out = append(out, fmt.Sprintf("not read: %s of link type %s", wording.Count(o.Links[l], "packet", "packets"), l))
	}
	for _, n := range []struct {
		count     uint64
		one, many string
		what      string
	}{
		{o.Lost, "packet", "packets", "lost before they could be looked at: the buffer of the capture was full"},
		{o.Malformed, "packet", "packets", "not read: cut short, or not valid"},
		{o.Fragments, "datagram", "datagrams", "not read: a fragment is missing or not valid"},
		{o.Overlaps, "datagram", "datagrams", "with fragments that overlap"},
		{o.Disagree, "flow", "flows", "with segments that disagree about the same bytes: the first were taken"},
		{o.Copies, "packet", "packets", "seen once more on another interface, and not counted"},
		{o.Tunneled, "packet", "packets", "looked at inside a tunnel"},
		{o.Shared, "datagram", "datagrams", "to multicast or broadcast addresses, which are no endpoints"},
		{o.Stray, "answer", "answers", "to questions that are not in the capture"},
		{o.Folded, "flow", "flows", "folded by client, or by a range of clients, for lack of room"},
		{o.Forgotten, "flow", "flows", "counted in the state of the endpoint alone, for lack of room"},
		{o.NotKept, "packet", "packets", "to more endpoints than are kept"},
	} {
		if n.count > 0 {
			out = append(out, wording.Count(n.count, n.one, n.many)+" "+n.what)
		}
	}
	return out
}

// moment is a time of packets as documents have it.
func moment(nanos int64) string { return time.Unix(0, nanos).UTC().Format(time.RFC3339) }
