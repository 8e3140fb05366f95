package nat

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// match is which packets an expression lets through.
type match struct {
	never     bool
	ports     portSet   // nil: any
	addrs     uint64    // bits of flow.own
	condition Condition // what else it depends on
}

// any lets all packets through.
func (f flow) any() match { return match{addrs: f.all} }

// depends lets packets through under a condition.
func (f flow) depends(c Condition) match { return match{addrs: f.all, condition: c} }

// ofPorts lets packets for some ports through.
func (f flow) ofPorts(ports portSet) match {
	return match{addrs: f.all, ports: ports, never: len(ports) == 0}
}

// both is what two matches let through.
func (m match) both(n match) match {
	m.never = m.never || n.never
	m.addrs &= n.addrs
	switch {
	case m.ports == nil:
		m.ports = n.ports
	case n.ports != nil:
		m.ports = m.ports.intersect(n.ports)
		m.never = m.never || len(m.ports) == 0
	}
	if m.condition == (Condition{}) {
		m.condition = n.condition
	}
	return m
}

// not is what a match does not let through. Of an address and a port at once that
// is not known.
func (f flow) not(m match) match {
	allAddrs := m.addrs == f.all
	switch {
	case m.never:
		return f.any()
	case m.condition != (Condition{}):
		return f.depends(m.condition)
	case m.ports != nil && allAddrs:
		return f.ofPorts(m.ports.complement())
	case m.ports == nil && !allAddrs:
		return match{addrs: f.all &^ m.addrs}
	case m.ports == nil:
		return match{never: true}
	}
	return f.depends(Condition{Kind: AddressAndPort})
}

// between matches registers from a place on that are between two values of one
// length, both included. Values of several parts, such as an address and a port, are
// compared part by part, as sets of them are; whole means that they are compared as
// one number.
func (f flow) between(r *registers, at int, low, high []byte, whole bool) match {
	m := f.any()
	for i := 0; i < len(low); {
		n := r.run(at+i, len(low)-i)
		if whole && n < len(low) && !bytes.Equal(low, high) {
			return f.depends(Condition{Kind: OtherCondition})
		}
		m = m.both(f.part(r[at+i:at+i+n], low[i:i+n], high[i:i+n]))
		i += n
	}
	return m
}

// part matches bytes of one value.
func (f flow) part(part []registerByte, low, high []byte) match {
	buf := make([]byte, len(part))
	holds := func(of []byte) bool {
		for i, b := range part {
			buf[i] = b.flip
			if int(b.index) < len(of) {
				buf[i] = of[b.index]&b.mask ^ b.flip
			}
		}
		return bytes.Compare(low, buf) <= 0 && bytes.Compare(buf, high) <= 0
	}
	switch b := part[0]; {
	case b.from == fromConstant:
		return match{addrs: f.all, never: !holds(nil)}
	case b.from == fromDestPort && len(part) == 2 && b.plain() && part[1].plain():
		return f.ofPorts(newPortSet([]PortRange{{binary.BigEndian.Uint16(low), binary.BigEndian.Uint16(high)}}))
	case b.from == fromDestPort:
		return f.ofPorts(portsWhere(holds))
	case b.from == fromDestAddr:
		m := match{}
		for i, a := range f.own {
			if holds(a.AsSlice()) {
				m.addrs |= 1 << i
			}
		}
		return m
	case b.from == fromIIFName && isLoopback(low, high) && f.hook == unix.NF_INET_PRE_ROUTING:
		return match{never: true} // what arrives from outside does not come by it
	default:
		return f.depends(b.from.condition())
	}
}

// portsWhere is the ports whose two bytes hold.
func portsWhere(holds func([]byte) bool) portSet {
	ranges := portSet{}
	var b [2]byte
	for p := range 1 << 16 {
		binary.BigEndian.PutUint16(b[:], uint16(p))
		if !holds(b[:]) {
			continue
		}
		if n := len(ranges); n > 0 && int(ranges[n-1].Last)+1 == p {
			ranges[n-1].Last++
		} else {
			ranges = append(ranges, PortRange{uint16(p), uint16(p)})
		}
	}
	return ranges
}

// merge makes one match of those that differ only in their ports, or only in their
// addresses.
func merge(in []match) []match {
	type key struct {
		addrs     uint64
		condition Condition
	}
	var out []match
	var order []key
	ranges := make(map[key][]PortRange)
	anyPort := make(map[Condition]int) // index in out
	for _, m := range in {
		if m.ports == nil {
			if i, ok := anyPort[m.condition]; ok {
				out[i].addrs |= m.addrs
			} else {
				anyPort[m.condition] = len(out)
				out = append(out, m)
			}
			continue
		}
		k := key{m.addrs, m.condition}
		if ranges[k] == nil {
			order = append(order, k)
		}
		ranges[k] = append(ranges[k], m.ports...)
	}
	for _, k := range order {
		out = append(out, match{ports: newPortSet(ranges[k]), addrs: k.addrs, condition: k.condition})
	}
	return out
}
