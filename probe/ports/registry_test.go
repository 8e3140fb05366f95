package ports

import (
	"strings"
	"testing"

	"onmux/probe"
)

func TestNameOf(t *testing.T) {
	for p, want := range map[probe.Port]string{
		{Number: 417, Proto: probe.TCP}:  "onmux",
		{Number: 417, Proto: probe.UDP}:  "onmux",
		{Number: 53, Proto: probe.UDP}:   "domain",
		{Number: 22, Proto: probe.TCP}:   "ssh",
		{Number: 2272, Proto: probe.TCP}: "mmcal",
		{Number: 4, Proto: probe.TCP}:    "",
		{Number: 0, Proto: probe.TCP}:    "",
		{Number: 417}:                    "",
	} {
		if got := NameOf(p); got != want {
			t.Errorf("NameOf(%s) = %q, want %q", p, got, want)
		}
	}
}

func TestNumberOf(t *testing.T) {
	for _, tt := range []struct {
		name  string
		proto probe.Proto
		want  uint16 // 0: unknown
	}{
		{"onmux", probe.TCP, 417},
		{"ONMUX", probe.UDP, 417},
		{"http", probe.TCP, 80},
		{"domain", probe.UDP, 53},
		{"who", probe.TCP, 0},
		{"who", probe.UDP, 513},
		{"onmux", 0, 0},
		{"onmux", 9, 0},
		{"", probe.TCP, 0},
		{"80", probe.TCP, 0},
		{"-80", probe.TCP, 0},
		{"+80", probe.TCP, 0},
		{"no such", probe.TCP, 0},
		{strings.Repeat("x", 1000), probe.TCP, 0},
	} {
		got, ok := NumberOf(tt.name, tt.proto)
		if got != tt.want || ok != (tt.want != 0) {
			t.Errorf("NumberOf(%q, %s) = %d, %t, want %d", tt.name, tt.proto, got, ok, tt.want)
		}
	}
}

// NumberOf knows every name that NameOf returns, on any machine.
func TestPortNamesAreUnderstood(t *testing.T) {
	for n := range uint16(2000) {
		for _, proto := range probe.Protos() {
			name := NameOf(probe.Port{Number: n, Proto: proto})
			if name == "" || !strings.ContainsFunc(strings.ToLower(name), isLetter) {
				continue
			}
			if _, ok := NumberOf(name, proto); !ok {
				t.Errorf("%d/%s is called %q, which is not understood", n, proto, name)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"onmuxx": "onmux", "onmx": "onmux", "nomux": "onmux", "OMNUX": "onmux", "hhtp": "http", "htttps": "https",
		"": "", "x": "", "qq": "", "wwwwwwwwww": "", strings.Repeat("a", 100): "",
	} {
		if got := Nearest(name); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

func BenchmarkNumberOf(b *testing.B) {
	for b.Loop() {
		NumberOf("onmux", probe.UDP)
	}
}

func BenchmarkNearest(b *testing.B) {
	for b.Loop() {
		Nearest("onmuxx")
	}
}
