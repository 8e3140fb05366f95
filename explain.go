package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/probe/ports"
	"onmux/report/phrase"
	"onmux/report/record"
)

// explainMost bounds the ports that are explained at once.
const maxExplained = 64

func explainCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:      "explain",
		Usage:     "what the registry and history say about a port",
		ArgsUsage: "[PORT|NAME...]",
		Description: `A port's names, at IANA and on this machine; what it takes to bind it here;
whether connections may leave from it; and for 417 its history, with sources.
Nothing is sent, and no socket is opened: onmux check shows what holds it.`,
		UsageText: `  onmux explain                      the history of 417
  onmux explain http-alt 53/udp`,
		Action: func(c *cli.Context) error {
			s, err := newSession(c)
			if err != nil {
				return err
			}
			machine := ports.ReadMachine()
			topics, wrong := topicsOf(machine, c.Args().Slice(), s.protos)
			if len(topics) == 0 {
				return wrong
			}
			err = s.run(
				c.Context,
				nil,
				func(_ context.Context, emit func(record.Finding) error) (record.End, error) {
					end := record.End{Complete: true, Coverage: phrase.PortCoverage(machine)}
					for _, t := range topics {
						info := machine.Info(t.port, t.protos)
						info.Notes = phrase.PortNotes(machine.Platform, t.port, os.Geteuid() == 0)
						if err := emit(info); err != nil {
							return end, err
						}
					}
					return end, nil
				},
			)
			return cmp.Or(err, wrong) // what could be explained is
		},
	}, protoFlag(), outputFlags())
}

// topic is a port to explain, and for which protocols it was asked.
type topic struct {
	port   uint16
	protos []probe.Proto
}

// topicsOf reads the arguments, in which a name stands for all its ports. Ports
// come out in the order given, each once; the error is about the first argument that is none.
func topicsOf(m *ports.Machine, args []string, protos []probe.Proto) ([]topic, error) {
	if len(args) == 0 {
		args = []string{strconv.Itoa(probe.Onmux)}
	}
	var topics []topic
	var wrong error
	for item := range strings.SplitSeq(strings.Join(args, ","), ",") {
		ports, err := portsNamed(m, strings.TrimSpace(item), protos)
		if err != nil && wrong == nil {
			wrong = usageError(err, "")
		}
		for _, p := range ports {
			i := slices.IndexFunc(topics, func(t topic) bool { return t.port == p.Number })
			if i < 0 {
				i = len(topics)
				topics = append(topics, topic{port: p.Number})
			}
			if !slices.Contains(topics[i].protos, p.Proto) {
				topics[i].protos = append(topics[i].protos, p.Proto)
			}
			if len(topics) > maxExplained {
				return nil, usageError(
					fmt.Errorf("more than %d ports are too many to explain at once", maxExplained),
					"name fewer, as in onmux explain 400-420",
				)
			}
		}
	}
	return topics, wrong
}

// portsNamed are the ports of one argument. A name without a protocol leads to its
// numbers, and these are explained for all protocols.
func portsNamed(m *ports.Machine, item string, protos []probe.Proto) ([]probe.Port, error) {
	name, suffix, bound := strings.Cut(item, "/")
	asked := protos
	if p := new(probe.Proto); bound && p.UnmarshalText([]byte(strings.ToLower(suffix))) == nil {
		asked = []probe.Proto{*p}
	} else if bound {
		return ports.Parse([]string{item}, protos) // which says what is wrong
	}
	if !strings.ContainsFunc(name, unicode.IsLetter) {
		return ports.Parse([]string{item}, protos)
	}
	var found []probe.Port
	for _, n := range m.Numbers(name, asked) {
		for _, p := range asked {
			found = append(found, probe.Port{Number: n, Proto: p})
		}
	}
	if found == nil {
		return ports.Parse([]string{item}, protos) // which names the nearest
	}
	return found, nil
}
