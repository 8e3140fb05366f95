package control

import (
	"slices"
	"testing"
	"time"
)

// Which endpoints become controls is a matter of the seed alone.
func TestSameSeedSameControls(t *testing.T) {
	members := func(seed uint64) (out []uint64) {
		c := newControls(Layout{Addresses: 1 << 20, Seed: seed}, time.Time{})
		for i := range uint64(10 * maxMembers) {
			c.known(i, Direct, time.Time{})
		}
		for _, p := range c.order {
			for _, m := range p.members {
				out = append(out, m.index)
			}
		}
		return out
	}
	one, again, other := members(1), members(1), members(2)
	if len(one) != maxMembers || !slices.Equal(one, again) || slices.Equal(one, other) {
		t.Errorf("%v, %v and %v", one, again, other)
	}
}
