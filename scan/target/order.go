package target

import "math/bits"

// orderRounds is how often each half is mixed into the other. Four make a
// Feistel network a strong pseudorandom permutation (Luby and Rackoff 1988);
// two more are for halves of a few bits.
const orderRounds = 6

// Order is a keyed permutation of [0, n): a Feistel network over the smallest
// power of two that holds n, walked until it comes back into the range (Black
// and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002). The range
// is more than half of that domain, so a walk takes less than two steps on
// average. The order hides patterns from networks, not secrets from people: its
// round function is fast, not cryptographic.
//
// An Order is read-only and may be used from several goroutines.
type Order struct {
	n     uint64
	low   uint // bits of the low half
	loBit uint64
	hiBit uint64
	keys  [orderRounds]uint64
}

// NewOrder makes the permutation of [0, n) that seed selects. Any n will do.
func NewOrder(n, seed uint64) *Order {
	o := &Order{n: n}
	if n > 1 {
		width := uint(bits.Len64(n - 1))
		o.low = width - width/2
		o.loBit = 1<<o.low - 1
		o.hiBit = 1<<(width/2) - 1
	}
	for i := range o.keys {
		seed += 0x9e3779b97f4a7c15 // splitmix64 (Steele, Lea, Flood 2014)
		o.keys[i] = scramble(seed)
	}
	return o
}

// Index is what stands at position pos. A position outside [0, n) stands for itself.
func (o *Order) Index(pos uint64) uint64 {
	if pos >= o.n {
		return pos
	}
	for {
		lo, hi := pos&o.loBit, pos>>o.low
		for i := 0; i < orderRounds; i += 2 {
			lo ^= mix(hi, o.keys[i]) & o.loBit
			hi ^= mix(lo, o.keys[i+1]) & o.hiBit
		}
		pos = hi<<o.low | lo
		if pos < o.n {
			return pos
		}
	}
}

// Position is where index stands: the inverse of Index.
func (o *Order) Position(index uint64) uint64 {
	if index >= o.n {
		return index
	}
	for {
		lo, hi := index&o.loBit, index>>o.low
		for i := orderRounds - 2; i >= 0; i -= 2 {
			hi ^= mix(lo, o.keys[i+1]) & o.hiBit
			lo ^= mix(hi, o.keys[i]) & o.loBit
		}
		index = hi<<o.low | lo
		if index < o.n {
			return index
		}
	}
}

// mix is the round function: the upper half of a product, which every bit of x
// and key reaches.
func mix(x, key uint64) uint64 {
	hi, lo := bits.Mul64(x^key, 0xd6e8feb86659fd93)
	return (hi ^ lo) * 0x9e3779b97f4a7c15 >> 32
}

// scramble is the finalizer of splitmix64.
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
