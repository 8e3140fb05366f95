package request

import (
	"slices"
	"strings"
	"testing"
)

// Names are unique in a table, and the tables of payloads name requests that exist.
func TestNames(t *testing.T) {
	for proto, table := range map[string][]Request{"tcp": append(slices.Clone(tcp), HTTP), "udp": udp} {
		seen := make(map[string]bool)
		for _, r := range table {
			if r.Name == "" || seen[r.Name] {
				t.Errorf("%s: the name %q is there twice, or empty", proto, r.Name)
			}
			seen[r.Name] = true
			if r.probesOnly != (r.Service == "") {
				t.Errorf("%s: %s: a request that identifies services names one, and no other does", proto, r.Name)
			}
			sources := 0
			for _, has := range []bool{r.data != "", r.build != nil, r.buildFor != nil} {
				if has {
					sources++
				}
			}
			if sources != 1 && r.Name != "empty" {
				t.Errorf("%s: %s has %d messages", proto, r.Name, sources)
			}
		}
		if proto == "tcp" {
			continue
		}
		for port, names := range payloadNames {
			for _, name := range append(names, anyPort...) {
				if !seen[name] {
					t.Errorf("port %d: no request %q", port, name)
				}
			}
		}
	}
	for _, r := range UDP() {
		if r.probesOnly {
			t.Errorf("%s does not identify a service", r.Name)
		}
	}
}

// No message is there twice, except where two protocols share one.
func TestNoMessageTwice(t *testing.T) {
	for proto, table := range map[string][]Request{"tcp": tcp, "udp": udp} {
		seen := map[string]string{"HELP\r\n": ""} // of FTP, and of TCPMUX
		for i := range table {
			message := string(table[i].Bytes("host.invalid"))
			if other, ok := seen[message]; ok && other != "" {
				t.Errorf("%s: %s and %s are the same: %q", proto, other, table[i].Name, message)
			}
			if _, shared := seen[message]; !shared {
				seen[message] = table[i].Name
			}
		}
	}
}

// The DNS messages as RFC 1035 lays them out, byte for byte.
func TestDNSMessages(t *testing.T) {
	const header = "\x04\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	for want, build := range map[string]func() []byte{
		header + "\x00\x00\x02\x00\x01":                                          rootServers,
		header + "\x07version\x04bind\x00\x00\x10\x00\x03":                       versionBind,
		header + "\x09_services\x07_dns-sd\x04_udp\x05local\x00\x00\x0c\x00\x01": serviceTypes,
		header + "\x20CK" + strings.Repeat("A", 30) + "\x00\x00\x21\x00\x01":     nodeStatus,
		"\x00\x11" + header + "\x00\x00\x02\x00\x01":                             dnsStream(rootServers),
	} {
		if got := string(build()); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for _, tt := range []struct{ host, want string }{
		{"example.net", "Host: example.net\r\n"}, {"", "Host: localhost\r\n"}, {"a\r\nb", "Host: localhost\r\n"},
		{"2001:db8::1", "Host: [2001:db8::1]\r\n"}, {"fe80::1%eth0", "Host: [fe80::1]\r\n"},
	} {
		i := slices.IndexFunc(tcp, func(r Request) bool { return r.Name == "http-host" })
		if got := string(tcp[i].Bytes(tt.host)); !strings.Contains(got, tt.want) {
			t.Errorf("%q: %q has no %q", tt.host, got, tt.want)
		}
	}
	if got := HTTP.Bytes("example.net"); string(got) != "GET / HTTP/1.0\r\n\r\n" {
		t.Errorf("%q", got)
	}
	if !HTTP.UsualOn(80) || HTTP.UsualOn(onmux) {
		t.Error("HTTP is usual on 80 and not on 417")
	}
}

// Only TFTP's requests are answered from another port, at 69 and among those of ports
// without a known service.
func TestRepliesFromNewPort(t *testing.T) {
	for try := range 3 {
		if !RepliesFromNewPort(69, try) || RepliesFromNewPort(53, try) {
			t.Errorf("try %d: want 69 and not 53", try)
		}
	}
	for try := range 31 {
		want := strings.Contains(string(PayloadOf(onmux, try)), "octet")
		if RepliesFromNewPort(onmux, try) != want {
			t.Errorf("417, try %d: %v", try, !want)
		}
	}
}
