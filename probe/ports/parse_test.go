package ports

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"onmux/probe"
)

func TestParse(t *testing.T) {
	tcp, both := []probe.Proto{probe.TCP}, probe.Protos()
	for _, tt := range []struct {
		specs string
		def   []probe.Proto
		want  string
	}{
		{"417", tcp, "417/tcp"},
		{"417", both, "417/tcp 417/udp"},
		{"417", []probe.Proto{probe.UDP, probe.TCP}, "417/udp 417/tcp"},
		{"417", nil, "417/tcp 417/udp"},
		{"80,443", tcp, "80/tcp 443/tcp"},
		{"443,80,443 80", tcp, "443/tcp 80/tcp"},
		{"400-402", both, "400/tcp 400/udp 401/tcp 401/udp 402/tcp 402/udp"},
		{"7-7", tcp, "7/tcp"},
		{"65534-", tcp, "65534/tcp 65535/tcp"},
		{"-2", tcp, "1/tcp 2/tcp"},
		{"0417", tcp, "417/tcp"},
		{"onmux", both, "417/tcp 417/udp"},
		{"OnMux", tcp, "417/tcp"},
		{"http", tcp, "80/tcp"},
		{"http-alt", tcp, ""}, // which one depends on the machine
		{"53/udp", both, "53/udp"},
		{"53/UDP,53", tcp, "53/udp 53/tcp"},
		{"80,443/tcp", both, "80/tcp 443/tcp"},
		{"80,443/tcp,53/udp", both, "80/tcp 443/tcp 53/udp"},
		{"80,53/udp,443", both, "80/udp 53/udp 443/tcp 443/udp"},
		{"80 443/tcp", both, "80/tcp 80/udp 443/tcp"}, // two lists
		{"ssh,400-401,domain/tcp", both, "22/tcp 400/tcp 401/tcp 53/tcp"},
		{"onmux/udp", tcp, "417/udp"},
		{"1-2/udp,3", tcp, "1/udp 2/udp 3/tcp"},
		{"domain/udp,ssh", tcp, "53/udp 22/tcp"},
	} {
		ports, err := Parse(strings.Fields(tt.specs), tt.def)
		if err != nil {
			t.Errorf("%s: %v", tt.specs, err)
			continue
		}
		var got []string
		for _, p := range ports {
			got = append(got, p.String())
		}
		if text := strings.Join(got, " "); text != tt.want && tt.want != "" {
			t.Errorf("%s: got %s, want %s", tt.specs, text, tt.want)
		}
	}
	for _, all := range []string{"-", "1-", "-65535"} {
		if ports, err := Parse([]string{all, "9"}, tcp); err != nil || len(ports) != 65535 || ports[0].Number != 1 ||
			ports[65534].Number != 65535 {
			t.Errorf("%s: %d ports, %v", all, len(ports), err)
		}
	}
	if ports, err := Parse([]string{"80 , 443"}, tcp); err != nil || len(ports) != 2 {
		t.Errorf("spaces: %v, %v", ports, err)
	}
}

func TestParseErrors(t *testing.T) {
	tcp := []probe.Proto{probe.TCP}
	for _, tt := range []struct{ spec, want string }{
		{"", `"" is not a port: write 417, 400-420, onmux or 53/udp`},
		{"80,", `"" is not a port: write 417, 400-420, onmux or 53/udp`},
		{"/tcp", `"/tcp" is not a port: write 417, 400-420, onmux or 53/udp`},
		{"0", "port 0 is out of range: ports are 1 to 65535"},
		{"0-9", "port 0 is out of range: ports are 1 to 65535"},
		{"70000", "port 70000 is out of range: ports are 1 to 65535"},
		{"1-70000", "port 70000 is out of range: ports are 1 to 65535"},
		{"99999999999999999999999", `port "99999999999999999999999" is out of range: ports are 1 to 65535`},
		{"420-400", "range 420-400 runs backwards"},
		{"1-2-3", `"1-2-3" is not a range of ports: write 400-420`},
		{"--", `"--" is not a range of ports: write 400-420`},
		{"onmuxx", `"onmuxx" is not a port name; did you mean onmux?`},
		{"hhtp", `"hhtp" is not a port name; did you mean http?`},
		{"zzzzzzzzz", `"zzzzzzzzz" is not a port name`},
		{"80/sctp", `"80/sctp" is not a port: the protocol is tcp or udp, as in 53/udp`},
		{"80/", `"80/" is not a port: the protocol is tcp or udp, as in 53/udp`},
		{"80/tcp/udp", `"80/tcp/udp" is not a port: the protocol is tcp or udp, as in 53/udp`},
		{"U:53", `"U:53" is not a port: write "53/udp"`},
		{"T:80", `"T:80" is not a port: write "80/tcp"`},
		{"who/tcp", `"who" names no tcp port, only 513/udp`},
		{"+80", `"+80" is not a port name`},
		{"80x\n", `"80x" is not a port name`},
	} {
		ports, err := Parse([]string{tt.spec}, tcp)
		if fmt.Sprint(err) != tt.want {
			t.Errorf("%q: got %v, %v\nwant %s", tt.spec, ports, err, tt.want)
		}
	}
	if _, err := Parse(nil, tcp); err == nil {
		t.Error("no specs: no error")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"417", "80,443", "400-420", "onmux", "53/udp", "1-", "-", "-9", "U:53", "0", "70000",
		"1-2-3", "http/tcp,ssh"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		ports, err := Parse([]string{spec}, nil)
		if err != nil {
			text := err.Error()
			if len(text) > 2000 || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("the error is too long for a line, or has control characters: %.200q", text)
			}
			return
		}
		var texts []string
		for _, p := range ports {
			texts = append(texts, p.String())
		}
		again, err := Parse(texts, nil)
		if err != nil || !slices.Equal(again, ports) || len(ports) == 0 {
			t.Errorf("%q: %d ports, %d when written out again, %v", spec, len(ports), len(again), err)
		}
	})
}
