package ports

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
	"onmux/probe/wording"
)

// Parse reads ports as users write them: "417", "80,443", "400-420",
// "1024-", "-1023", "-" (all of them), "onmux", "53/udp", "400-420/tcp", "common". A
// protocol holds for its item and those before it in the same list that have none:
// "80,443/tcp" is 80/tcp and 443/tcp. Items without one mean def (none: both), in
// that order; a name means those of def that know it. Ports come out in the order
// given, each once.
func Parse(specs []string, def []probe.Proto) ([]probe.Port, error) {
	if len(def) == 0 {
		def = probe.Protos()
	}
	l := list{have: map[probe.Port]bool{}}
	for _, spec := range specs {
		for _, item := range withProtocols(strings.Split(spec, ",")) {
			if err := l.add(item, def); err != nil {
				return nil, err
			}
		}
	}
	if len(l.ports) == 0 {
		return nil, errors.New("no ports: name at least one, as in 417, 400-420, onmux or 53/udp")
	}
	return l.ports, nil
}

// withProtocols gives each item of a list the protocol of the next one that has any.
func withProtocols(items []string) []string {
	suffix := ""
	for i, item := range slices.Backward(items) {
		item = strings.TrimSpace(item)
		if at := strings.IndexByte(item, '/'); at >= 0 {
			suffix = item[at:]
		} else if item != "" {
			item += suffix
		}
		items[i] = item
	}
	return items
}

type list struct {
	ports []probe.Port
	have  map[probe.Port]bool
}

func (l *list) add(item string, protos []probe.Proto) error {
	what, suffix, bound := strings.Cut(item, "/")
	if bound {
		var p probe.Proto
		if err := p.UnmarshalText([]byte(strings.ToLower(suffix))); err != nil {
			return fmt.Errorf("%s is not a port: the protocol is tcp or udp, as in 53/udp", wording.Quote(item))
		}
		protos = []probe.Proto{p}
	}
	switch {
	case what == "":
		return fmt.Errorf("%s is not a port: write 417, 400-420, onmux or 53/udp", wording.Quote(item))
	case strings.EqualFold(what, Common):
		for p := range common(protos) {
			l.put(p)
		}
		return nil
	case strings.Trim(what, "0123456789-") != "":
		return l.name(what, protos)
	}
	from, to, err := portRange(what)
	if err != nil {
		return err
	}
	for n := from; n <= to; n++ {
		for _, p := range protos {
			l.put(probe.Port{Number: uint16(n), Proto: p})
		}
	}
	return nil
}

func (l *list) put(p probe.Port) {
	if !l.have[p] {
		l.have[p] = true
		l.ports = append(l.ports, p)
	}
}

func (l *list) name(name string, protos []probe.Proto) error {
	known := false
	for _, p := range protos {
		if n, ok := NumberOf(name, p); ok {
			l.put(probe.Port{Number: n, Proto: p})
			known = true
		}
	}
	if known {
		return nil
	}
	for _, p := range probe.Protos() {
		if n, ok := NumberOf(name, p); ok && !slices.Contains(protos, p) {
			return fmt.Errorf("%s names no %s port, only %s", wording.Quote(name), protos[0], probe.Port{Number: n, Proto: p})
		}
	}
	// As nmap writes it: T:80, U:53.
	if kind, rest, ok := strings.Cut(name, ":"); ok && rest != "" {
		switch strings.ToLower(kind) {
		case "t":
			return fmt.Errorf("%s is not a port: write %s", wording.Quote(name), wording.Quote(rest+"/tcp"))
		case "u":
			return fmt.Errorf("%s is not a port: write %s", wording.Quote(name), wording.Quote(rest+"/udp"))
		}
	}
	if near := Nearest(name); near != "" {
		return fmt.Errorf("%s is not a port name; did you mean %s?", wording.Quote(name), near)
	}
	return fmt.Errorf("%s is not a port name", wording.Quote(name))
}

// portRange reads N, N-M, N-, -M or -.
func portRange(s string) (from, to int, err error) {
	first, last, isRange := strings.Cut(s, "-")
	if strings.Contains(last, "-") {
		return 0, 0, fmt.Errorf("%s is not a range of ports: write 400-420", wording.Quote(s))
	}
	if from, err = portNumber(first, 1); err != nil {
		return 0, 0, err
	}
	if !isRange {
		return from, from, nil
	}
	if to, err = portNumber(last, 65535); err != nil {
		return 0, 0, err
	}
	if from > to {
		return 0, 0, fmt.Errorf("range %d-%d runs backwards", from, to)
	}
	return from, to, nil
}

// portNumber reads digits; none stand for end.
func portNumber(s string, end int) (int, error) {
	if s == "" {
		return end, nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		if len(s) > 20 {
			s = wording.Quote(s)
		}
		return 0, fmt.Errorf("port %s is out of range: ports are 1 to 65535", s)
	}
	return int(n), nil
}
