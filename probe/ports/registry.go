package ports

import (
	_ "embed"
	"iter"
	"net"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
)

// registry has IANA's names, a line each in ascending order of ports: "417 onmux" for
// both protocols, "512/tcp exec" for one. It stays text, in which a port is found by
// bisection, since a map of 11,000 names would take milliseconds of every start.
//
//go:embed registry.txt
var registry string

// RegistryDate is when IANA's registry was what NameOf knows. It knows one name for a
// port and protocol, the first; ports that are registered as a range, such as
// 6000-6063, have none here.
const RegistryDate = "October 2017"

// maxName bounds the names that are looked up. RFC 6335, section 5.1 allows 15
// bytes; the registry also holds older, longer ones.
const maxName = 64

// registered is one line of the registry.
type registered struct {
	port  uint16
	name  string
	proto probe.Proto // 0: both
}

func (r registered) has(p probe.Proto) bool {
	return (p == probe.TCP || p == probe.UDP) && (r.proto == 0 || r.proto == p)
}

// lines are those of the registry from an offset on, which is the beginning of one.
func lines(offset int) iter.Seq[registered] {
	return func(yield func(registered) bool) {
		for line := range strings.Lines(registry[offset:]) {
			if !yield(parseLine(line)) {
				return
			}
		}
	}
}

func parseLine(line string) registered {
	key, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	number, proto, _ := strings.Cut(key, "/")
	n, _ := strconv.ParseUint(number, 10, 16) // a test reads all lines
	r := registered{port: uint16(n), name: name}
	switch proto {
	case "tcp":
		r.proto = probe.TCP
	case "udp":
		r.proto = probe.UDP
	}
	return r
}

// find is the offset of the first line whose port is at least port.
func find(port uint16) int {
	low, high := 0, len(registry) // offsets of lines, or the end
	for low < high {
		middle := (low + high) / 2
		begin := low + strings.LastIndexByte(registry[low:middle], '\n') + 1
		end := middle + strings.IndexByte(registry[middle:], '\n') + 1
		if parseLine(registry[begin:end]).port < port {
			low = end
		} else {
			high = begin
		}
	}
	return low
}

// NameOf is the name under which IANA registered p, "onmux" for 417, or "".
func NameOf(p probe.Port) string {
	for r := range lines(find(p.Number)) {
		if r.port != p.Number {
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
		for r := range lines(0) {
			if len(r.name) == len(name) && r.has(proto) && strings.EqualFold(r.name, name) && !yield(r.port) {
				return
			}
		}
	}
}
