package local

import (
	"fmt"
	"strings"

	"onmux/probe"
)

func upper(p probe.Proto) string { return strings.ToUpper(p.String()) }

// familyNames is what was asked for, as the coverage names it.
func (q query) familyNames() string {
	switch {
	case !q.v6:
		return "IPv4"
	case !q.v4:
		return "IPv6"
	}
	return "IPv4 and IPv6"
}

// coverage says where the sockets of each protocol were read, protocols alike
// in one sentence, and which family nobody asked for.
func (q query) coverage(sources []source) []string {
	var said []string
	told := make(map[string][]string) // what is said: of which protocols
	var order []string
	for _, s := range sources {
		what := s.String()
		if told[what] == nil {
			order = append(order, what)
		}
		told[what] = append(told[what], upper(s.proto))
	}
	for _, what := range order {
		said = append(said, strings.Join(told[what], " and ")+" sockets"+what)
	}
	switch {
	case !q.v6:
		said = append(said, "IPv6 not looked at (-4)")
	case !q.v4:
		said = append(said, "IPv4 not looked at (-6)")
	}
	return said
}

// String continues a sentence that begins with the protocol's sockets.
func (s source) String() string {
	switch {
	case s.name == "":
		return fmt.Sprintf(", %s: not read: %v", s.families, s.err)
	case s.err != nil:
		return fmt.Sprintf(", %s, from %s: not all read: %v", s.families, s.name, s.err)
	case s.refused != nil:
		return fmt.Sprintf(", %s, from %s because of: %v", s.families, s.name, s.refused)
	}
	return fmt.Sprintf(", %s, from %s", s.families, s.name)
}
