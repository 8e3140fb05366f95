package nmap

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// kept is what our reader needs of endpoints that nmap's words do not state. It stands in a
// comment: of a port in its element, of folded ports and those of a host that is down in the
// host's, of ranges of addresses and of names without an address at the top.
type kept struct {
	Ports  string     `json:"ports,omitempty"` // "1-1000,8080"
	Proto  string     `json:"proto,omitempty"`
	First  netip.Addr `json:"first,omitzero"`
	Last   netip.Addr `json:"last,omitzero"`
	Number uint64     `json:"count,omitzero"` // of addresses
	Host   string     `json:"host,omitempty"`

	State      probe.State      `json:"state"`
	Reason     probe.Reason     `json:"reason,omitzero"`
	RTT        probe.Millis     `json:"rtt_ms,omitzero"` // of a single port
	Tries      int              `json:"tries,omitzero"`
	Responder  netip.Addr       `json:"responder,omitzero"`
	ICMP       probe.ICMP       `json:"icmp,omitzero"`
	Confidence probe.Confidence `json:"confidence,omitempty"`
	Doubts     []probe.Doubt    `json:"doubts,omitempty"`
	Notes      []string         `json:"notes,omitempty"`
	Error      string           `json:"error,omitempty"`

	count int
}

func keptOf(r probe.Result) kept {
	return kept{Ports: strconv.Itoa(int(r.Port)), Proto: r.Proto.String(), State: r.State, Reason: r.Reason,
		Tries: r.Tries, Responder: r.Responder, ICMP: r.ICMP, Confidence: r.Confidence, Doubts: r.Doubts, Notes: r.Notes,
		Error: r.Error, count: 1}
}

func keptRange(r scan.Range) kept {
	k := keptOf(record.At(r, r.First))
	k.First, k.Last, k.Number = r.First, r.Last, r.Count
	return k
}

// isLost reports whether the words of nmap's XML are not all that is to be read again.
func (k kept) isLost() bool {
	state := status{State: stateName(k.State), Reason: reasonName(k.Reason)}
	if k.Responder.IsValid() {
		state.By = k.Responder.String()
	}
	var r probe.Result
	port{Proto: k.Proto, State: state}.result(&r)
	read := keptOf(r)
	read.Ports, read.Proto, read.count = k.Ports, k.Proto, k.count
	return !reflect.DeepEqual(read, k)
}

// apply makes r what k states of it.
func (k kept) apply(r *probe.Result) {
	r.State, r.Reason, r.RTT, r.Tries, r.Responder, r.ICMP = k.State, k.Reason, k.RTT, k.Tries, k.Responder, k.ICMP
	r.Confidence, r.Doubts, r.Notes, r.Error = k.Confidence, k.Doubts, k.Notes, k.Error
}

// maxGroups bounds the groups that a port is compared with.
const maxGroups = 32

// group puts ports together that differ in nothing but their number, in the order of the first.
func group(results []probe.Result) []kept {
	var all []kept
	var sets []*portSet
	for _, r := range results {
		k := keptOf(r)
		k.Ports = ""
		from := max(0, len(all)-maxGroups)
		i := slices.IndexFunc(all[from:], func(o kept) bool { o.count = 1; return reflect.DeepEqual(o, k) }) + from
		if i < from {
			i = len(all)
			all, sets = append(all, k), append(sets, new(portSet))
			all[i].count = 0
		}
		all[i].count++
		sets[i].add(r.Port)
	}
	for i := range all {
		all[i].Ports = sets[i].String()
	}
	return all
}

// ownCommand is which command of onmux wrote a report, and its arguments if it is certain where each
// ends. The XML of commands without endpoints is that of a scan.
func ownCommand(line string) (command string, args []string) {
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "onmux" {
		return "scan", nil
	}
	if command = words[1]; !slices.Contains([]string{"probe", "scan", "merge", "watch"}, command) {
		command = "scan"
	}
	if !strings.ContainsAny(line, `'"\\`) {
		args = words[1:]
	}
	return command, args
}

const ownPrefix = "onmux: "

// ownComment is a comment with what our reader needs; of nothing it is "".
func ownComment(all []kept) string {
	if len(all) == 0 {
		return ""
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "" // there is no such value
	}
	// Neither two hyphens nor a character that is not in XML may stand in a comment.
	escaped := strings.ReplaceAll(string(text), "-", `\u002d`)
	return "<!-- " + ownPrefix + string(phrase.EscapeJSON([]byte(escaped))) + " -->"
}

// readOwn reads such a comment; of any other it is nil.
func readOwn(comment string) []kept {
	var all []kept
	for part := range strings.SplitSeq(comment, ownPrefix) {
		var some []kept
		if json.NewDecoder(strings.NewReader(part)).Decode(&some) == nil {
			all = append(all, some...)
		}
	}
	return all
}

// ports are the endpoints that it is about.
func (k kept) ports(base probe.Result) ([]probe.Result, bool) {
	var all []probe.Result
	if base.Proto.UnmarshalText([]byte(k.Proto)) != nil {
		return nil, false
	}
	k.apply(&base)
	for part := range strings.SplitSeq(k.Ports, ",") {
		first, last, err := portRange(part)
		if err != nil {
			return nil, false
		}
		for n := int(first); n <= int(last); n++ {
			r := base
			r.Port = uint16(n)
			all = append(all, r)
		}
	}
	return all, true
}

// portSet is a set of ports.
type portSet struct{ words [1024]uint64 }

func (s *portSet) add(p uint16)   { s.words[p/64] |= 1 << (p % 64) }
func (s *portSet) has(p int) bool { return p <= 65535 && s.words[p/64]>>(p%64)&1 == 1 }
func (s *portSet) count() (n int) {
	for p := range 1 << 16 {
		if s.has(p) {
			n++
		}
	}
	return n
}

// String is "1-1000,8080".
func (s *portSet) String() string {
	var b []byte
	for p := 0; p < 1<<16; p++ {
		if s.words[p/64] == 0 {
			p |= 63
			continue
		}
		if !s.has(p) {
			continue
		}
		first := p
		for s.has(p + 1) {
			p++
		}
		if b != nil {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(first), 10)
		if p > first {
			b = strconv.AppendInt(append(b, '-'), int64(p), 10)
		}
	}
	return string(b)
}
