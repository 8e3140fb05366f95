package local

import (
	"cmp"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
	"onmux/probe/local/owner"
)

// maxServed bounds what is told of a proxy's command line, in bytes.
const maxServed = 256

// served names what a proxy that listens on a port passes it on to, as its
// command line has it; "" if it is none that is known, or has no address. A command
// line is what the process makes of it: it proves nothing.
func served(o owner.Owner, p probe.Port) string {
	to := ""
	switch name := program(o); {
	case strings.HasSuffix(name, "docker-proxy"): // rootlesskit-docker-proxy, too
		to = dockerProxy(o.Cmdline, p)
	case name == "kube-proxy":
		to = "a Kubernetes service"
	case name == "systemd-socket-proxyd":
		to = socketProxyd(o.Cmdline)
	}
	if len(to) > maxServed {
		to = to[:maxServed]
	}
	return printable(strings.ToValidUTF8(to, "?"))
}

// program is what an owner's command line starts with, or else its name.
func program(o owner.Owner) string {
	if len(o.Cmdline) > 0 {
		return path.Base(o.Cmdline[0])
	}
	return o.Name
}

// dockerProxy reads the flags of Docker's proxy for a published port, which has
// one process for each.
func dockerProxy(args []string, p probe.Port) string {
	port := option(args, "host-port")
	proto := cmp.Or(option(args, "proto"), "tcp")
	to := option(args, "container-ip")
	if port != strconv.Itoa(int(p.Number)) || proto != p.Proto.String() || to == "" {
		return ""
	}
	return net.JoinHostPort(to, cmp.Or(option(args, "container-port"), port))
}

// option is the value of "-name value" or "-name=value", with one dash or two.
func option(args []string, name string) string {
	for i, a := range args {
		flag, value, given := strings.Cut(strings.TrimLeft(a, "-"), "=")
		switch {
		case flag != name || !strings.HasPrefix(a, "-"):
		case given:
			return value
		case i+1 < len(args):
			return args[i+1]
		}
	}
	return ""
}

// socketProxyd reads "systemd-socket-proxyd [options] HOST:PORT|PATH"
// (systemd-socket-proxyd(8)).
func socketProxyd(args []string) string {
	for i := len(args) - 1; i > 0; i-- {
		if a := args[i]; !strings.HasPrefix(a, "-") && (i == 1 || !takesValue(args[i-1])) {
			if strings.HasPrefix(a, "/") || strings.HasPrefix(a, "@") {
				return "the socket " + a
			}
			return a
		}
	}
	return ""
}

// takesValue tells the options of systemd-socket-proxyd that have one.
func takesValue(arg string) bool {
	return arg == "-c" || arg == "--connections-max" || arg == "--exit-idle-time"
}

// proxied names what the sockets of a proxy pass on to.
func proxied(sockets []Listener) string {
	var served []string
	for _, l := range sockets {
		if l.ProxyFor != "" && !slices.Contains(served, l.ProxyFor) {
			served = append(served, l.ProxyFor)
		}
	}
	if len(served) == 0 {
		return ""
	}
	return ", a proxy for " + some(served, " and ", "other", "others")
}
