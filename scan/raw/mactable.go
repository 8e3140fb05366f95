package raw

import (
	"encoding/binary"

	"onmux/scan/packet"
)

// maxMACBlocks bounds the MACs that are kept, 1,536 bytes for each 256 adjacent
// addresses: 24 MiB. Beyond it neighbors are asked for each time.
const maxMACBlocks = 1 << 14

// macTable has the MACs of neighbors that are not next hops, and which of them
// did not answer. Its owner holds a lock.
type macTable struct {
	blocks  map[blockKey]*macBlock
	withMAC int // blocks that have MACs
}

// macBlock is 256 adjacent addresses of a link. What is known of each is a byte:
// 0 for nothing, the last try that was not answered, or hasMAC.
type macBlock struct {
	state [256]uint8
	macs  *[256]packet.MAC // nil until one of them has answered
}

const hasMAC = 255

type blockKey struct {
	hi, lo uint64 // the address without its last byte
	device int32
	v4     bool
}

func newMACTable() macTable { return macTable{blocks: make(map[blockKey]*macBlock)} }

func (n neighbor) block() (key blockKey, at uint8) {
	b := n.addr.As16()
	hi, lo := binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])
	return blockKey{hi, lo >> 8, int32(n.device), n.addr.Is4()}, b[15]
}

// get returns the MAC of a neighbor, if it is known, and else the last try whose
// question it did not answer.
func (t *macTable) get(n neighbor) (m packet.MAC, ok bool, unanswered int) {
	key, at := n.block()
	b := t.blocks[key]
	switch {
	case b == nil:
		return m, false, 0
	case b.state[at] == hasMAC:
		return b.macs[at], true, 0
	}
	return m, false, int(b.state[at])
}

// asked reports whether a neighbor did not answer in time when it was asked.
func (t *macTable) asked(n neighbor) bool {
	_, known, unanswered := t.get(n)
	return !known && unanswered > 0
}

// set keeps a MAC, if there is room for it.
func (t *macTable) set(n neighbor, m packet.MAC) {
	b, at := t.blockOf(n)
	if b.macs == nil {
		if t.withMAC == maxMACBlocks {
			return
		}
		t.withMAC++
		b.macs = new([256]packet.MAC)
	}
	b.state[at], b.macs[at] = hasMAC, m
}

// markUnresolved notes that a neighbor did not answer for a try.
func (t *macTable) markUnresolved(n neighbor, try int) {
	if b, at := t.blockOf(n); b.state[at] != hasMAC {
		b.state[at] = max(b.state[at], uint8(try))
	}
}

// blockOf makes the block of a neighbor if there is none.
func (t *macTable) blockOf(n neighbor) (*macBlock, uint8) {
	key, at := n.block()
	if t.blocks[key] == nil {
		t.blocks[key] = new(macBlock)
	}
	return t.blocks[key], at
}
