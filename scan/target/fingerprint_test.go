package target_test

import (
	"context"
	"testing"

	"onmux/probe"
	. "onmux/scan/target"
)

func TestFingerprint(t *testing.T) {
	of := func(targets []string, exclude []string, ports ...probe.Port) string {
		p, err := NewPlan(context.Background(), Config{Targets: targets, Exclude: exclude, Ports: ports})
		if err != nil {
			t.Fatal(err)
		}
		return p.Fingerprint()
	}
	tcp, udp := probe.Port{Number: 417, Proto: probe.TCP}, probe.Port{Number: 417, Proto: probe.UDP}
	base := of([]string{"127.0.0.0/24"}, nil, tcp)
	for name, same := range map[string]string{
		"in two halves":      of([]string{"127.0.0.128/25", "127.0.0.0/25"}, nil, tcp),
		"with more, cut out": of([]string{"127.0.0.0/23"}, []string{"127.0.1.0/24"}, tcp),
	} {
		if same != base {
			t.Errorf("%s: %s, not %s", name, same, base)
		}
	}
	for name, other := range map[string]string{
		"another protocol": of([]string{"127.0.0.0/24"}, nil, udp),
		"one port more":    of([]string{"127.0.0.0/24"}, nil, tcp, udp),
		"one address less": of([]string{"127.0.0.0/24"}, []string{"127.0.0.9"}, tcp),
		"a neighbor":       of([]string{"127.0.1.0/24"}, nil, tcp),
	} {
		if other == base {
			t.Errorf("%s has the same fingerprint", name)
		}
	}
}
