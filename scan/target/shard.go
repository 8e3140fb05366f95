package target

import (
	"fmt"
	"strconv"
	"strings"

	"onmux/probe/wording"
)

// Shard is a part of the order's positions: of those from Lo up to and without Hi, every
// N-th, beginning with the I-th; I counts from 1. A Hi of 0 is the end of the order. The
// zero Shard has no positions.
type Shard struct {
	I, N   int
	Lo, Hi uint64 `json:",omitzero"`
}

// Segment is the positions from lo up to and without hi.
func Segment(lo, hi uint64) Shard { return Shard{I: 1, N: 1, Lo: lo, Hi: hi} }

// Valid reports whether I is from 1 to N, and Lo below Hi.
func (s Shard) Valid() bool { return s.I >= 1 && s.I <= s.N && (s.Hi == 0 || s.Lo < s.Hi) }

// All reports whether every position is the shard's.
func (s Shard) All() bool { return s.N == 1 && s.Lo == 0 && s.Hi == 0 }

// End is the position that the shard ends before, of n.
func (s Shard) End(n uint64) uint64 {
	if s.Hi == 0 {
		return n
	}
	return min(s.Hi, n)
}

// Size is how many of n positions are the shard's.
func (s Shard) Size(n uint64) uint64 {
	first, end := s.From(0), s.End(n)
	if first >= end {
		return 0
	}
	return (end-first-1)/uint64(s.N) + 1
}

// From is the shard's first position that is not below pos.
func (s Shard) From(pos uint64) uint64 {
	pos = max(pos, s.Lo)
	first, every := uint64(s.I-1), uint64(s.N)
	if pos <= first {
		return first
	}
	return first + (pos-first+every-1)/every*every
}

// Has reports whether a position is the shard's.
func (s Shard) Has(pos uint64) bool {
	return pos >= s.Lo && (s.Hi == 0 || pos < s.Hi) && pos%uint64(s.N) == uint64(s.I-1)
}

// ParseShard reads I/N; "" is the zero Shard.
func ParseShard(s string) (Shard, error) {
	if s == "" {
		return Shard{}, nil
	}
	i, n, ok := strings.Cut(s, "/")
	part, err1 := strconv.Atoi(i)
	parts, err2 := strconv.Atoi(n)
	if shard := (Shard{I: part, N: parts}); ok && err1 == nil && err2 == nil && shard.Valid() {
		return shard, nil
	}
	return Shard{}, &wording.UsageError{Err: fmt.Errorf("--shard %s is not valid", s),
		Hint: "1/4 is the first of four; auto takes it from a batch system"}
}
