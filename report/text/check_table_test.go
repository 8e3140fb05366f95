package text_test

import (
	"fmt"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/firewall"
	"onmux/probe/local/owner"
	. "onmux/report/record"
	. "onmux/report/reporttest"
)

// found is a stream of a check that looked for every port in use.
func found(s Stream) Stream {
	s.Started = Starts("check")
	s.Started.AllPorts = true
	return s
}

// Forty ports that listen take at most fifty lines of 80 columns, whatever their owners and
// units are called, and however many are in other network namespaces.
func TestTableIsShort(t *testing.T) {
	t.Parallel()
	s := found(Stream{Ended: Ends(60, map[string]uint64{"listening": 40, "elsewhere": 20})})
	s.Ended.Hints = []string{"root is needed to see every owner"}
	for i := range uint16(60) {
		v := local.Verdict{Port: 8000 + i, Proto: probe.TCP, Verdict: local.Listening, Why: strings.Repeat("why ", 40)}
		l := Socket(probe.TCP, "2001:db8::1", "ipv6", "public", 8000+i)
		o := owner.Owner{PID: 1<<22 + int(i), Name: strings.Repeat("name", 10), Cmdline: []string{strings.Repeat("x", 200)}}
		o.Unit = strings.Repeat("unit-", 10) + ".service"
		o.Workers = []int{1, 2, 3}
		l.Owners = []owner.Owner{o}
		v.Firewall = []firewall.Outcome{{Verdict: firewall.Drop, Scope: firewall.Outside}}
		if i >= 40 {
			v.Verdict, l.NetNS = local.Elsewhere, fmt.Sprintf("net:[%d]", 4026532000+uint32(i))
		}
		s.Findings = append(s.Findings, v, l)
	}
	for _, o := range []Options{{Width: 80}, {}} {
		got := textOf(t, s, o)
		fits(t, got, o)
		if n := strings.Count(got, "\n"); n > 50 {
			t.Errorf("%d lines:\n%s", n, got)
		}
		if strings.Count(got, "  drop  ") != 40 || !strings.Contains(got, "  FIREWALL  ") {
			t.Errorf("%s", got)
		}
		if !strings.Contains(got, "in 20 other network namespaces: 20 ports (--all-namespaces lists them)\n") {
			t.Errorf("%s", got)
		}
	}
	all := textOf(t, s, Options{Width: 120, AllNamespaces: true})
	if n := strings.Count(all, "8040/tcp"); n != 1 || !strings.Contains(all, "net:[4026532041]") {
		t.Errorf("%s", all)
	}
}
