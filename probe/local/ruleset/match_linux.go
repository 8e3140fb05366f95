package ruleset

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"onmux/probe/local/nfexpr"
)

// any lets all packets through.
func (f *flow) any() match { return match{addrs: f.all, devices: f.anyDevice} }

// depends lets packets through under a condition.
func (f *flow) depends(c nfexpr.Condition) match {
	m := f.any()
	m.unsure = c
	return m
}

// ofPorts lets packets for some ports through.
func (f *flow) ofPorts(ports PortSet) match {
	m := f.any()
	m.ports, m.never = ports, len(ports) == 0
	return m
}

// never lets nothing through.
func (f *flow) never() match {
	m := f.any()
	m.never = true
	return m
}

// both is what two matches let through.
func (m match) both(n match) match {
	m.never = m.never || n.never
	m.addrs &= n.addrs
	m.devices &= n.devices
	m.assumed = m.assumed || n.assumed
	switch {
	case m.ports == nil:
		m.ports = n.ports
	case n.ports != nil:
		m.ports = m.ports.intersect(n.ports)
		m.never = m.never || len(m.ports) == 0
	}
	switch {
	case m.sources == nil:
		m.sources = n.sources
	case n.sources != nil:
		m.sources = m.sources.intersect(n.sources)
	}
	if m.condition == (nfexpr.Condition{}) {
		m.condition = n.condition
	}
	if m.unsure == (nfexpr.Condition{}) {
		m.unsure = n.unsure
	}
	return m
}

// none reports whether a match lets nothing through.
func (m match) none() bool {
	return m.never || m.addrs == 0 || m.devices == 0 || m.sources != nil && len(m.sources) == 0
}

// between matches registers from a place on that are between two values of one
// length, both included. Values of several parts, such as an address and a port, are
// compared part by part, as sets of them are; whole means that they are compared as
// one number.
func (f *flow) between(r *registers, at int, low, high []byte, whole bool) match {
	m := f.any()
	for i := 0; i < len(low); {
		n := r.run(at+i, len(low)-i)
		if whole && n < len(low) && !bytes.Equal(low, high) {
			return f.depends(nfexpr.Condition{Kind: nfexpr.OtherCondition})
		}
		m = m.both(f.part(r, at+i, low[i:i+n], high[i:i+n]))
		i += n
	}
	return m
}

// part matches bytes of one value.
func (f *flow) part(r *registers, at int, low, high []byte) match {
	part := r.bytes[at : at+len(low)]
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
	case b.from == nfexpr.FromConstant:
		if !holds(nil) {
			return f.never()
		}
		return f.any()
	case b.from == nfexpr.FromDestPort && len(part) == 2 && b.plain() && part[1].plain():
		return f.ofPorts(
			newPortSet([]nfexpr.PortRange{{First: binary.BigEndian.Uint16(low), Last: binary.BigEndian.Uint16(high)}}),
		)
	case b.from == nfexpr.FromDestPort:
		return f.ofPorts(portsWhere(holds))
	case b.from == nfexpr.FromDestAddr:
		f.nameDestination(part, low, high)
		m := f.any()
		m.addrs = 0
		for i, a := range f.own {
			if holds(a.AsSlice()) {
				m.addrs |= 1 << i
			}
		}
		return m
	case b.from == nfexpr.FromSourceAddr:
		return f.ofSources(part, low, high)
	case b.from == nfexpr.FromIIF, b.from == nfexpr.FromIIFName:
		return f.ofDevices(b.from, holds)
	case b.from == nfexpr.FromRouteBack:
		m := f.any()
		switch m.assumed = !f.inside; {
		case allZero(low) && allZero(high): // there is none
			m.never = true
			return m
		case len(low) == 1 && low[0] == 1 && high[0] == 1: // there is one
			return m
		}
		return f.depends(nfexpr.Condition{Kind: nfexpr.OtherCondition, Name: "fib"})
	default:
		c := b.from.Condition()
		if c.Kind == nfexpr.OtherCondition {
			c.Name = r.names[at/4]
		}
		return f.depends(c)
	}
}

// nameDestination notes an own address between two values of some bytes of the destination, if
// there is none yet.
func (f *flow) nameDestination(part []registerByte, low, high []byte) {
	if len(f.prefixes) == 0 || len(f.missing) > maxOwn/4 {
		return
	}
	size := 4
	if f.family == unix.NFPROTO_IPV6 {
		size = 16
	}
	first, last := make([]byte, size), bytes.Repeat([]byte{0xff}, size)
	for i, b := range part {
		if at := int(b.index); at < size {
			first[at], last[at] = low[i]^b.flip, high[i]^b.flip|^b.mask
		}
	}
	a, _ := netip.AddrFromSlice(first)
	z, _ := netip.AddrFromSlice(last)
	for _, p := range f.prefixes {
		part := sourceSet{prefixSpan(p)}.intersect(newSourceSet([]Span{{a, z}}))
		within := func(a netip.Addr) bool { return !a.Less(part[0].First) && !part[0].Last.Less(a) }
		if len(part) > 0 && !slices.ContainsFunc(f.own, within) && !slices.ContainsFunc(f.missing, within) {
			f.missing = append(f.missing, part[0].First)
		}
	}
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// ofDevices matches the device by which packets arrive.
func (f *flow) ofDevices(from nfexpr.Origin, holds func([]byte) bool) match {
	m := f.any()
	m.devices = 0
	m.condition = nfexpr.Condition{Kind: nfexpr.Interface}
	for i, d := range f.devices {
		b := make([]byte, unix.IFNAMSIZ)
		copy(b, d.Name)
		if from == nfexpr.FromIIF {
			b = binary.NativeEndian.AppendUint32(nil, uint32(d.Index))
		}
		if holds(b) {
			m.devices |= 1 << i
		}
	}
	if f.devicesUnknown {
		m.devices, m.condition, m.unsure = f.anyDevice, nfexpr.Condition{}, m.condition
	}
	return m
}

// ofSources matches sources by the first bytes of their addresses, of which the last
// may be masked.
func (f *flow) ofSources(part []registerByte, low, high []byte) match {
	size := 4
	if f.family == unix.NFPROTO_IPV6 {
		size = 16
	}
	first, last := make([]byte, size), bytes.Repeat([]byte{0xff}, size)
	copy(first, low)
	copy(last, high)
	unsure := part[0].index != 0
	for i, b := range part {
		whole := b.mask == 0xff || i == len(part)-1 && isPrefix(b.mask) && bytes.Equal(low, high)
		unsure = unsure || !whole || b.flip != 0
		if b.mask != 0xff {
			if low[i]&^b.mask != 0 {
				return f.never()
			}
			last[i] |= ^b.mask
		}
	}
	if unsure {
		return f.depends(nfexpr.Condition{Kind: nfexpr.SourceAddress})
	}
	a, _ := netip.AddrFromSlice(first)
	z, _ := netip.AddrFromSlice(last)
	m := f.any()
	m.sources, m.condition = newSourceSet([]Span{{a, z}}), nfexpr.Condition{Kind: nfexpr.SourceAddress}
	return m
}

// isPrefix reports whether a mask has all its ones in front.
func isPrefix(mask byte) bool { return ^mask&(^mask+1) == 0 }

// portsWhere is the ports whose two bytes hold.
func portsWhere(holds func([]byte) bool) PortSet {
	ranges := PortSet{}
	var b [2]byte
	for p := range 1 << 16 {
		binary.BigEndian.PutUint16(b[:], uint16(p))
		if !holds(b[:]) {
			continue
		}
		if n := len(ranges); n > 0 && int(ranges[n-1].Last)+1 == p {
			ranges[n-1].Last++
		} else {
			ranges = append(ranges, nfexpr.PortRange{First: uint16(p), Last: uint16(p)})
		}
	}
	return ranges
}

// mergeMatches makes one match of those that differ only in their ports, only in
// their sources, or only in their addresses.
func mergeMatches(in []match) []match {
	type key struct {
		addrs, devices    uint64
		condition, unsure nfexpr.Condition
		assumed           bool
	}
	keyOf := func(m match) key { return key{m.addrs, m.devices, m.condition, m.unsure, m.assumed} }
	var out []match
	ports := make(map[key][]nfexpr.PortRange)
	sources := make(map[key][]Span)
	anyPort := make(map[key]int) // index in out
	for _, m := range in {
		k := keyOf(m)
		switch {
		case m.ports != nil && m.sources != nil:
			same := func(o match) bool { return keyOf(o) == k && slices.Equal(o.sources, m.sources) }
			if i := slices.IndexFunc(out[:min(len(out), maxSets)], same); i < 0 {
				out = append(out, m)
			} else {
				out[i].ports = newPortSet(slices.Concat(out[i].ports, m.ports))
			}
		case m.ports != nil:
			ports[k] = append(ports[k], m.ports...)
			if len(ports[k]) == len(m.ports) {
				out = append(out, m)
			}
		case m.sources != nil:
			sources[k] = append(sources[k], m.sources...)
			if len(sources[k]) == len(m.sources) {
				out = append(out, m)
			}
		default:
			k.addrs = 0
			if i, ok := anyPort[k]; ok {
				out[i].addrs |= m.addrs
			} else {
				anyPort[k] = len(out)
				out = append(out, m)
			}
		}
	}
	for i, m := range out {
		switch k := keyOf(m); {
		case m.ports != nil && m.sources != nil:
		case m.ports != nil:
			out[i].ports = newPortSet(ports[k])
		case m.sources != nil:
			out[i].sources = newSourceSet(sources[k])
		}
	}
	return out
}
