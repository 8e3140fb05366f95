package help

import (
	"fmt"
	"net/netip"
	"strings"

	"onmux/probe"
	"onmux/probe/hostport"
	"onmux/probe/ports"
	"onmux/probe/wording"
)

// UnknownCommand is the error of a word in the place of a command: a port, a host and a
// network name the command that was probably meant.
func UnknownCommand(name string, names []string) (hint string, err error) {
	near := wording.Nearest(name, names)
	port := strings.TrimPrefix(name, ":")
	_, notPort := ports.Parse([]string{port}, probe.Protos())
	_, notAddress := netip.ParseAddr(strings.Trim(name, "[]"))
	first, _, several := strings.Cut(name, "/")
	if !several {
		first, _, several = strings.Cut(name, "-")
	}
	_, notFirst := netip.ParseAddr(first)
	switch word := Quote(name); {
	case near != "":
		return "did you mean onmux " + near + "? onmux --help lists the commands", fmt.Errorf(
			"unknown command %q",
			name,
		)
	case notPort == nil:
		return fmt.Sprintf(
				"onmux probe HOST:%s for another host, onmux explain %s for what it is used for",
				port,
				port,
			), fmt.Errorf(
				"%s is a port, not a command: onmux check %s shows what holds it here",
				word,
				port,
			)
	case several && notFirst == nil:
		return "onmux scan " + word + " --dry-run prints what would be sent", fmt.Errorf(
			"%s is a network, not a command: onmux scan %s probes each address",
			word,
			word,
		)
	case notAddress == nil || strings.ContainsAny(name, ".:") || name == "localhost":
		return "onmux probe HOST:PORT for another port than 417, onmux scan for networks", fmt.Errorf(
			"%s is a host, not a command: onmux probe %s examines it",
			word,
			word,
		)
	default:
		return "onmux --help lists the commands; if it is a host: onmux probe " + word, fmt.Errorf(
			"unknown command %q",
			name,
		)
	}
}

// WithPorts joins ports that are arguments of their own to the host before them, as in
// nc HOST PORT.
func WithPorts(args []string) (hosts []string, hint string, err error) {
	last, joined := "", false
	for _, arg := range args {
		if strings.Trim(strings.TrimSuffix(strings.TrimSuffix(arg, "/tcp"), "/udp"), "0123456789,-") != "" {
			hosts, last, joined = append(hosts, arg), arg, false
			continue
		}
		host, spec, err := hostport.Split(last)
		if err != nil {
			return nil, "", err
		}
		switch {
		case last == "":
			return nil, "onmux probe HOST " + arg + "; onmux check " + arg + " looks at this machine from inside", fmt.Errorf(
				"%s is a port: probe needs a host",
				arg,
			)
		case joined:
			hosts[len(hosts)-1] += "," + arg
			continue
		case spec != "":
			return nil, "onmux probe " + host + " -p " + spec + "," + arg, fmt.Errorf(
				"%s has a port: %s would be another",
				last,
				arg,
			)
		}
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		hosts[len(hosts)-1], joined = host+":"+arg, true
	}
	return hosts, "", nil
}
