package farend

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"onmux/probe/traceroute"
)

// Size is the length in bytes of a message without padding.
const Size = 88

// Offsets of the fields of a message, in network byte order. Zeros fill what is longer.
const (
	magic = "onmux\x01" // and the version of the protocol

	atKind       = 6
	atFlags      = 7
	atSession    = 8
	atSeq        = 16
	atArrived    = 20
	atReordered  = 24
	atDuplicated = 28
	atLength     = 32
	atTTL        = 34
	atClient     = 36 // 16 bytes of address, 2 of port
	atServer     = 54
	atCode       = 72 // HMAC-SHA256 of the rest, its first 16 bytes

	codeSize = 16

	// Flags of a question.
	padAnswer = 1
	uncounted = 2
)

// Kind is what a message is.
type Kind uint8

// The kinds of messages.
const (
	Question Kind = iota + 1
	Answer
	PathQuestion // for the routers from the far end back to the client
	PathAnswer   // a message whose padding has the hops
)

// PathSize is the length in bytes of a question for a path, and the most that its answer has.
const PathSize = Size + 1 + traceroute.MaxHops*hopSize

// Message is a question or an answer. Of a question only the fields before Arrived count.
type Message struct {
	Kind      Kind
	PadAnswer bool   // the answer is to be as long as the question
	Uncounted bool   // it asks for the counts, and does not count itself
	Session   uint64 // random, one for each client and run
	Seq       uint32 // of the question, from 0

	// How the questions of the session arrived until this one.
	Arrived    uint32 // different ones
	Reordered  uint32 // after a later one
	Duplicated uint32 // more than once

	Length uint16         // bytes of the question as it arrived
	TTL    uint8          // of the question as it arrived; 0 is not known
	Client netip.AddrPort // the sender of the question, as the far end sees it
	Server netip.AddrPort // the address of the far end that it arrived at
}

// Key authenticates messages. The zero value is not valid.
type Key struct{ secret [sha256.Size]byte }

// NewKey derives a key from a text of any length.
func NewKey(text string) Key {
	return Key{sha256.Sum256([]byte("onmux far end\x00" + text))}
}

// Append appends a message of max(size, Size) bytes to b.
func (k Key) Append(b []byte, m Message, size int) []byte {
	at := len(b)
	b = append(b, make([]byte, max(size, Size))...)
	p := b[at:]
	copy(p, magic)
	p[atKind] = byte(m.Kind)
	if m.PadAnswer {
		p[atFlags] |= padAnswer
	}
	if m.Uncounted {
		p[atFlags] |= uncounted
	}
	binary.BigEndian.PutUint64(p[atSession:], m.Session)
	binary.BigEndian.PutUint32(p[atSeq:], m.Seq)
	binary.BigEndian.PutUint32(p[atArrived:], m.Arrived)
	binary.BigEndian.PutUint32(p[atReordered:], m.Reordered)
	binary.BigEndian.PutUint32(p[atDuplicated:], m.Duplicated)
	binary.BigEndian.PutUint16(p[atLength:], m.Length)
	p[atTTL] = m.TTL
	putAddrPort(p[atClient:], m.Client)
	putAddrPort(p[atServer:], m.Server)
	copy(p[atCode:], k.code(p))
	return b
}

// Parse reads a message; false if it is none, or of another key. All of b counts.
func (k Key) Parse(b []byte) (Message, bool) {
	if !IsMessage(b) || !hmac.Equal(b[atCode:atCode+codeSize], k.code(b)) {
		return Message{}, false
	}
	return Message{
		Kind: Kind(b[atKind]), PadAnswer: b[atFlags]&padAnswer != 0, Uncounted: b[atFlags]&uncounted != 0,
		Session:    binary.BigEndian.Uint64(b[atSession:]),
		Seq:        binary.BigEndian.Uint32(b[atSeq:]),
		Arrived:    binary.BigEndian.Uint32(b[atArrived:]),
		Reordered:  binary.BigEndian.Uint32(b[atReordered:]),
		Duplicated: binary.BigEndian.Uint32(b[atDuplicated:]),
		Length:     binary.BigEndian.Uint16(b[atLength:]),
		TTL:        b[atTTL],
		Client:     addrPort(b[atClient:]),
		Server:     addrPort(b[atServer:]),
	}, true
}

// IsMessage reports whether b looks like a message of any key.
func IsMessage(b []byte) bool { return len(b) >= Size && MayBeMessage(b) }

// MayBeMessage reports whether b is the beginning of a message, or could become one.
func MayBeMessage(b []byte) bool {
	n := min(len(b), len(magic))
	return string(b[:n]) == magic[:n]
}

// code authenticates everything but itself.
func (k Key) code(b []byte) []byte {
	h := hmac.New(sha256.New, k.secret[:])
	h.Write(b[:atCode])
	h.Write(b[atCode+codeSize:])
	return h.Sum(nil)[:codeSize]
}

func putAddrPort(b []byte, a netip.AddrPort) {
	if a.IsValid() {
		room := a.Addr().As16()
		copy(b, room[:])
		binary.BigEndian.PutUint16(b[16:], a.Port())
	}
}

// addrPort reads an address; the unspecified one is none.
func addrPort(b []byte) netip.AddrPort {
	a := netip.AddrFrom16([16]byte(b[:16])).Unmap()
	if a.IsUnspecified() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(b[16:]))
}
