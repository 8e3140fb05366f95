package target

import (
	"fmt"
	"strconv"
	"strings"

	"onmux/probe/wording"
)

// Shard I of N takes every N-th position of the order; I counts from 1. The zero
// Shard has no positions.
type Shard struct{ I, N int }

// Valid reports whether I is from 1 to N.
func (s Shard) Valid() bool { return s.I >= 1 && s.I <= s.N }

// Size is how many of n positions are the shard's.
func (s Shard) Size(n uint64) uint64 {
	first, every := uint64(s.I-1), uint64(s.N)
	if first >= n {
		return 0
	}
	return (n-first-1)/every + 1
}

// From is the shard's first position that is not below pos.
func (s Shard) From(pos uint64) uint64 {
	first, every := uint64(s.I-1), uint64(s.N)
	if pos <= first {
		return first
	}
	return first + (pos-first+every-1)/every*every
}

// Has reports whether a position is the shard's.
func (s Shard) Has(pos uint64) bool { return pos%uint64(s.N) == uint64(s.I-1) }

// ParseShard reads I/N; "" is the zero Shard.
func ParseShard(s string) (Shard, error) {
	if s == "" {
		return Shard{}, nil
	}
	i, n, ok := strings.Cut(s, "/")
	part, err1 := strconv.Atoi(i)
	parts, err2 := strconv.Atoi(n)
	if shard := (Shard{part, parts}); ok && err1 == nil && err2 == nil && shard.Valid() {
		return shard, nil
	}
	return Shard{}, &wording.UsageError{Err: fmt.Errorf("--shard %s is not valid", s), Hint: "1/4 is the first of four; auto takes it from a batch system"}
}
