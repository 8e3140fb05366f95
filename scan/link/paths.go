package link

import "net/netip"

// Paths numbers the ways out of this machine that a Table has: each is a device and a next
// hop. It is read-only.
type Paths struct {
	All   []*Route // one that leaves by each
	table *Table
	by    []int // by Route.ID
}

// Paths numbers the ways out.
func (t *Table) Paths() *Paths {
	p := &Paths{table: t}
	type key struct {
		device  *Device
		gateway netip.Addr
	}
	known := make(map[key]int)
	for _, r := range t.routes {
		k := key{r.Device, r.Gateway}
		if _, ok := known[k]; !ok {
			known[k] = len(p.All)
			p.All = append(p.All, r)
		}
		p.by = append(p.by, known[k])
	}
	return p
}

// Of is the way to an address of the runs for Ports[port].
func (p *Paths) Of(a netip.Addr, port int) int { return p.by[p.table.Find(a, port).ID] }

// Asks reports whether the next hop is a station that ARP or NDP can ask.
func (r *Route) Asks() bool { return r.Err == nil && r.Frames && r.Gateway.IsValid() }
