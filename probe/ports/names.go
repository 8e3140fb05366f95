package ports

import (
	"net"
	"slices"
	"strings"

	"github.com/google/gopacket/layers"

	"onmux/probe"
)

// maxName bounds the names that are looked up. RFC 6335, section 5.1 allows 15
// bytes; the registry also holds older, longer ones.
const maxName = 64

// NamesAsOf is when IANA's registry was what PortName knows. It knows one name
// for a port and protocol, the first; ports that are registered as a range, such
// as 6000-6063, have none here.
const NamesAsOf = "October 2017"

// PortName is the name under which IANA registered p, "onmux" for 417, or "".
func PortName(p probe.Port) string {
	switch p.Proto {
	case probe.TCP:
		return layers.TCPPortNames[layers.TCPPort(p.Number)]
	case probe.UDP:
		return layers.UDPPortNames[layers.UDPPort(p.Number)]
	}
	return ""
}

// PortNumber finds a port by its name, in any case: first in this machine's
// table (/etc/services), which its other tools go by, then in IANA's. Of
// several ports with one name in the latter it takes the lowest. Nothing is
// sent.
func PortNumber(name string, proto probe.Proto) (uint16, bool) {
	name = strings.ToLower(name)
	if name == "" || len(name) > maxName || !strings.ContainsFunc(name, letter) {
		return 0, false // net.LookupPort would take "80" and "-1" as well
	}
	switch proto {
	case probe.TCP, probe.UDP:
		if n, err := net.LookupPort(proto.String(), name); err == nil && n > 0 && n <= 65535 {
			return uint16(n), true
		}
	}
	switch proto {
	case probe.TCP:
		return lowest(layers.TCPPortNames, name)
	case probe.UDP:
		return lowest(layers.UDPPortNames, name)
	}
	return 0, false
}

// PortNumbers are all ports that IANA registered under a name, in any case and
// from the lowest up: http-alt is 591, 8008 and 8080. It is nil for a name that
// is not registered for the protocol.
func PortNumbers(name string, proto probe.Proto) []uint16 {
	if name == "" || len(name) > maxName {
		return nil
	}
	switch proto {
	case probe.TCP:
		return numbers(layers.TCPPortNames, name)
	case probe.UDP:
		return numbers(layers.UDPPortNames, name)
	}
	return nil
}

func numbers[P ~uint16](names map[P]string, name string) []uint16 {
	var found []uint16
	for port, n := range names {
		if port != 0 && strings.EqualFold(n, name) {
			found = append(found, uint16(port))
		}
	}
	slices.Sort(found)
	return found
}

func lowest[P ~uint16](names map[P]string, name string) (found uint16, ok bool) {
	for port, n := range names {
		if (!ok || uint16(port) < found) && port != 0 && strings.EqualFold(n, name) {
			found, ok = uint16(port), true
		}
	}
	return found, ok
}

func letter(r rune) bool { return r >= 'a' && r <= 'z' }

// SimilarPortName is the registered name that name is most likely a slip of:
// the nearest, at most two edits away, and of those with the lowest port. It is
// "" if there is none.
func SimilarPortName(name string) string {
	name = strings.ToLower(name)
	if len(name) < 3 || len(name) > maxName {
		return ""
	}
	s := similar{name: name, distance: min(2, len(name)/2) + 1}
	for p, n := range layers.TCPPortNames {
		s.consider(uint16(p), n)
	}
	for p, n := range layers.UDPPortNames {
		s.consider(uint16(p), n)
	}
	return s.best
}

type similar struct {
	name, best string
	distance   int // of best, or just above what counts
	port       uint16
}

func (s *similar) consider(port uint16, n string) {
	n = strings.ToLower(n)
	d := edits(s.name, n, s.distance)
	if d < s.distance || d == s.distance && s.best != "" && port < s.port {
		s.best, s.distance, s.port = n, d, port
	}
}

// edits is how many bytes must be inserted, removed, replaced or swapped with
// their neighbour to make b of a (Damerau 1964, Levenshtein 1966), or something
// above most if it is more than that.
func edits(a, b string, most int) int {
	if len(a) > maxName || len(b) > maxName || len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	var rows [3][maxName + 1]int
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, up, upup := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := up[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, up[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], upup[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
