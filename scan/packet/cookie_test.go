package packet

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"onmux/probe"
)

// sipBytes is SipHash-2-4 over any message, by the code that cookies use.
func sipBytes(key [16]byte, m []byte) uint64 {
	s := newSip(binary.LittleEndian.Uint64(key[:]), binary.LittleEndian.Uint64(key[8:]))
	var words []uint64
	last := uint64(len(m)) << 56
	for ; len(m) >= 8; m = m[8:] {
		words = append(words, binary.LittleEndian.Uint64(m))
	}
	for i, b := range m {
		last |= uint64(b) << (8 * i)
	}
	return s.hash(last, words...)
}

// The vectors are from the paper, appendix A, and from the table of the
// authors' reference implementation (vectors_sip64), for messages 00 01 02 ….
func TestSipHash(t *testing.T) {
	for n, want := range map[int]uint64{
		0: 0x726fdb47dd0e0e31, 1: 0x74f839c593dc67fd, 7: 0xab0200f58b01d137, 8: 0x93f5f5799a932462, 15: 0xa129ca6149be45e5,
	} {
		m := make([]byte, n)
		for i := range m {
			m[i] = byte(i)
		}
		if got := sipBytes(testKey, m); got != want {
			t.Errorf("%d bytes: %x, want %x", n, got, want)
		}
	}
}

// A cookie is the hash of the bytes that its description names.
func TestCookie(t *testing.T) {
	c := testCookies(t)
	for _, like := range []netip.Addr{testSrc4, testSrc6} {
		for range 100 {
			src, dst, port, proto := randomAddr(like), randomAddr(like), uint16(rand.Uint32()), probe.Proto(1+rand.IntN(2))
			m := append(append(src.AsSlice(), dst.AsSlice()...), byte(port), byte(port>>8), byte(proto))
			if got, want := c.of(src.AsSlice(), dst.AsSlice(), port, proto), sipBytes(testKey, m); uint64(got) != want {
				t.Errorf("%s %s %d %s: %x, want %x", src, dst, port, proto, got, want)
			}
		}
	}
}

// Each port of a block names its try, and no other port does.
func TestPorts(t *testing.T) {
	for _, p := range []Ports{testTCP, testUDP, {First: 65535, Tries: 1, Width: 1}, {First: 1, Tries: 1, Width: 65535},
		{First: 1, Tries: 65535, Width: 1}, {First: 7, Tries: 3, Width: 7}} {
		if err := p.check(probe.UDP); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
		for range 1000 {
			c, try := cookie(rand.Uint64()), 1+rand.IntN(p.Tries)
			from := p.source(c, try)
			if got, ok := p.try(c, from); !p.Contains(from) || !ok || got != try || from < p.First || from > p.Last() {
				t.Errorf("%+v: try %d leaves from %d, which is of try %d, %t", p, try, from, got, ok)
			}
		}
		hits, c := 0, cookie(rand.Uint64())
		for port := range 65536 {
			if in := port >= int(p.First) && port <= int(p.Last()); p.Contains(uint16(port)) != in {
				t.Fatalf("%+v: port %d is in: %t", p, port, !in)
			}
			if p.Contains(uint16(port)) {
				if _, ok := p.try(c, uint16(port)); ok {
					hits++
				}
			}
		}
		if hits != p.Tries {
			t.Errorf("%+v: a cookie fits %d ports", p, hits)
		}
	}
	if (Ports{}).Contains(0) {
		t.Error("an empty block holds port 0")
	}
}

func TestNewCookiesRefuses(t *testing.T) {
	for _, p := range []Ports{{First: 1}, {First: 0, Tries: 1, Width: 1}, {First: 65535, Tries: 2, Width: 1}, {First: 1,
		Tries: 256, Width: 256},
		{First: 1, Tries: -1, Width: -1}, {First: 1, Tries: 1 << 62, Width: 4}, {First: 9, Tries: 1}} {
		if _, err := NewCookies(testKey, p, testUDP); err == nil {
			t.Errorf("%+v was taken", p)
		}
		if _, err := NewCookies(testKey, testTCP, p); err == nil {
			t.Errorf("%+v was taken", p)
		}
	}
	c, err := NewCookies(testKey, Ports{}, testUDP)
	if err != nil || c.Ports(probe.TCP).Count() != 0 || c.Ports(probe.UDP) != testUDP || c.Ports(9) != (Ports{}) {
		t.Errorf("%v, %+v", err, c)
	}
}

func BenchmarkCookie(b *testing.B) {
	c := testCookies(b)
	for _, like := range []netip.Addr{testSrc4, testSrc6} {
		src, dst := like.AsSlice(), randomAddr(like).AsSlice()
		b.Run(like.String(), func(b *testing.B) {
			var all cookie
			for b.Loop() {
				all ^= c.of(src, dst, 417, probe.TCP)
			}
			_ = all
		})
	}
}
