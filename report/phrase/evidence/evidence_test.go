package evidence

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"onmux/probe"
)

var (
	addr   = netip.MustParseAddr("10.0.0.1")
	addr6  = netip.MustParseAddr("fe80::1%eth0")
	window = uint32(65535)
	route  = &probe.Route{Source: addr, Interface: "eth0", Gateway: addr}
)

// facts has each kind, and its variants.
var facts = []struct {
	fact probe.Fact
	want []string
}{
	{probe.Fact{Kind: probe.FactSynAck, After: probe.Millis(2 * time.Second)}, []string{"SYN-ACK after 2 s"}},
	{probe.Fact{Kind: probe.FactSynAck, After: 8000, Handshake: &probe.Handshake{
		SYNs: 2, Window: &window, MSS: 1448, PathMTU: 1500, Options: []string{"sack", "ecn"},
	}}, []string{
		"SYN-ACK after 8 µs, but only after 2 SYNs: this round-trip time may be that of any of them",
		"the peer offers a window of 65,535 bytes", "segments of up to 1,448 bytes; path MTU 1,500",
		"TCP options: sack, ecn",
	}},
	{probe.Fact{Kind: probe.FactReset, After: 120_000}, []string{"RST after 0.12 ms"}},
	{probe.Fact{Kind: probe.FactRefused, After: 120_000}, []string{"refused after 0.12 ms"}},
	{probe.Fact{Kind: probe.FactResetAtOnce, After: 120_000}, []string{"accepted, and reset at once, after 0.12 ms"}},
	{probe.Fact{Kind: probe.FactReply, After: 120_000, Size: 1, Data: []byte("a"), Count: 1},
		[]string{`a datagram of 1 byte after 0.12 ms: "a"`}},
	{probe.Fact{Kind: probe.FactReply, After: 120_000, Size: 100, Data: []byte("a\x00"), Count: 2},
		[]string{`a datagram of 100 bytes after 0.12 ms, after a second datagram had been sent: "a\x00" …`}},
	{probe.Fact{Kind: probe.FactReplyTo, Text: "dns", After: probe.Millis(303 * time.Millisecond)},
		[]string{`a datagram in answer to the request "dns", within 303ms`}},
	{probe.Fact{Kind: probe.FactSilence, After: probe.Millis(time.Second)}, []string{"nothing came back in 1 s"}},
	{probe.Fact{Kind: probe.FactSilence, After: probe.Millis(time.Second), Count: 1},
		[]string{"nothing came back in 1 s; the kernel sent 1 SYN"}},
	{probe.Fact{Kind: probe.FactSilence, After: probe.Millis(time.Second), Count: 2, Size: 12},
		[]string{"nothing came back in 1 s; 2 datagrams sent, 12 bytes each"}},
	{probe.Fact{Kind: probe.FactPortUnreachable, After: 120_000},
		[]string{"port unreachable after 0.12 ms; this system does not show from whom"}},
	{probe.Fact{Kind: probe.FactSystemError, After: 120_000, Text: "no route to host"},
		[]string{`the system reported "no route to host" after 0.12 ms`}},
	{probe.Fact{Kind: probe.FactKernelError, After: 120_000, Text: "no route to host"},
		[]string{`the kernel reported "no route to host" after 0.12 ms, without the ICMP message behind it`}},
	{probe.Fact{Kind: probe.FactICMP, ICMP: probe.ICMP{Type: 3, Code: 13}, Addr: addr, After: 120_000},
		[]string{"ICMP 3/13 (administratively prohibited) from 10.0.0.1, after 0.12 ms"}},
	{probe.Fact{Kind: probe.FactICMP, ICMP: probe.ICMP{Type: 3, Code: 1}, Sender: probe.SenderNeighbor, After: 120_000},
		[]string{"ICMP 3/1 (host unreachable) from an unknown sender, this machine: " +
			"no neighbor answered for the address, after 0.12 ms"}},
	{probe.Fact{Kind: probe.FactICMPIgnored, ICMP: probe.ICMP{Type: 3, Code: 4}, Addr: addr},
		[]string{"ICMP 3/4 (fragmentation needed) from 10.0.0.1 ended the handshake, and is not a verdict on the port"}},
	{probe.Fact{Kind: probe.FactNoNeighbor, Addr: addr, Route: &probe.Route{Interface: "eth0"}, After: 120_000},
		[]string{"no neighbor answers for 10.0.0.1 on eth0 (ARP), so that nothing left this machine in 0.12 ms"}},
	{probe.Fact{Kind: probe.FactNoNeighbor, Addr: addr6, Route: route, After: 120_000},
		[]string{"the gateway fe80::1%eth0 does not answer on eth0 (NDP), so that nothing left this machine in 0.12 ms"}},
	{probe.Fact{Kind: probe.FactSource, From: netip.AddrPortFrom(addr, 4000)}, []string{"probed from 10.0.0.1:4000"}},
	{probe.Fact{Kind: probe.FactSource, From: netip.AddrPortFrom(addr, 4000), Route: route},
		[]string{"probed from 10.0.0.1:4000 on eth0 through the gateway 10.0.0.1"}},
	{probe.Fact{Kind: probe.FactSource, From: netip.AddrPortFrom(addr6, 4000), Route: &probe.Route{Interface: "eth0"}},
		[]string{"probed from [fe80::1%eth0]:4000"}},
	{probe.Fact{Kind: probe.FactOwnPort},
		[]string{"this scan sends from the port, so no other program holds it; nothing was sent to it"}},
	{probe.Fact{Kind: probe.FactQuote, ICMP: probe.ICMP{Type: 3, Code: 13}, Addr: addr},
		[]string{"ICMP type 3 code 13 from 10.0.0.1 quotes our probe"}},
	{probe.Fact{Kind: probe.FactDatagram, Size: 12}, []string{"12-byte answer to our datagram"}},
	{probe.Fact{Kind: probe.FactWindow, Size: 64240},
		[]string{"SYN-ACK with a window of 64,240 bytes that acknowledges our SYN"}},
	{probe.Fact{Kind: probe.FactRST}, []string{"RST that acknowledges our SYN"}},
	{probe.Fact{Kind: probe.FactMAC, Text: "02:00:00:00:00:01"}, []string{"its MAC is 02:00:00:00:00:01"}},
	{probe.Fact{Kind: probe.FactUnresolved, Addr: addr}, []string{"no answer to ARP for 10.0.0.1"}},
	{probe.Fact{Kind: probe.FactUnresolved, Addr: addr6}, []string{"no answer to neighbor discovery for fe80::1%eth0"}},
}

// notes has each kind of note, and its variants.
var notes = []struct {
	fact probe.Fact
	want string
}{
	{probe.Fact{Kind: probe.FactNoTime, Part: probe.PartService}, "there was no time to identify the service"},
	{probe.Fact{Kind: probe.FactNotFound, Part: probe.PartVerify, Text: "out of local resources"},
		"whether it is a service could not be tested: out of local resources"},
	{probe.Fact{Kind: probe.FactFamilies, State: probe.Open, Addr: addr},
		"IPv4 and IPv6 differ: over IPv4 db1 is open at 10.0.0.1"},
	{probe.Fact{Kind: probe.FactNoRouter},
		"the path: the target is on this network, so that no router lies between; it drops the packets itself"},
	{probe.Fact{Kind: probe.FactNoHop}, "the path: not even the first hop answers"},
	{probe.Fact{Kind: probe.FactContradictory, States: map[string]int{"closed": 1, "open": 2}},
		"the answers contradict each other: 2 open, 1 closed; the last one counts"},
	{probe.Fact{Kind: probe.FactSilentSince, State: probe.Open, Count: 4, Size: 3},
		"it was open up to try 4; the 3 tries since had no answer"},
	{probe.Fact{Kind: probe.FactLastSilent, Count: 1}, "the last try had no answer; the state is that of the last answer"},
	{probe.Fact{Kind: probe.FactLastSilent, Count: 2},
		"the last 2 tries had no answer; the state is that of the last answer"},
	{probe.Fact{Kind: probe.FactRateLimited}, "hosts limit how many port unreachables they send, often to one a second: " +
		"what looks like loss may be that"},
}

func result(f probe.Fact) *probe.Result {
	r := &probe.Result{Endpoint: probe.Endpoint{Addr: addr, Port: 417, Proto: probe.TCP}}
	r.Host, r.Facts = "db1", []probe.Fact{f}
	return r
}

// unknown are facts that explain why a state is unknown.
var unknown = []struct {
	fact probe.Fact
	want string
}{
	{probe.Fact{Kind: probe.FactOneDirection},
		"the packets of one direction are not in the capture: clients go on after answers that it does not have"},
	{probe.Fact{Kind: probe.FactCaptureEnds, After: probe.Millis(12 * time.Millisecond)},
		"the capture ends 12.0 ms after it was first tried"},
	{probe.Fact{Kind: probe.FactNeverAsked}, "no client tried to reach it within the capture"},
}

// Every kind of fact is a sentence of evidence, a note or why the state is unknown, and only one of them.
func TestFacts(t *testing.T) {
	seen := make(map[probe.FactKind]bool)
	for _, tt := range facts {
		seen[tt.fact.Kind] = true
		r := result(tt.fact)
		if got := Sentences(r); !slices.Equal(got, tt.want) || Notes(r) != nil {
			t.Errorf("%s: %q, notes %q; want %q", tt.fact.Kind, got, Notes(r), tt.want)
		}
	}
	for _, tt := range notes {
		seen[tt.fact.Kind] = true
		r := result(tt.fact)
		if got := Notes(r); !slices.Equal(got, []string{tt.want}) || Sentences(r) != nil {
			t.Errorf("%s: %q, evidence %q; want %q", tt.fact.Kind, got, Sentences(r), tt.want)
		}
	}
	for _, tt := range unknown {
		seen[tt.fact.Kind] = true
		r := result(tt.fact)
		if got := Failure(r.Facts); got != tt.want || Sentences(r) != nil || Notes(r) != nil {
			t.Errorf("%s: %q, want %q", tt.fact.Kind, got, tt.want)
		}
	}
	for _, kind := range kinds(t) {
		if !seen[kind] {
			t.Errorf("no sentence is tested for %s", kind)
		}
	}
}

// kinds are all kinds that package probe has.
func kinds(t *testing.T) (all []probe.FactKind) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../../probe/fact.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "FactKind" {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, probe.FactKind(value))
		}
		return true
	})
	return all
}
