package ports

import (
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/textfile"
)

func TestRead(t *testing.T) {
	for text, want := range map[string]string{
		"80,443/tcp\n53/udp\n":                         "80,443/tcp 53/udp",
		"\ufeff22 # ssh\r\n\r\n; nothing\n25\t110/tcp": "22 25,110/tcp",
		"  80 , 443/tcp\n":                             "80,443/tcp",
		"ssh;http\n":                                   "ssh",
	} {
		got, err := Read("ports.txt", strings.NewReader(text))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"80\nnosuchname\n": `ports.txt:2: "nosuchname" is not a port name`,
		"80\n\n70000\n":    "ports.txt:3: port 70000 is out of range: ports are 1 to 65535",
		"# nothing\n":      "ports.txt has no ports",
		"":                 "ports.txt has no ports",
	} {
		if _, err := Read("ports.txt", strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := Read("x", strings.NewReader(strings.Repeat("1", textfile.Max+1))); err == nil {
		t.Error("a line without an end was read")
	}
}

// TestCommon: the table is in order, without repetition, and names of IANA are IANA's.
func TestCommon(t *testing.T) {
	seen := make(map[probe.Port]bool)
	last := 0
	for line := range strings.Lines(commonPorts) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 3 {
			t.Fatalf("%q", line)
		}
		all, err := Parse(f[:1], nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if seen[p] || int(p.Number) < last {
				t.Errorf("%s is out of order, or twice", p)
			}
			seen[p], last = true, int(p.Number)
			if name := NameOf(p); f[2] == "iana" && name != f[1] {
				t.Errorf("%s is %q at IANA, not %q", p, name, f[1])
			}
		}
	}
	got, err := Parse([]string{"common"}, nil)
	if err != nil || len(got) != len(seen) || len(got) < 200 {
		t.Errorf("%d ports of %d, %v", len(got), len(seen), err)
	}
	udp, err := Parse([]string{"Common/udp"}, nil)
	if err != nil || len(udp) == 0 || len(udp) >= len(got) {
		t.Errorf("%d ports of UDP, %v", len(udp), err)
	}
	if left := Exclude(got, udp); len(left) != len(got)-len(udp) {
		t.Errorf("%d of %d ports are left without %d", len(left), len(got), len(udp))
	}
}
