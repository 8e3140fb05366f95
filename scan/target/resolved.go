package target

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"

	"onmux/probe"
)

// resolved are the names among targets and exclusions, with what they resolved to.
type resolved struct {
	names nameList
	hosts map[netip.Addr]nameList // of the addresses that are asked
}

func newResolved(names nameList, asked *addrSpace) resolved {
	r := resolved{names, make(map[netip.Addr]nameList)}
	for _, n := range names {
		for _, a := range n.addrs {
			if _, ours := asked.find(a); ours && !n.cut {
				r.hosts[a] = append(r.hosts[a], n)
			}
		}
	}
	return r
}

// resolvedNames are the names of both lists, and what they resolved to.
func resolvedNames(wanted, cut *list) nameList {
	excluded := cut.names()
	for _, n := range excluded {
		n.cut, n.on = true, nil
	}
	return slices.Concat(wanted.names(), excluded)
}

// Unresolved are the targets that are names without an address.
func (r *resolved) Unresolved() (all []*ResolveError) {
	for _, n := range r.names {
		if n.why != "" {
			all = append(all, &ResolveError{Host: n.host, Err: errors.New(n.why), Ports: n.ports(), Family: n.family})
		}
	}
	return all
}

// Host is the first name among the targets that leads to a, or "".
func (r *resolved) Host(a netip.Addr) string {
	if names := r.hosts[a.Unmap()]; len(names) > 0 {
		return names[0].host
	}
	return ""
}

// HasNames reports whether there are names among the targets and exclusions.
func (r *resolved) HasNames() bool { return len(r.names) > 0 }

// Hosts are the names among the targets that lead to an endpoint, in the order in which
// they were given.
func (r *resolved) Hosts(e probe.Endpoint) (hosts []string) {
	for _, n := range r.hosts[e.Addr.Unmap()] {
		if n.isAsked(probe.Port{Number: e.Port, Proto: e.Proto}) {
			hosts = append(hosts, n.host)
		}
	}
	return hosts
}

func (all nameList) resolve(_ context.Context, host string) ([]netip.Addr, error) {
	i := slices.IndexFunc(all, func(n *named) bool { return n.host == host })
	if i < 0 {
		return nil, &net.DNSError{Err: "the checkpoint does not know it", Name: host, IsNotFound: true}
	}
	return all[i].addrs, nil
}
