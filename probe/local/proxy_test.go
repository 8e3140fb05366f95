package local

import (
	"strings"
	"testing"
	"unicode/utf8"

	"onmux/probe"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

func TestServes(t *testing.T) {
	tcp, udp := probe.Port{Number: 417, Proto: probe.TCP}, probe.Port{Number: 417, Proto: probe.UDP}
	docker := "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 417 -container-ip 172.17.0.2 -container-port 80"
	for _, c := range []struct {
		cmdline string
		port    probe.Port
		want    string
	}{
		{docker, tcp, "172.17.0.2:80"},
		{docker, udp, ""},
		{docker, probe.Port{Number: 418, Proto: probe.TCP}, ""},
		{"docker-proxy -proto udp -host-port=417 -container-ip=fd00::2 -container-port=53 -use-listen-fd", udp, "[fd00::2]:53"},
		{"rootlesskit-docker-proxy -host-port 417 -container-ip 10.0.0.2 -container-port 80", tcp, "10.0.0.2:80"},
		{"docker-proxy -host-port", tcp, ""},
		{"docker-proxy", tcp, ""},
		{"/usr/local/bin/kube-proxy --config=/var/lib/kube-proxy/config.conf", tcp, "a Kubernetes service"},
		{"/lib/systemd/systemd-socket-proxyd --exit-idle-time=5s db:5432", tcp, "db:5432"},
		{"systemd-socket-proxyd -c 5 /run/db.sock", tcp, "the socket /run/db.sock"},
		{"systemd-socket-proxyd", tcp, ""},
		{"socat TCP-LISTEN:417 TCP:db:5432", tcp, ""},
		{"nginx -c /etc/nginx.conf", tcp, ""},
		{"systemd-socket-proxyd a\x1b[2Jb:80", tcp, `"a\x1b[2Jb:80"`},
		{"systemd-socket-proxyd " + strings.Repeat("a", 5000), tcp, strings.Repeat("a", maxServed)},
	} {
		if got := served(owner.Owner{Cmdline: strings.Fields(c.cmdline)}, c.port); got != c.want {
			t.Errorf("%s on %s: %q, want %q", c.cmdline, c.port, got, c.want)
		}
	}
	if got := served(owner.Owner{Name: "kube-proxy"}, tcp); got != "a Kubernetes service" {
		t.Errorf("by its name: %q", got)
	}
}

func TestWhyProxied(t *testing.T) {
	f := finding{count: socket.Counts{socket.Listening: 1}, listeners: []Listener{{State: Listening, Reach: "any", ProxyFor: "172.17.0.2:80"}, {State: Listening, Reach: "any", ProxyFor: "172.17.0.2:80"}}}
	if why := f.verdict().Why; !strings.HasSuffix(why, "reachable from any address, a proxy for 172.17.0.2:80") {
		t.Error(why)
	}
}

// Any process names itself as it likes.
func FuzzServes(f *testing.F) {
	f.Add("docker-proxy\x00-host-port\x00417\x00-container-ip\x00::1")
	f.Add("systemd-socket-proxyd\x00-c\x00/")
	f.Fuzz(func(t *testing.T, cmdline string) {
		o := owner.Owner{Cmdline: strings.Split(cmdline, "\x00")}
		for _, proto := range probe.Protos() {
			s := served(o, probe.Port{Number: 417, Proto: proto})
			if len(s) > 6*maxServed || !utf8.ValidString(s) || strings.ContainsAny(s, "\n\x1b") {
				t.Errorf("%q", s)
			}
		}
	})
}
