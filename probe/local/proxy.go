package local

import (
	"cmp"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
)

// maxServed bounds what is told of a proxy's command line, in bytes.
const maxServed = 256

// serves names what a proxy that listens on a port passes it on to, as its
// command line says; "" if it is none that is known, or does not say. A command
// line is what the process makes of it: it proves nothing.
func (o Owner) serves(p probe.Port) string {
	served := ""
	switch name := o.program(); {
	case strings.HasSuffix(name, "docker-proxy"): // rootlesskit-docker-proxy, too
		served = dockerProxy(o.Cmdline, p)
	case name == "kube-proxy":
		served = "a Kubernetes service"
	case name == "socat":
		served = socat(o.Cmdline, p)
	case name == "systemd-socket-proxyd":
		served = socketProxyd(o.Cmdline)
	case name == "ssh":
		served = sshForward(o.Cmdline, p)
	case name == "kubectl":
		served = portForward(o.Cmdline, p)
	}
	if len(served) > maxServed {
		served = served[:maxServed]
	}
	return printable(strings.ToValidUTF8(served, "?"))
}

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

// socat reads "socat [options] TCP-LISTEN:417,fork TCP:host:80" (socat(1)): of
// two addresses one listens on the port, and the other is what it passes on to.
func socat(args []string, p probe.Port) string {
	if len(args) < 3 {
		return ""
	}
	for i, a := range args[len(args)-2:] {
		kind, rest, _ := strings.Cut(a, ":")
		kind = strings.ToUpper(kind)
		port, _, _ := strings.Cut(rest, ",")
		listens := slices.ContainsFunc([]string{"-LISTEN", "-L", "-RECVFROM", "-RECV", "-DATAGRAM"}, func(s string) bool { return strings.HasSuffix(kind, s) })
		if !listens || port != strconv.Itoa(int(p.Number)) || strings.HasPrefix(kind, "UDP") != (p.Proto == probe.UDP) {
			continue
		}
		other := args[len(args)-1-i]
		other, _, _ = strings.Cut(other, ",")
		kind, rest, _ = strings.Cut(other, ":")
		switch kind = strings.ToUpper(kind); {
		case rest == "":
			return ""
		case strings.HasPrefix(kind, "TCP"), strings.HasPrefix(kind, "UDP"), strings.HasPrefix(kind, "OPENSSL"), strings.HasPrefix(kind, "SSL"):
			return rest
		case strings.HasPrefix(kind, "UNIX"), strings.HasPrefix(kind, "ABSTRACT"):
			return "the socket " + rest
		case slices.ContainsFunc([]string{"PROXY", "SOCKS", "SCTP", "DCCP", "VSOCK"}, func(s string) bool { return strings.HasPrefix(kind, s) }):
			return other
		}
		return "" // a program, a file or a terminal: the end of the way
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

// sshForward reads "-L [address:]port:host:hostport" and "-D [address:]port"
// (ssh(1)). The options may be grouped, and their values attached.
func sshForward(args []string, p probe.Port) string {
	if p.Proto != probe.TCP {
		return ""
	}
	for i, a := range args {
		if len(a) < 2 || a[0] != '-' {
			continue
		}
		at := strings.IndexAny(a, "LD")
		if at < 1 || strings.ContainsAny(a[1:at], "bcEeFIiJlmOopQRSWw") { // the value of another
			continue
		}
		value := a[at+1:]
		if value == "" && i+1 < len(args) {
			value = args[i+1]
		}
		parts := splitForward(value)
		number := strconv.Itoa(int(p.Number))
		switch n := len(parts); {
		case a[at] == 'D' && n >= 1 && n <= 2 && parts[n-1] == number:
			return "whatever SOCKS clients ask for, over ssh"
		case a[at] == 'L' && n >= 3 && n <= 4 && parts[n-3] == number:
			return net.JoinHostPort(strings.Trim(parts[n-2], "[]"), parts[n-1]) + ", over ssh"
		case a[at] == 'L' && n >= 2 && n <= 3 && parts[n-2] == number:
			return "the socket " + parts[n-1] + ", over ssh"
		}
	}
	return ""
}

// splitForward splits at colons outside of brackets.
func splitForward(s string) []string {
	depth := 0
	return strings.FieldsFunc(s, func(r rune) bool {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		}
		return r == ':' && depth == 0
	})
}

// portForward reads "kubectl port-forward POD 8080:80".
func portForward(args []string, p probe.Port) string {
	at := slices.Index(args, "port-forward")
	if at < 0 || p.Proto != probe.TCP {
		return ""
	}
	what := ""
	for _, a := range args[at+1:] {
		here, there, _ := strings.Cut(a, ":")
		switch {
		case strings.HasPrefix(a, "-"):
		case here == strconv.Itoa(int(p.Number)) && what != "":
			return "port " + cmp.Or(there, here) + " of " + what + ", over kubectl"
		case what == "" && here != "" && (here[0] < '0' || here[0] > '9'):
			what = a
		}
	}
	return ""
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
