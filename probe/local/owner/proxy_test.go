package owner

import (
	"strings"
	"testing"
	"unicode/utf8"

	"onmux/probe"
)

func TestProxyTarget(t *testing.T) {
	tcp, udp := probe.Port{Number: 417, Proto: probe.TCP}, probe.Port{Number: 417, Proto: probe.UDP}
	docker := "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 417 " +
		"-container-ip 172.17.0.2 -container-port 80"
	for _, c := range []struct {
		cmdline string
		port    probe.Port
		want    ProxyTarget
	}{
		{docker, tcp, ProxyTarget{Address: "172.17.0.2:80"}},
		{docker, udp, ProxyTarget{}},
		{docker, probe.Port{Number: 418, Proto: probe.TCP}, ProxyTarget{}},
		{"docker-proxy -proto udp -host-port=417 -container-ip=fd00::2 -container-port=53 -use-listen-fd", udp,
			ProxyTarget{Address: "[fd00::2]:53"}},
		{"rootlesskit-docker-proxy -host-port 417 -container-ip 10.0.0.2 -container-port 80", tcp,
			ProxyTarget{Address: "10.0.0.2:80"}},
		{"docker-proxy -host-port", tcp, ProxyTarget{}},
		{"docker-proxy", tcp, ProxyTarget{}},
		{"/usr/local/bin/kube-proxy --config=/var/lib/kube-proxy/config.conf", tcp, ProxyTarget{Kubernetes: true}},
		{"/lib/systemd/systemd-socket-proxyd --exit-idle-time=5s db:5432", tcp, ProxyTarget{Address: "db:5432"}},
		{"systemd-socket-proxyd -c 5 /run/db.sock", tcp, ProxyTarget{Socket: "/run/db.sock"}},
		{"systemd-socket-proxyd", tcp, ProxyTarget{}},
		{"socat TCP-LISTEN:417 TCP:db:5432", tcp, ProxyTarget{}},
		{"nginx -c /etc/nginx.conf", tcp, ProxyTarget{}},
		{"systemd-socket-proxyd a\x1b[2Jb:80", tcp, ProxyTarget{Address: "a\x1b[2Jb:80"}},
		{"systemd-socket-proxyd " + strings.Repeat("a", 5000), tcp,
			ProxyTarget{Address: strings.Repeat("a", maxProxyTarget)}},
	} {
		if got := (Owner{Cmdline: strings.Fields(c.cmdline)}).ProxyTarget(c.port); got != c.want {
			t.Errorf("%s on %s: %+v, want %+v", c.cmdline, c.port, got, c.want)
		}
	}
	if got := (Owner{Name: "kube-proxy"}).ProxyTarget(tcp); !got.Kubernetes {
		t.Errorf("by its name: %+v", got)
	}
}

// Any process has the command line that it likes.
func FuzzProxyTarget(f *testing.F) {
	f.Add("docker-proxy\x00-host-port\x00417\x00-container-ip\x00::1")
	f.Add("systemd-socket-proxyd\x00-c\x00/")
	f.Fuzz(func(t *testing.T, cmdline string) {
		o := Owner{Cmdline: strings.Split(cmdline, "\x00")}
		for _, proto := range probe.Protos() {
			target := o.ProxyTarget(probe.Port{Number: 417, Proto: proto})
			for _, s := range []string{target.Address, target.Socket} {
				if len(s) > maxProxyTarget || !utf8.ValidString(s) {
					t.Errorf("%q", s)
				}
			}
		}
	})
}
