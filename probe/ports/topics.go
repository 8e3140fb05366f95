package ports

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"onmux/probe"
	"onmux/probe/wording"
)

// maxTopics bounds the ports that are explained at once.
const maxTopics = 64

// Topic is a port to explain, and for which protocols it was asked.
type Topic struct {
	Port   uint16
	Protos []probe.Proto
}

// Topics reads the arguments, in which a name stands for all its ports. Ports
// come out in the order given, each once; the error is about the first argument that is no port.
func (m *Machine) Topics(args []string, protos []probe.Proto) ([]Topic, error) {
	if len(args) == 0 {
		args = []string{strconv.Itoa(probe.Onmux)}
	}
	var topics []Topic
	var wrong error
	for item := range strings.SplitSeq(strings.Join(args, ","), ",") {
		named, err := m.portsNamed(strings.TrimSpace(item), protos)
		if err != nil && wrong == nil {
			wrong = &wording.UsageError{Err: err}
		}
		for _, p := range named {
			i := slices.IndexFunc(topics, func(t Topic) bool { return t.Port == p.Number })
			if i < 0 {
				i = len(topics)
				topics = append(topics, Topic{Port: p.Number})
			}
			if !slices.Contains(topics[i].Protos, p.Proto) {
				topics[i].Protos = append(topics[i].Protos, p.Proto)
			}
			if len(topics) > maxTopics {
				return nil, &wording.UsageError{
					Err:  fmt.Errorf("more than %d ports are too many to explain at once", maxTopics),
					Hint: "name fewer, as in onmux explain 400-420",
				}
			}
		}
	}
	return topics, wrong
}

// portsNamed are the ports of one argument. A name without a protocol leads to its
// numbers, and these are explained for all protocols.
func (m *Machine) portsNamed(item string, protos []probe.Proto) ([]probe.Port, error) {
	name, suffix, bound := strings.Cut(item, "/")
	asked := protos
	if p := new(probe.Proto); bound && p.UnmarshalText([]byte(strings.ToLower(suffix))) == nil {
		asked = []probe.Proto{*p}
	} else if bound {
		return Parse([]string{item}, protos) // whose error states what is wrong
	}
	if !strings.ContainsFunc(name, unicode.IsLetter) {
		return Parse([]string{item}, protos)
	}
	var found []probe.Port
	for _, n := range m.Numbers(name, asked) {
		for _, p := range asked {
			found = append(found, probe.Port{Number: n, Proto: p})
		}
	}
	if found == nil {
		return Parse([]string{item}, protos) // which names the nearest
	}
	return found, nil
}
