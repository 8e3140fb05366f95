package target

import (
	"math"
	"net/netip"

	"onmux/probe"
	"onmux/scan/varint"
)

// Bounds of what Decode takes.
const (
	maxLines = 1 << 16 // families and zones of a plan
	maxNames = 1 << 24 // hosts, addresses of one, exclusions: as many as targets
	maxPorts = 2 * 65535
)

// Encode writes the plan: its products of addresses and ports; the ports of targets that
// have none of their own, names with what they resolved to, own networks, and what was
// left out.
func (p *Plan) Encode(w varint.Writer) {
	if len(p.list) == 0 {
		w.Uint(1)
		p.product.encode(w)
	} else {
		w.Uint(uint64(len(p.list)))
	}
	for i := range p.list {
		p.list[i].encode(w)
	}
	p.usual.encode(w)
	w.Uint(uint64(len(p.names)))
	for _, n := range p.names {
		w.Text(n.host)
		w.Flag(n.cut)
		w.Text(n.why)
		w.Text(n.family)
		w.Uint(uint64(len(n.addrs)))
		for _, a := range n.addrs {
			w.Addr(a)
		}
		w.Uint(uint64(len(n.on)))
		for _, on := range n.on {
			w.Flag(on.own)
			if on.own {
				on.encode(w)
			}
		}
	}
	w.Uint(uint64(len(p.own)))
	for _, o := range p.own {
		w.Addr(o.Addr())
		w.Uint(uint64(o.Bits()))
	}
	w.Uint(uint64(len(p.left)))
	for _, l := range p.left {
		_ = w.JSON(l) // its fields can be written
	}
}

// encode writes for each family and zone the runs of addresses, each as its distance from
// the one before and its size; then the ports.
func (p *product) encode(w varint.Writer) {
	w.Uint(uint64(len(p.lines)))
	for _, l := range p.lines {
		w.Flag(l.v6)
		w.Text(l.zone)
		w.Uint(uint64(l.to - l.from))
		var end u128 // runs only grow
		for i := l.from; i < l.to; i++ {
			gap, size := p.first(i).sub(end), p.start(i+1)-p.start(i)
			w.Uint(gap.hi)
			w.Uint(gap.lo)
			w.Uint(size)
			end = p.first(i).add(u128{0, size - 1})
		}
	}
	p.portSpace.encode(w)
}

func (p *portSpace) encode(w varint.Writer) {
	w.Uint(uint64(len(p.ports)))
	for _, port := range p.ports {
		w.Uint(uint64(port.Number))
		w.Uint(uint64(port.Proto))
	}
}

// Decode reads a plan that Encode wrote, of at most so many endpoints. It is nil
// if the reader then has an error.
func Decode(r *varint.Reader, most uint64) *Plan {
	parts := decodeParts(r, most)
	usual := decodePorts(r)
	var all nameList
	for n := r.Uint(maxNames); n > 0 && r.Err() == nil; n-- {
		all = append(all, decodeName(r, &usual))
	}
	var nets []netip.Prefix
	for n := r.Uint(maxNames); n > 0 && r.Err() == nil; n-- {
		own := netip.PrefixFrom(decodeAddr(r), int(r.Uint(128)))
		r.Check(own.IsValid())
		nets = append(nets, own)
	}
	var left []LeftOut
	for n := r.Uint(maxNames); n > 0 && r.Err() == nil; n-- {
		var l LeftOut
		r.JSON(&l)
		left = append(left, l)
	}
	if r.Err() != nil {
		return nil
	}
	return newPlan(parts, usual, all, nets, left)
}

// decodeParts reads products, of which no two may have an address in common.
func decodeParts(r *varint.Reader, most uint64) (parts []part) {
	var endpoints, addrs u128
	var all []spans
	for n := r.Uint(most); n > 0 && r.Err() == nil; n-- {
		spans := decodeSpans(r, most)
		r.Check(spans.len() > 0)
		ports := decodePorts(r)
		size := count(spans.each)
		addrs, endpoints = addrs.add(size), endpoints.add(size.mul(uint64(len(ports.ports))))
		r.Check(endpoints.cmp(u128{0, most}) <= 0)
		spans = merge(spans)
		parts, all = append(parts, part{spans, ports}), append(all, spans)
	}
	r.Check(len(parts) > 0)
	if len(parts) > 1 && r.Err() == nil {
		r.Check(count(unionOf(all).each) == addrs)
	}
	return parts
}

// decodePorts reads ports, which must be valid and each of which must stand once.
func decodePorts(r *varint.Reader) portSpace {
	var ports []probe.Port
	for n := r.Uint(maxPorts); n > 0 && r.Err() == nil; n-- {
		port := probe.Port{Number: uint16(r.Uint(65535)), Proto: probe.Proto(r.Uint(uint64(probe.UDP)))}
		ports = append(ports, port)
	}
	if r.Err() != nil {
		return portSpace{}
	}
	space, err := newPortSpace(ports)
	r.Fail(err)
	r.Check(len(space.ports) == len(ports))
	return space
}

func decodeAddr(r *varint.Reader) netip.Addr {
	a := r.Addr()
	r.Check(a.Zone() == "" || zoneOK(a.Zone()))
	return a
}

func decodeName(r *varint.Reader, usual *portSpace) *named {
	n := &named{host: r.Line(), cut: r.Flag(), why: r.Line(), family: r.Line()}
	if r.Err() == nil {
		r.Fail(checkName(n.host))
	}
	for k := r.Uint(maxNames); k > 0 && r.Err() == nil; k-- {
		n.addrs = append(n.addrs, decodeAddr(r))
	}
	for k := r.Uint(maxNames); k > 0 && r.Err() == nil; k-- {
		on := usual
		if r.Flag() {
			own := decodePorts(r)
			on = &own
			on.own = true
		}
		n.on = append(n.on, on)
	}
	return n
}

// decodeSpans reads runs of addresses, which must be in order and must not
// overlap, but may touch.
func decodeSpans(r *varint.Reader, most uint64) (all spans) {
	var before scope
	total := u128{}
	for n, first := r.Uint(maxLines), true; n > 0 && r.Err() == nil; n, first = n-1, false {
		on := scope{r.Flag(), r.Line()}
		top := u128{0, 1<<32 - 1}
		if on.v6 {
			top = maxU128
		}
		r.Check((first || before.cmp(on) < 0) && (on.zone == "" || on.v6 && zoneOK(on.zone)))
		before = on
		end := u128{}
		for k, lowest := r.Uint(most), true; k > 0 && r.Err() == nil; k, lowest = k-1, false {
			gap := u128{r.Uint(math.MaxUint64), r.Uint(math.MaxUint64)}
			size := u128{0, r.Uint(most)}
			r.Check(size != u128{})
			from := end.add(gap)
			to := from.add(size.dec())
			r.Check((lowest || from.cmp(end) > 0) && to.cmp(top) <= 0 && to.sub(from) == size.dec())
			total = total.add(size)
			r.Check(total.cmp(u128{0, most}) <= 0)
			all.add(span{on, from, to})
			end = to
		}
	}
	return all
}
