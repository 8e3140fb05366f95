package scan_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"onmux/probe"
	"onmux/scan/packet"
	"onmux/scan/simnet"
)

// asks is a question for a neighbour: who has q.Target, q.From wants to know.
type asks = packet.Neighbor

// neighbour is what a host on the link says when it is looked for for the n-th
// time (1 …): frames, after some time.
type neighbour func(q asks, n int) []parcel

// hostMAC is where a host is.
func hostMAC(a netip.Addr) packet.MAC { return packet.MAC{2, 0x41, 7, 0, 0, lastByte(a)} }

// proxyMAC is a router that has all addresses that nobody else has.
func proxyMAC(netip.Addr) packet.MAC { return packet.MAC{2, 0x41, 7, 1, 0, 1} }

// isAt is the answer that an address is at a MAC.
func isAt(q asks, a netip.Addr, m packet.MAC) []byte {
	b := make([]byte, packet.MaxNeighbor)
	return b[:packet.PutAdvertise(b, packet.Path{Framing: packet.Ethernet, Src: a, MAC: m}, q.From, q.MAC)]
}

// where has a host answer with a MAC, each time.
func where(mac func(netip.Addr) packet.MAC) neighbour {
	return func(q asks, _ int) []parcel { return []parcel{{0, [][]byte{isAt(q, q.Target, mac(q.Target))}}} }
}

// at gives a MAC that does not depend on the host.
func at(m ...byte) func(netip.Addr) packet.MAC {
	return func(netip.Addr) packet.MAC { return packet.MAC(m) }
}

// slow has a host take some time.
func slow(d time.Duration, f neighbour) neighbour {
	return func(q asks, n int) []parcel {
		all := f(q, n)
		for i := range all {
			all[i].after += d
		}
		return all
	}
}

// notBefore has a host answer from the n-th question on.
func notBefore(first int, f neighbour) neighbour {
	return func(q asks, n int) []parcel {
		if n < first {
			return nil
		}
		return f(q, n)
	}
}

// together has several answer.
func together(f ...neighbour) neighbour {
	return func(q asks, n int) (all []parcel) {
		for _, f := range f {
			all = append(all, f(q, n)...)
		}
		return all
	}
}

// changed has bytes of the answers to ARP and to neighbour discovery changed; nil
// leaves them as they are.
func changed(f neighbour, arp, ndp func(frame []byte) []byte) neighbour {
	return func(q asks, n int) []parcel {
		change := ndp
		if q.Target.Is4() {
			change = arp
		}
		all := f(q, n)
		for _, p := range all {
			for i := range p.packets {
				p.packets[i] = change(p.packets[i])
			}
		}
		return all
	}
}

// put changes bytes, and mends the checksum of an advertisement for it.
func put(at int, bytes ...byte) func([]byte) []byte {
	return func(frame []byte) []byte {
		for i, b := range bytes {
			if n := at + i; n >= icmpAt && binary.BigEndian.Uint16(frame[12:]) == 0x86dd {
				mend(frame[icmpAt+2:], frame[n], b, n%2 == 0)
			}
			frame[at+i] = b
		}
		return frame
	}
}

// mend changes a checksum for a byte of it, RFC 1624; high says which half of a
// word that is.
func mend(sum []byte, was, is byte, high bool) {
	old, now := uint32(was), uint32(is)
	if high {
		old, now = old<<8, now<<8
	}
	s := uint32(^binary.BigEndian.Uint16(sum)) + 0xffff - old + now
	for s > 0xffff {
		s = s&0xffff + s>>16
	}
	binary.BigEndian.PutUint16(sum, ^uint16(s))
}

// Where things stand in the frames of Ethernet.
const (
	arpAt  = 14      // RFC 826
	icmpAt = 14 + 40 // RFC 4861
)

// anyTries are those of a host that comes so late that it may be asked again.
const anyTries = -1

// linkFact is a fact about a host on the link.
type linkFact struct {
	fact
	meets   neighbour
	mac     func(netip.Addr) packet.MAC // where it is to be asked; nil: nowhere
	packets bool                        // not asked with sockets: the kernel goes another way
}

// linkFacts is the ground truth about neighbours. All of them are open, if they
// are there.
func linkFacts() (all []linkFact) {
	here := where(hostMAC)
	other := func(a netip.Addr) packet.MAC { return packet.MAC{2, 0x41, 7, 2, 0, lastByte(a)} }
	for _, f := range []struct {
		name  string
		tries int
		meets neighbour
		mac   func(netip.Addr) packet.MAC // nil: never met
	}{
		{"at once", 1, here, hostMAC},
		{"late", anyTries, slow(150*time.Millisecond, here), hostMAC},
		{"later", anyTries, slow(300*time.Millisecond, here), hostMAC},
		{"twice", 1, together(here, slow(50*time.Millisecond, here)), hostMAC},
		{"two MACs", 1, together(here, slow(50*time.Millisecond, where(other))), hostMAC},
		{"from the second question on", 2, notBefore(2, here), hostMAC},
		{"a proxy", 1, where(proxyMAC), proxyMAC},
		{"a proxy, too", 1, where(proxyMAC), proxyMAC},
		{"a proxy after the host", 1, together(here, slow(20*time.Millisecond, where(proxyMAC))), hostMAC},
		{"a frame from somewhere else", 1, changed(here, put(6, 2, 0x41, 7, 3, 0, 1), put(6, 2, 0x41, 7, 3, 0, 1)), hostMAC},
		{"unsolicited", 1, changed(here, func(b []byte) []byte { // to itself, and to everybody
			copy(b[arpAt+24:], b[arpAt+14:arpAt+18])
			return put(0, 255, 255, 255, 255, 255, 255)(b)
		}, put(icmpAt+4, 0x20)), hostMAC},
		{"without an option", 1, changed(here, put(0), func(b []byte) []byte {
			cut := put(icmpAt+24, 0, 0, 0, 0, 0, 0, 0, 0)(b)[:icmpAt+24]
			binary.BigEndian.PutUint16(cut[14+4:], 24)
			mend(cut[icmpAt+2:], 32, 24, false) // of the pseudo header
			return cut
		}), hostMAC},

		{"never", 2, notBefore(99, here), nil},
		{"of another", 2, func(q asks, _ int) []parcel {
			a := q.Target.AsSlice()
			a[len(a)-1] = 250
			b, _ := netip.AddrFromSlice(a)
			return []parcel{{0, [][]byte{isAt(q, b, hostMAC(q.Target))}}}
		}, nil},
		{"asks back", 2, changed(here, put(arpAt+7, 1), put(icmpAt, 135)), nil},
		{"at a group", 2, where(at(3, 0x41, 7, 0, 0, 9)), nil},
		{"at everybody", 2, where(at(255, 255, 255, 255, 255, 255)), nil},
		{"at nobody", 2, where(at(0, 0, 0, 0, 0, 0)), nil},
		{"from beyond the link", 2, changed(here, put(arpAt, 0, 7), put(14+7, 254)), nil},
		{"cut short", 2, changed(here, func(b []byte) []byte { return b[:arpAt+27] }, func(b []byte) []byte { return b[:icmpAt+23] }), nil},
		{"of another code", 2, changed(here, put(arpAt+7, 4), put(icmpAt+1, 1)), nil},
		{"with a wrong sum", 2, changed(here, put(arpAt+4, 8), func(b []byte) []byte { b[icmpAt+2] ^= 1; return b }), nil},
	} {
		l := linkFact{meets: f.meets, mac: f.mac, fact: fact{
			name: f.name, deed: always(open), tcp: probe.SynAck, udp: probe.UDPResponse, tries: f.tries,
		}}
		if f.mac == nil {
			l.tcp, l.udp = probe.NoNeighbour, probe.NoNeighbour
		}
		all = append(all, l)
	}
	for i := range all {
		switch f := &all[i]; f.name {
		case "two MACs", "a proxy after the host": // the kernel believes the last, or asks both
			f.packets = true
		case "without an option": // the kernel wants one of everybody whom it asked with a multicast
			f.packets = true
		default: // it takes three seconds to give up
			f.packets = f.mac == nil
		}
	}
	silent := linkFact{meets: here, mac: hostMAC, fact: fact{name: "silent", deed: always(), tcp: none, udp: none, tries: 2}}
	closed := linkFact{meets: here, mac: hostMAC, fact: fact{name: "closed", deed: always(closed), tcp: probe.Reset, udp: probe.PortUnreach, self: true}}
	moved := silent // it is asked again, where it was first
	moved.packets = true
	moved.name, moved.meets = "silent at two MACs", together(here, slow(50*time.Millisecond, where(other)))
	return append(all, silent, closed, moved)
}

// street is such hosts on one link, the i-th at the i-th address of each network.
type street struct {
	*world
	on     map[netip.Addr]linkFact
	sought map[netip.Addr]int
	wrong  []string // what was sent to a MAC that is not where a host is
}

func newStreet(first4, first6 netip.Addr) *street {
	var facts []fact
	all := linkFacts()
	for _, l := range all {
		facts = append(facts, l.fact)
	}
	s := &street{newWorld(facts, first4, first6), map[netip.Addr]linkFact{}, map[netip.Addr]int{}, nil}
	for _, l := range all {
		s.on[first4], s.on[first6] = l, l
		first4, first6 = first4.Next(), first6.Next()
	}
	return s
}

// answer is what a frame brings back.
func (s *street) answer(frame []byte) []parcel {
	if q, ok := packet.DecodeNeighbor(frame); ok && q.Solicit && q.From.IsValid() && !q.From.IsUnspecified() {
		l, ok := s.on[q.Target]
		if !ok {
			return nil
		}
		s.mu.Lock()
		s.sought[q.Target]++
		n := s.sought[q.Target]
		s.mu.Unlock()
		return l.meets(q, n)
	}
	if len(frame) < 14 {
		return nil
	}
	q, ok := simnet.ReadQuery(frame[14:])
	if !ok {
		return nil
	}
	l, ok := s.on[q.To.Addr()]
	if !ok {
		return nil
	}
	if to := packet.MAC(frame[:6]); l.mac == nil || to != l.mac(q.To.Addr()) {
		s.mu.Lock()
		s.wrong = append(s.wrong, l.name+": "+to.String())
		s.mu.Unlock()
		return nil
	}
	all := s.world.answer(frame[14:])
	for i := range all {
		all[i].packets = slices.Clone(all[i].packets)
		for j, b := range all[i].packets {
			all[i].packets[j] = framed(frame[:12], b)
		}
	}
	return all
}

// framed puts a packet in a frame that answers one with these addresses.
func framed(question, packet []byte) []byte {
	kind := uint16(0x0800)
	if len(packet) > 0 && packet[0]>>4 == 6 {
		kind = 0x86dd
	}
	frame := append(append([]byte(nil), question[6:12]...), question[:6]...)
	return append(binary.BigEndian.AppendUint16(frame, kind), packet...)
}
