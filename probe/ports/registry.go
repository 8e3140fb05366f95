package ports

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"iter"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"onmux/probe"
)

//go:generate ../../testdata/registry.sh

// compressed is a first line with the date and the source, "# 2024-08-25 libwireshark-data
// 4.0.17-0", then IANA's names, a line each in ascending order of ports: "417 onmux" for
// both protocols, "512/tcp exec" for one, "6000-6063 x11" for a range.
//
//go:embed registry.gz
var compressed []byte

// registry is the text in compressed, which is read when a name is first needed. It stays
// text, in which a port is found by bisection: a map of 12,000 names takes milliseconds.
var registry = sync.OnceValue(func() string {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return ""
	}
	text, _ := io.ReadAll(r) // a test reads all of it
	return string(text)
})

// header has the fields of the registry's first line: a date, a package and its version.
func header() []string {
	first, _, _ := strings.Cut(registry(), "\n")
	return strings.Fields(strings.TrimPrefix(first, "#"))
}

// RegistryDate is when IANA's registry was as NameOf knows it: "25 August 2024". NameOf
// knows one name for a port and protocol.
func RegistryDate() string {
	day, err := time.Parse(time.DateOnly, header()[0])
	if err != nil {
		return "an unknown date"
	}
	return day.Format("2 January 2006")
}

// RegistrySource is where the names come from: Wireshark's copy of the registry, in a
// package of Debian.
func RegistrySource() string { return strings.Join(header()[1:], " ") }

// maxName bounds the names that are looked up. RFC 6335, section 5.1 allows 15
// bytes; this machine's table may have longer ones.
const maxName = 64

// registered is one line of the registry.
type registered struct {
	first, last uint16
	name        string
	proto       probe.Proto // 0: both
}

func (r registered) has(p probe.Proto) bool {
	return (p == probe.TCP || p == probe.UDP) && (r.proto == 0 || r.proto == p)
}

// lines are those of text, which is the registry or begins with one of its lines.
func lines(text string) iter.Seq[registered] {
	return func(yield func(registered) bool) {
		for line := range strings.Lines(text) {
			if line[0] != '#' && !yield(parseLine(line)) {
				return
			}
		}
	}
}

func parseLine(line string) registered {
	key, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	numbers, proto, _ := strings.Cut(key, "/")
	low, high, isRange := strings.Cut(numbers, "-")
	if !isRange {
		high = low
	}
	first, _ := strconv.ParseUint(low, 10, 16) // a test reads all lines
	last, _ := strconv.ParseUint(high, 10, 16)
	r := registered{first: uint16(first), last: uint16(last), name: name}
	switch proto {
	case "tcp":
		r.proto = probe.TCP
	case "udp":
		r.proto = probe.UDP
	}
	return r
}

// from is the registry from the first line on that has port or a higher one.
func from(port uint16) string {
	text := registry()
	low, high := 0, len(text) // offsets of lines, or the end
	for low < high {
		middle := (low + high) / 2
		begin := low + strings.LastIndexByte(text[low:middle], '\n') + 1
		end := middle + strings.IndexByte(text[middle:], '\n') + 1
		if line := text[begin:end]; line[0] == '#' || parseLine(line).last < port {
			low = end
		} else {
			high = begin
		}
	}
	return text[low:]
}

// NameOf is the name under which IANA registered p, "onmux" for 417, or "".
func NameOf(p probe.Port) string {
	for r := range lines(from(p.Number)) {
		if r.first > p.Number {
			break
		}
		if r.has(p.Proto) {
			return r.name
		}
	}
	return ""
}

// NumberOf finds a port by its name, in any case: first in this machine's table
// (/etc/services), which its other tools go by, then in IANA's. Of several ports
// with one name in the latter it takes the lowest. Nothing is sent.
func NumberOf(name string, proto probe.Proto) (uint16, bool) {
	name = strings.ToLower(name)
	if name == "" || len(name) > maxName || !strings.ContainsFunc(name, isLetter) {
		return 0, false // net.LookupPort would take "80" and "-1" as well
	}
	if proto != probe.TCP && proto != probe.UDP {
		return 0, false
	}
	if n, err := net.LookupPort(proto.String(), name); err == nil && n > 0 && n <= 65535 {
		return uint16(n), true
	}
	for n := range named(name, proto) {
		return n, true
	}
	return 0, false
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' }

// NumbersOf are all ports that IANA registered under a name, in any case and from
// the lowest up: http-alt is 591, 8008 and 8080. It is nil for a name that is not
// registered for the protocol.
func NumbersOf(name string, proto probe.Proto) []uint16 {
	if name == "" || len(name) > maxName {
		return nil
	}
	return slices.Collect(named(name, proto))
}

func named(name string, proto probe.Proto) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for r := range lines(registry()) {
			if len(r.name) != len(name) || !r.has(proto) || !strings.EqualFold(r.name, name) {
				continue
			}
			for n := int(r.first); n <= int(r.last); n++ {
				if !yield(uint16(n)) {
					return
				}
			}
		}
	}
}
