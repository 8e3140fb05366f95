package owner

import (
	"cmp"
	"net"
	"path"
	"strconv"
	"strings"

	"onmux/probe"
)

// maxProxyTarget bounds what is kept of a proxy's command line, in bytes.
const maxProxyTarget = 256

// ProxyTarget is what a proxy passes a port on to; the zero value: it is none that is
// known, or its command line does not have it. A command line is what the process
// makes of it: it proves nothing.
type ProxyTarget struct {
	Address    string // "10.0.0.2:80"; may be a name
	Socket     string // a path, or an abstract name after "@"
	Kubernetes bool   // a service of Kubernetes
}

// ProxyTarget is what a proxy that listens on a port passes it on to.
func (o Owner) ProxyTarget(p probe.Port) ProxyTarget {
	switch name := o.program(); {
	case strings.HasSuffix(name, "docker-proxy"): // rootlesskit-docker-proxy, too
		return ProxyTarget{Address: cut(dockerProxy(o.Cmdline, p))}
	case name == "kube-proxy":
		return ProxyTarget{Kubernetes: true}
	case name == "systemd-socket-proxyd":
		to := cut(socketProxyd(o.Cmdline))
		if strings.HasPrefix(to, "/") || strings.HasPrefix(to, "@") {
			return ProxyTarget{Socket: to}
		}
		return ProxyTarget{Address: to}
	}
	return ProxyTarget{}
}

// cut bounds a text of a command line and makes it valid UTF-8.
func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxProxyTarget)], "?") }

// program is what an owner's command line starts with, or else its name.
func (o Owner) program() string {
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
			return a
		}
	}
	return ""
}

// takesValue reports whether an option of systemd-socket-proxyd has one.
func takesValue(arg string) bool {
	return arg == "-c" || arg == "--connections-max" || arg == "--exit-idle-time"
}
