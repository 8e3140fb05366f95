package ports

import (
	"fmt"
	"strconv"
	"strings"
)

// Span is a range of ports, both ends included.
type Span struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
}

// Has reports whether a port is in it.
func (s Span) Has(port uint16) bool { return s.First <= port && port <= s.Last }

// Range is one of the three that RFC 6335, section 6, divides the ports into.
type Range string

// The ranges.
const (
	System  Range = "system"  // 0-1023, also called well-known
	User    Range = "user"    // 1024-49151, also called registered
	Dynamic Range = "dynamic" // 49152-65535, never assigned
)

// Ranges lists them from the lowest.
func Ranges() []Range { return []Range{System, User, Dynamic} }

// Span is where a range lies.
func (r Range) Span() Span {
	switch r {
	case System:
		return Span{0, 1023}
	case User:
		return Span{1024, 49151}
	}
	return Span{49152, 65535}
}

// RangeOf is the range of a port.
func RangeOf(port uint16) Range {
	for _, r := range Ranges() {
		if r.Span().Has(port) {
			return r
		}
	}
	return Dynamic
}

// parseSpans reads a list of ports as Linux writes it, "1,5-9"; an empty one is
// a list too.
func parseSpans(s string) ([]Span, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, nil
	}
	var spans []Span
	for item := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(item, "-")
		if !isRange {
			last = first
		}
		span, err := parseSpan(first, last)
		if err != nil {
			return nil, err
		}
		spans = append(spans, span)
	}
	return spans, nil
}

func parseSpan(first, last string) (Span, error) {
	from, err := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	if err != nil || err2 != nil || from > to {
		return Span{}, fmt.Errorf("%q to %q is not a range of ports", first, last)
	}
	return Span{uint16(from), uint16(to)}, nil
}
