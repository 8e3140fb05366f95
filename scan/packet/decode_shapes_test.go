package packet

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"onmux/probe"
)

// Fragments, extension headers, options, padding and frames that were cut.
func TestDecodeShapes(t *testing.T) {
	forEachPath(t, func(t *testing.T, w *fixture) {
		a := w.ask(417, probe.TCP)
		good := w.tcp(a, nil)
		at, h := w.linkLen(), w.header()
		ip, rest := good[at:at+h], good[at+h:]
		with := func(next byte, extension []byte) []byte {
			head := slices.Clone(good[:at+h])
			if w.Src.Is4() {
				head[at] += byte(len(extension) / 4)
				head[at+10], head[at+11] = 0, 0
				binary.BigEndian.PutUint16(head[at+2:], uint16(h+len(extension)+len(rest)))
				head = append(head, extension...)
				binary.BigEndian.PutUint16(head[at+10:], ^fold(sum(head[at:])))
			} else {
				head[at+6] = next
				binary.BigEndian.PutUint16(head[at+4:], uint16(len(extension)+len(rest)))
				head = append(head, extension...)
			}
			return append(head, rest...)
		}
		if w.Src.Is4() {
			w.expect("options", with(0, []byte{1, 1, 1, 0}), Valid, a, probe.SynAck)
			w.expect("40 bytes of options", with(0, make([]byte, 40)), Valid, a, probe.SynAck)
			bad := slices.Clone(good)
			bad[at+8]++
			w.expect("a wrong header checksum", bad, Forged, a, 0)
			w.unsummed = true
			for flags, want := range map[uint16]Validity{0x2000: Valid, 0x4000: Valid, 0x8000: Valid, 1: Foreign,
				0x2001: Foreign, 0x1000: Foreign} {
				binary.BigEndian.PutUint16(ip[6:], flags)
				resum(ip)
				w.expect(fmt.Sprintf("fragment %04x", flags), good, want, a, probe.SynAck)
			}
		} else {
			hop := []byte{6, 0, 1, 4, 0, 0, 0, 0}
			for _, next := range []byte{0, 43, 60} {
				w.expect(fmt.Sprint("extension ", next), with(next, hop), Valid, a, probe.SynAck)
			}
			w.expect("an authentication header", with(51, []byte{6, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}), Valid, a, probe.SynAck)
			w.expect("two extensions", with(0, append([]byte{60, 1, 1, 12, 15: 0}, hop...)), Valid, a, probe.SynAck)
			for _, next := range []byte{59, 50, 135, 255} {
				w.expect(fmt.Sprint("no transport behind ", next), with(next, hop), Foreign, a, 0)
			}
			w.expect("an extension too long", with(0, []byte{6, 200, 0, 0, 0, 0, 0, 0}), Foreign, a, 0)
			w.expect("a first fragment", with(44, []byte{6, 0, 0, 1, 0, 0, 0, 9}), Valid, a, probe.SynAck)
			w.expect("an atomic fragment", with(44, []byte{6, 0, 0, 0, 0, 0, 0, 9}), Valid, a, probe.SynAck)
			w.expect("a later fragment", with(44, []byte{6, 0, 0, 8, 0, 0, 0, 9}), Foreign, a, 0)
			var many []byte
			for range 9 {
				many = append(many, 60, 0, 1, 4, 0, 0, 0, 0)
			}
			w.expect("nine extensions", with(60, append(many, hop...)), Foreign, a, 0)
		}
	})
}

// resum makes the checksum of an IPv4 header right.
func resum(ip []byte) {
	header := ip[:int(ip[0]&15)*4]
	header[10], header[11] = 0, 0
	binary.BigEndian.PutUint16(header[10:], ^fold(sum(header)))
}

func TestDecodeCutAndPadded(t *testing.T) {
	forEachPath(t, func(t *testing.T, w *fixture) {
		a := w.ask(417, probe.TCP)
		good := w.tcp(a, nil)
		w.expect("padding", append(slices.Clone(good), 1, 2, 3), Valid, a, probe.SynAck)
		w.unsummed = true
		end := w.linkLen() + w.header() + 20
		for n := range good {
			want := Foreign
			if n >= end {
				want = Valid
			}
			w.expect(fmt.Sprintf("a SYN-ACK cut to %d bytes", n), good[:n:n], want, a, probe.SynAck)
		}
		a = w.ask(53, probe.UDP)
		good = w.udp(a, 53, "some long answer, so that nothing is padded")
		for n := range good {
			want := Foreign
			if n >= end-12 {
				want = Valid
			}
			r := w.expect(fmt.Sprintf("a datagram cut to %d bytes", n), good[:n:n], want, a, probe.UDPResponse)
			if want == Valid && len(r.Payload) != n-(end-12) {
				t.Errorf("%d bytes of payload in a frame of %d", len(r.Payload), n)
			}
		}
		a = w.ask(417, probe.UDP)
		good = w.icmp(a.Addr, w.unreachable(), a.ip[:w.header()+8])
		for n := range len(good) - 1 {
			w.expect(fmt.Sprintf("an error cut to %d bytes", n), good[:n:n], Foreign, a, 0)
		}
	})
}

// Every bit of the transport counts, unless its checksum is not to be looked at.
func TestDecodeChecksums(t *testing.T) {
	forEachPath(t, func(t *testing.T, w *fixture) {
		tcp, udp, icmp := w.ask(417, probe.TCP), w.ask(53, probe.UDP), w.ask(417, probe.TCP)
		for _, c := range []struct {
			sentProbe
			frame  []byte
			sum    int
			reason probe.Reason
		}{
			{tcp, w.tcp(tcp, nil), 16, probe.SynAck},
			{udp, w.udp(udp, 53, "odd"), 6, probe.UDPResponse},
			{icmp, w.icmp(icmp.Addr, w.unreachable(), icmp.ip), 2, probe.PortUnreach},
		} {
			check := c.frame[w.linkLen()+w.header()+c.sum:]
			check[0] ^= 0x55
			w.expect(fmt.Sprintf("a wrong sum of %s", c.reason), c.frame, Forged, c.sentProbe, 0)
			w.unsummed = true
			w.expect(fmt.Sprintf("a wrong sum of %s, not looked at", c.reason), c.frame, Valid, c.sentProbe, c.reason)
			w.unsummed = false
		}
		frame := w.udp(udp, 53, "odd")
		copy(frame[w.linkLen()+w.header()+6:], "\x00\x00")
		want := Valid
		if w.Src.Is6() {
			want = Forged
		}
		w.expect("a datagram without a checksum", frame, want, udp, probe.UDPResponse)
	})
}

func TestDecodeTags(t *testing.T) {
	w := newFixture(t, Path{MAC: testMAC, Src: testSrc4})
	a := w.ask(417, probe.TCP)
	good := w.tcp(a, nil)
	tag := func(tags ...byte) []byte { return append(append(slices.Clone(good[:12]), tags...), good[12:]...) }
	w.expect("two tags", tag(0x88, 0xa8, 0, 1, 0x81, 0, 0, 2), Valid, a, probe.SynAck)
	w.expect("three tags", tag(0x81, 0, 0, 1, 0x81, 0, 0, 1, 0x81, 0, 0, 2), Foreign, a, 0)
	w.expect("a tag and no more", tag(0x81, 0, 0)[:15], Foreign, a, 0)
	w.expect("another type", tag(0x88, 0xcc), Foreign, a, 0)
}
