package phrase

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report/record"
)

// FewAlike is how many violations that are alike are written one by one.
const FewAlike = 3

// MaxViolations bounds those that are kept until the end to find out which are alike.
const MaxViolations = 100_000

// Alike groups violations of which the same was expected and found, in the order of the first
// of each. Those that are not about one endpoint or port, such as counts, stay alone.
func Alike(all []record.Violation) [][]record.Violation {
	type kind struct{ rule, expected, actual, zone string }
	var groups [][]record.Violation
	at := make(map[kind]int)
	for _, v := range all {
		k := kind{v.Rule, v.Expected, v.Actual, v.Zone}
		if i, known := at[k]; known && v.Port != 0 {
			groups[i] = append(groups[i], v)
			continue
		}
		if v.Port != 0 {
			at[k] = len(groups)
		}
		groups = append(groups, []record.Violation{v})
	}
	return groups
}

// Places names what violations are about: "10.0.0.1-10.0.0.9, 10.0.0.12 port 80/tcp (10)". Of
// many it names the first.
func Places(all []record.Violation) string {
	var parts []string
	addresses := make(map[askedPort][]netip.Addr)
	var ports []askedPort
	for _, v := range all {
		e, about, ok := endpointOf(v)
		if !ok {
			parts = append(parts, Visible(v.What))
			continue
		}
		p := askedPort{probe.Port{Number: e.Port, Proto: e.Proto}, v.Zone, about}
		if addresses[p] == nil {
			ports = append(ports, p)
		}
		addresses[p] = append(addresses[p], e.Addr)
	}
	for _, p := range ports {
		parts = append(parts, runs(addresses[p], p)...)
	}
	if more := len(parts) - MaxListed; more > 0 {
		return strings.Join(parts[:MaxListed], ", ") + " and " + wording.Count(more, "more", "more")
	}
	return strings.Join(parts, ", ")
}

// askedPort is a port as one zone asked it.
type askedPort struct {
	probe.Port
	zone  string
	about string // "a client of ", or "" if it is the endpoint itself
}

// endpointOf is the endpoint that a violation is about, and what of it, if it is about nothing
// more, such as its service.
func endpointOf(v record.Violation) (e probe.Endpoint, about string, ok bool) {
	var err error
	if e.Addr, err = netip.ParseAddr(v.Address); err != nil || e.Proto.UnmarshalText([]byte(v.Proto)) != nil {
		return e, "", false
	}
	e.Port = v.Port
	about, ok = strings.CutSuffix(v.What, e.String()+record.From(v.Zone))
	return e, about, ok && (about == "" || strings.HasSuffix(about, " "))
}

// runs are the ranges of addresses on one port, of which the last has the port and the number
// of all.
func runs(all []netip.Addr, port askedPort) []string {
	slices.SortFunc(all, netip.Addr.Compare)
	all = slices.Compact(all)
	if len(all) == 1 {
		one := probe.Endpoint{Addr: all[0], Port: port.Number, Proto: port.Proto}
		return []string{Visible(port.about + one.String() + record.From(port.zone))}
	}
	var parts []string
	for i := 0; i < len(all); {
		j := i
		for j+1 < len(all) && all[j].Next() == all[j+1] {
			j++
		}
		parts = append(parts, Addresses(all[i], all[j]))
		i = j + 1
	}
	about := " port " + port.String() + " (" + wording.Number(len(all)) + ")" +
		Visible(record.From(port.zone))
	if more := len(parts) - MaxListed; more > 0 {
		return []string{Visible(port.about) + strings.Join(parts[:MaxListed], ", ") + " and " +
			wording.Count(more, "more range", "more ranges") + about}
	}
	return []string{Visible(port.about) + strings.Join(parts, ", ") + about}
}

// ByAddress sorts violations by address and port; those that have no address come last, in
// their order.
func ByAddress(all []record.Violation) {
	slices.SortStableFunc(all, func(a, b record.Violation) int {
		x, _ := netip.ParseAddr(a.Address)
		y, _ := netip.ParseAddr(b.Address)
		switch {
		case x.IsValid() != y.IsValid():
			return map[bool]int{true: -1, false: 1}[x.IsValid()]
		case !x.IsValid():
			return 0
		}
		return cmp.Or(x.Compare(y), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
	})
}
