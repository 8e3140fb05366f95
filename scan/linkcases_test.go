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

// solicitation is a request for the MAC of q.Target, from q.From.
type solicitation = packet.Neighbor

// resolver is what a host on the link answers when it is asked for its MAC for the n-th
// time (1 …): frames, after some time.
type resolver func(q solicitation, n int) []reply

// hostMAC is where a host is.
func hostMAC(a netip.Addr) packet.MAC { return packet.MAC{2, 0x41, 7, 0, 0, lastByte(a)} }

// proxyMAC is a router that has all addresses that no host else has.
func proxyMAC(netip.Addr) packet.MAC { return packet.MAC{2, 0x41, 7, 1, 0, 1} }

// advertisement is the answer that an address is at a MAC.
func advertisement(q solicitation, a netip.Addr, m packet.MAC) []byte {
	b := make([]byte, packet.MaxNeighbor)
	return b[:packet.PutAdvertise(b, packet.Path{Framing: packet.Ethernet, Src: a, MAC: m}, q.From, q.MAC)]
}

// answersWith has a host answer with a MAC, each time.
func answersWith(mac func(netip.Addr) packet.MAC) resolver {
	return func(q solicitation, _ int) []reply {
		return []reply{{0, [][]byte{advertisement(q, q.Target, mac(q.Target))}}}
	}
}

// at gives a MAC that does not depend on the host.
func at(m ...byte) func(netip.Addr) packet.MAC {
	return func(netip.Addr) packet.MAC { return packet.MAC(m) }
}

// slow has a host take some time.
func slow(d time.Duration, f resolver) resolver {
	return func(q solicitation, n int) []reply {
		all := f(q, n)
		for i := range all {
			all[i].after += d
		}
		return all
	}
}

// notBefore has a host answer from the n-th question on.
func notBefore(first int, f resolver) resolver {
	return func(q solicitation, n int) []reply {
		if n < first {
			return nil
		}
		return f(q, n)
	}
}

// together has several answer.
func together(f ...resolver) resolver {
	return func(q solicitation, n int) (all []reply) {
		for _, f := range f {
			all = append(all, f(q, n)...)
		}
		return all
	}
}

// changed has bytes of the answers to ARP and to neighbor discovery changed; nil
// leaves them as they are.
func changed(f resolver, arp, ndp func(frame []byte) []byte) resolver {
	return func(q solicitation, n int) []reply {
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

// mend changes a checksum for a byte of it, RFC 1624; high is set for the upper half of a
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

// linkCase is a case of a host on the link.
type linkCase struct {
	hostCase
	resolve resolver
	mac     func(netip.Addr) packet.MAC // where it is to be asked; nil: nowhere
	packets bool                        // not asked with sockets: the kernel goes another way
}

// linkCases is the truth table of neighbors. All of them are open, if they
// are there.
func linkCases() (all []linkCase) {
	here := answersWith(hostMAC)
	other := func(a netip.Addr) packet.MAC { return packet.MAC{2, 0x41, 7, 2, 0, lastByte(a)} }
	for _, f := range []struct {
		name    string
		tries   int
		resolve resolver
		mac     func(netip.Addr) packet.MAC // nil: never met
	}{
		{"at once", 1, here, hostMAC},
		{"late", anyTries, slow(150*time.Millisecond, here), hostMAC},
		{"later", anyTries, slow(300*time.Millisecond, here), hostMAC},
		{"twice", 1, together(here, slow(50*time.Millisecond, here)), hostMAC},
		{"two MACs", 1, together(here, slow(50*time.Millisecond, answersWith(other))), hostMAC},
		{"from the second question on", 2, notBefore(2, here), hostMAC},
		{"a proxy", 1, answersWith(proxyMAC), proxyMAC},
		{"a proxy, too", 1, answersWith(proxyMAC), proxyMAC},
		{"a proxy after the host", 1, together(here, slow(20*time.Millisecond, answersWith(proxyMAC))), hostMAC},
		{"a frame from somewhere else", 1, changed(here, put(6, 2, 0x41, 7, 3, 0, 1), put(6, 2, 0x41, 7, 3, 0, 1)), hostMAC},
		{"unsolicited", 1, changed(here, func(b []byte) []byte { // to itself, and to all
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
		{"of another", 2, func(q solicitation, _ int) []reply {
			a := q.Target.AsSlice()
			a[len(a)-1] = 250
			b, _ := netip.AddrFromSlice(a)
			return []reply{{0, [][]byte{advertisement(q, b, hostMAC(q.Target))}}}
		}, nil},
		{"asks back", 2, changed(here, put(arpAt+7, 1), put(icmpAt, 135)), nil},
		{"at a group", 2, answersWith(at(3, 0x41, 7, 0, 0, 9)), nil},
		{"at all", 2, answersWith(at(255, 255, 255, 255, 255, 255)), nil},
		{"at no host", 2, answersWith(at(0, 0, 0, 0, 0, 0)), nil},
		{"from beyond the link", 2, changed(here, put(arpAt, 0, 7), put(14+7, 254)), nil},
		{"cut short", 2, changed(here, func(b []byte) []byte { return b[:arpAt+27] },
			func(b []byte) []byte { return b[:icmpAt+23] }), nil},
		{"of another code", 2, changed(here, put(arpAt+7, 4), put(icmpAt+1, 1)), nil},
		{"with a wrong sum", 2, changed(here, put(arpAt+4, 8), func(b []byte) []byte { b[icmpAt+2] ^= 1; return b }), nil},
	} {
		l := linkCase{resolve: f.resolve, mac: f.mac, hostCase: hostCase{
			name: f.name, respond: always(open), tcp: probe.SynAck, udp: probe.UDPResponse, tries: f.tries,
		}}
		if f.mac == nil {
			l.tcp, l.udp = probe.NoNeighbor, probe.NoNeighbor
		}
		all = append(all, l)
	}
	for i := range all {
		switch f := &all[i]; f.name {
		case "two MACs", "a proxy after the host": // the kernel uses the last, or asks both
			f.packets = true
		case "without an option": // the kernel wants one of all whom it asked with a multicast
			f.packets = true
		default: // it takes three seconds to give up
			f.packets = f.mac == nil
		}
	}
	silent := linkCase{
		resolve:  here,
		mac:      hostMAC,
		hostCase: hostCase{name: "silent", respond: always(), tcp: none, udp: none, tries: 2},
	}
	closed := linkCase{
		resolve:  here,
		mac:      hostMAC,
		hostCase: hostCase{name: "closed", respond: always(closed), tcp: probe.Reset, udp: probe.PortUnreach, self: true},
	}
	moved := silent // it is asked again, where it was first
	moved.packets = true
	moved.name, moved.resolve = "silent at two MACs", together(here, slow(50*time.Millisecond, answersWith(other)))
	return append(all, silent, closed, moved)
}

// linkNet is such hosts on one link, the i-th at the i-th address of each network.
type linkNet struct {
	*testNet
	on        map[netip.Addr]linkCase
	solicited map[netip.Addr]int
	wrong     []string // what was sent to a MAC that is not where a host is
}

func newLinkNet(first4, first6 netip.Addr) *linkNet {
	var hostCases []hostCase
	all := linkCases()
	for _, l := range all {
		hostCases = append(hostCases, l.hostCase)
	}
	s := &linkNet{newTestNet(hostCases, first4, first6), map[netip.Addr]linkCase{}, map[netip.Addr]int{}, nil}
	for _, l := range all {
		s.on[first4], s.on[first6] = l, l
		first4, first6 = first4.Next(), first6.Next()
	}
	return s
}

// answer is what a frame brings back.
func (s *linkNet) answer(frame []byte) []reply {
	if q, ok := packet.DecodeNeighbor(frame); ok && q.Solicit && q.From.IsValid() && !q.From.IsUnspecified() {
		l, ok := s.on[q.Target]
		if !ok {
			return nil
		}
		s.mu.Lock()
		s.solicited[q.Target]++
		n := s.solicited[q.Target]
		s.mu.Unlock()
		return l.resolve(q, n)
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
	all := s.testNet.answer(frame[14:])
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
