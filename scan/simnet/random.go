package simnet

import (
	"hash/fnv"

	"onmux/probe"
)

// random are the random decisions about one probe: the same for the same seed,
// endpoint and try, whenever it is sent.
type random struct{ state uint64 }

func randomFor(seed uint64, e probe.Endpoint, try int) *random {
	h := fnv.New64a()
	b, _ := e.Addr.MarshalBinary() // never fails
	h.Write(b)
	h.Write([]byte{byte(e.Port >> 8), byte(e.Port), byte(e.Proto), byte(try)})
	return &random{seed ^ h.Sum64()}
}

// float is a uniform number in [0, 1), by splitmix64 (Steele, Lea, Flood, "Fast
// Splittable Pseudorandom Number Generators", OOPSLA 2014).
func (d *random) float() float64 {
	d.state += 0x9e3779b97f4a7c15
	x := d.state
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}
