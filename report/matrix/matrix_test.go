package matrix_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"onmux/probe"
	. "onmux/report/matrix"
	"onmux/scan"
)

var start = netip.MustParseAddr("10.0.0.250")

// address is the one so many after start.
func address(i int) netip.Addr {
	a := start
	for range i {
		a = a.Next()
	}
	return a
}

func endpoint(zone string, i int, port uint16, s probe.State) probe.Result {
	r := probe.Result{Endpoint: probe.Endpoint{Addr: address(i), Port: port, Proto: probe.TCP}, State: s}
	r.Zone = zone
	return r
}

func span(zone string, from, to int, port uint16, s probe.State) scan.Range {
	return scan.Range{First: address(from), Last: address(to), Count: uint64(to - from + 1), Port: port, Proto: probe.TCP,
		State: s, Zone: zone}
}

// lines are rows as text.
func lines(m *Matrix) (all []string) {
	for _, r := range m.Rows() {
		var views []string
		for _, v := range r.Views {
			views = append(views, v.String())
		}
		all = append(all, fmt.Sprintf("%d %s-%s %d %s: %s", r.Agreement, r.First, r.Last, r.Count, r.Port,
			strings.Join(views, "|")))
	}
	return all
}

func TestRows(t *testing.T) {
	t.Parallel()
	var m Matrix
	ssh := endpoint("b", 1, 22, probe.Open)
	ssh.Service = &probe.Service{Name: "ssh"}
	telnet := endpoint("a", 1, 22, probe.Open)
	telnet.Service = &probe.Service{Name: "telnet"}
	unknown := endpoint("a", 3, 22, probe.Open)
	unknown.Service = &probe.Service{Name: "unknown"}
	named := endpoint("b", 3, 22, probe.Open)
	named.Service = &probe.Service{Name: "ssh"}
	for _, r := range []probe.Result{
		ssh, telnet, unknown, named, endpoint("a", 2, 22, probe.Open), endpoint("b", 2, 22, probe.Unknown),
		endpoint("b", 9, 80, probe.Closed),
	} {
		m.Endpoint(r)
	}
	m.Range(span("b", 4, 9, 22, probe.Closed))
	m.Range(span("a", 4, 6, 22, probe.Closed))
	m.Range(span("a", 7, 9, 22, probe.Filtered))
	m.Zone("c")
	want := []string{
		"0 10.0.0.251-10.0.0.251 1 22/tcp: open telnet|open ssh|-",
		"0 10.0.1.1-10.0.1.3 3 22/tcp: filtered|closed|-",
		"1 10.0.0.252-10.0.0.252 1 22/tcp: open|unknown|-",
		"1 10.0.0.253-10.0.0.253 1 22/tcp: open|open ssh|-",
		"1 10.0.0.254-10.0.1.0 3 22/tcp: closed|closed|-",
		"1 10.0.1.3-10.0.1.3 1 80/tcp: -|closed|-",
	}
	if got := lines(&m); !slices.Equal(got, want) || !slices.Equal(m.Zones(), []string{"a", "b", "c"}) {
		t.Errorf("%q:\n%s\nwant\n%s", m.Zones(), strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRowsOfEachAddress holds the rows of random records against what each zone has of each address.
func TestRowsOfEachAddress(t *testing.T) {
	t.Parallel()
	dice := rand.New(rand.NewPCG(4, 17))
	states := []probe.State{probe.Open, probe.Closed, probe.Filtered, probe.Unknown}
	for range 300 {
		var m Matrix
		zones := []string{"c", "a", "b"}[:1+dice.IntN(3)]
		want := make(map[string]string) // by address, port and zone
		at := func(i int, port uint16, zone string) string { return fmt.Sprint(address(i), port, zone) }
		for _, zone := range zones {
			m.Zone(zone)
			for _, port := range []uint16{22, 80} {
				var records []func()
				for i := 0; i < 20; {
					to, s := i+dice.IntN(5), states[dice.IntN(len(states))]
					if dice.IntN(4) > 0 {
						for j := i; j <= to; j++ {
							want[at(j, port, zone)] = s.String()
						}
						from := i
						records = append(records, func() { m.Range(span(zone, from, to, port, s)) })
					}
					i = to + 1
				}
				dice.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
				for _, add := range records {
					add()
				}
			}
		}
		slices.Sort(zones)
		seen := 0
		for _, r := range m.Rows() {
			n := uint64(0)
			for a := r.First; a.Compare(r.Last) <= 0; a = a.Next() {
				n++
				for z, v := range r.Views {
					got := v.String()
					if w := want[fmt.Sprint(a, r.Port.Number, zones[z])]; w != got && (w != "" || got != "-") {
						t.Fatalf("%s port %d from %s is %q, want %q", a, r.Port.Number, zones[z], got, w)
					} else if w != "" {
						seen++
					}
				}
			}
			if n != r.Count {
				t.Fatalf("%s-%s has %d addresses, not %d", r.First, r.Last, n, r.Count)
			}
		}
		if seen != len(want) {
			t.Fatalf("the rows have %d views of %d", seen, len(want))
		}
	}
}

// TestRowsOfOddRecords: ends of the address space, other families, scopes and ranges that are none.
func TestRowsOfOddRecords(t *testing.T) {
	t.Parallel()
	var m Matrix
	add := func(zone, first, last string) {
		m.Range(scan.Range{First: netip.MustParseAddr(first), Last: netip.MustParseAddr(last), Port: 1, Proto: probe.UDP,
			Zone: zone})
	}
	add("a", "255.255.255.254", "255.255.255.255")
	add("b", "255.255.255.255", "255.255.255.255")
	add("a", "0.0.0.0", "0.0.0.0")
	add("b", "::", "::1")
	add("a", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	add("a", "fe80::1%eth0", "fe80::1%eth0")
	add("b", "fe80::1%eth1", "fe80::1%eth1")
	add("a", "10.0.0.9", "10.0.0.1")
	add("b", "10.0.0.20", "2001:db8::1")
	m.Endpoint(probe.Result{}) // a name without an address
	var total uint64
	for _, r := range m.Rows() {
		total += r.Count
	}
	if total != 11 {
		t.Errorf("%d addresses: %q", total, lines(&m))
	}
}
