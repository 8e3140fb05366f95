package compact_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"onmux/report/compact"
)

// TestRewind: what was read comes again, and then the rest, also where it is more than memory
// holds.
func TestRewind(t *testing.T) {
	text := make([]byte, 9<<20)
	dice := rand.New(rand.NewPCG(4, 17))
	for i := range text {
		text[i] = byte(dice.Uint32())
	}
	for _, n := range []int{0, 1, 1 << 20, len(text)} {
		r := compact.NewRewind(iotest.HalfReader(bytes.NewReader(text)))
		defer r.Close()
		if got, err := io.ReadAll(io.LimitReader(r, int64(n))); err != nil || !bytes.Equal(got, text[:n]) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
		r.Rewind()
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("after %d bytes, all: %v, %d bytes", n, err, len(got))
		}
	}
}
