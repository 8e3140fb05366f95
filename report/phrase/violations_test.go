package phrase

import (
	"fmt"
	"strings"
	"testing"

	"onmux/report/record"
)

// TestAlike: violations that differ in their address only are one, which names neighbors as a
// range; counts, and what is about a part of an endpoint, are not.
func TestAlike(t *testing.T) {
	open := func(address string, port uint16) record.Violation {
		return record.Violation{What: fmt.Sprintf("%s:%d/tcp", address, port), Expected: "closed", Actual: "open",
			Address: address, Port: port, Proto: "tcp"}
	}
	service := open("10.0.0.9", 80)
	service.What = "the service of 10.0.0.9:80/tcp"
	count := record.Violation{What: "count", Expected: "open=0", Actual: "open=3"}
	filtered := open("10.0.0.9", 80)
	filtered.Actual = "filtered"
	all := []record.Violation{open("10.0.0.10", 80), open("10.0.0.3", 80), count, open("10.0.0.2", 80), filtered,
		open("10.0.0.4", 80), open("10.0.0.7", 443), service, count}
	ByAddress(all)
	var got []string
	for _, g := range Alike(all) {
		got = append(got, Places(g)+" "+g[0].Actual)
	}
	want := []string{
		"10.0.0.2-10.0.0.4, 10.0.0.10 port 80/tcp (4), 10.0.0.7:443/tcp, the service of 10.0.0.9:80/tcp open",
		"10.0.0.9:80/tcp filtered", "count open=3", "count open=3"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	var many []record.Violation
	for n := range 50 {
		many = append(many, open(fmt.Sprintf("10.0.0.%d", 2*n), 80))
	}
	if got, end := Places(many), "10.0.0.38 and 30 more ranges port 80/tcp (50)"; !strings.HasSuffix(got, end) {
		t.Errorf("%q, want an end of %q", got, end)
	}
	var clients []record.Violation
	for n := range 5 {
		v := open(fmt.Sprintf("10.0.0.%d", n+n/3), 80)
		v.What, v.Actual = "a client of "+v.What, "10.9.9.9"
		clients = append(clients, v)
	}
	const want5 = "a client of 10.0.0.0-10.0.0.2, 10.0.0.4-10.0.0.5 port 80/tcp (5)"
	if got := Places(clients); got != want5 {
		t.Errorf("%q, want %q", got, want5)
	}
}
