package report_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/ports"
	. "onmux/report"
	. "onmux/report/record"
	"onmux/scan"
)

// stream is what a handler is told.
type stream struct {
	start    Start
	findings []Finding
	end      End
}

var (
	noon  = time.Date(2026, 3, 1, 13, 0, 0, 123456789, time.FixedZone("CET", 3600))
	addr4 = netip.MustParseAddr("192.0.2.1")
	addr6 = netip.MustParseAddr("fe80::1%eth0")
)

var place = local.Place{Unit: "ssh.service", Container: "0123456789ab", ContainerID: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", ContainerName: "web", Runtime: "docker", Pod: "shop/web-1", PodUID: "1b2c"}

func ptr[T any](v T) *T { return &v }

// sample has every kind of record, each once with every field and once with
// as few as there can be.
func sample() stream {
	return stream{
		start: Start{Schema: Schema, Command: "scan", Version: "1.2.3", Started: noon,
			Method: map[string]string{"tcp": "syn", "udp": "udp-raw"}, Plan: &Plan{Fingerprint: "ab12", Endpoints: 5, Seed: "417", Shard: 1, Shards: 4}},
		findings: []Finding{
			probe.Result{Endpoint: probe.Endpoint{Addr: addr6, Port: 417, Proto: probe.TCP}, Host: "router.example",
				State: probe.Open, Reason: probe.SynAck, RTT: probe.Millis(123 * time.Microsecond), Tries: 2, TTL: 64,
				Responder: addr4, ICMP: probe.ICMP{Type: 3, Code: 13}, Confidence: probe.High, Notes: []string{"a note"},
				Service: &probe.Service{Name: "ssh", Product: "OpenSSH", Version: "9.2p1", Banner: "SSH-2.0-<>&",
					Confidence: probe.Low, Probe: "wait", Rule: "ssh", Raw: []byte("SSH-2.0\r\n\xff"), Info: "protocol 2.0",
					TLS: &probe.TLS{Version: "1.3", Cipher: "TLS_AES_128_GCM_SHA256", ALPN: "h2", Subject: "CN=a", Names: []string{"a"}, Issuer: "CN=b",
						SelfSigned: true, NotBefore: noon.UTC(), Expires: noon.UTC(), Key: "RSA 2048", SHA256: strings.Repeat("0f", 32)}},
				Attempts: &probe.Attempts{Sent: 4, Answered: 3, Loss: 0.25, States: map[string]int{"open": 3, "filtered": 1},
					Min: probe.Millis(time.Millisecond), Avg: probe.Millis(2 * time.Millisecond), Max: probe.Millis(3 * time.Millisecond), StdDev: probe.Millis(time.Millisecond)},
				Lookup: &probe.Lookup{Time: probe.Millis(time.Millisecond), CNAME: "web.example"}, NAT64: addr4,
				Route:     &probe.Route{Source: addr6, Interface: "eth0", Gateway: addr6},
				Handshake: &probe.Handshake{RTT: 1000, RTTVar: 1000, MSS: 1448, PathMTU: 1500, Window: ptr(uint32(0)), Options: []string{"sack"}, SYNs: 1},
				Openness:  &probe.Openness{Conduct: probe.Speaks, Controls: 4, Answered: 4, Everywhere: true},
				Path:      []probe.Hop{{Hop: 1}, {Hop: 2, Address: addr4, RTT: probe.Millis(time.Millisecond), Reason: probe.TimeExceeded}},
				Evidence:  []string{"a SYN-ACK"}, Error: "none"},
			probe.Result{Endpoint: probe.Endpoint{Addr: addr4, Port: 417, Proto: probe.UDP}, State: probe.OpenFiltered},
			Violation{What: "192.0.2.1:417/udp", Expected: "closed", Actual: "open|filtered", Address: "192.0.2.1", Port: 417, Proto: "udp"},
			scan.Range{First: addr4, Last: addr4.Next(), Count: 2, Port: 417, Proto: probe.TCP, State: probe.Unknown,
				Reason: probe.LocalError, Tries: 3, Responder: addr4, Notes: []string{"slow"}, Error: "no route to host"},
			scan.Range{First: addr4, Last: addr4, Count: 1, Port: 417, Proto: probe.TCP, State: probe.Closed},
			local.Listener{Proto: probe.TCP, Address: netip.IPv6Unspecified(), Port: 417, Family: "dual", State: local.Listening,
				Peer: "192.0.2.1:5000", Reach: "any", Device: "eth0", Backlog: &local.Backlog{Used: 1, Limit: 128},
				Receive: &local.Buffer{Used: 768, Limit: 212992}, Drops: 37, Groups: []string{"224.0.0.251 on eth0"},
				UID: ptr(uint32(0)), NetNS: "host", Inode: 12345, ProxyFor: "172.17.0.2:80", Owners: []local.Owner{{PID: 12, Name: "sshd", Exe: "/usr/sbin/sshd",
					Cmdline: []string{"sshd", "-D"}, User: "root", UID: ptr(uint32(0)), Started: noon, ExeDeleted: true, Place: place, SocketUnit: "ssh.socket", Workers: []int{13, 14},
					Parents: []local.Process{{PID: 1, Name: "systemd"}}, Unrelated: true, Ended: true}, {PID: 1}},
				User: "root", Origin: local.Origin{Place: place, MoreCandidates: 2,
					Candidates: []local.Candidate{{Process: local.Process{PID: 12, Name: "sshd"}, By: "cgroup"}, {Process: local.Process{PID: 13}, By: "user"}}}},
			local.Listener{Proto: probe.UDP, Address: addr4, State: local.Bound, Reach: "public"},
			local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Unknown, Why: "could not look", Error: "permission denied",
				Redirects: []local.Redirect{{To: "port 8417", By: "a rule", Scope: "inside", Family: "ipv6", Addresses: []string{"192.0.2.1"}, If: []string{"a mark"}}, {To: "192.0.2.2:80", By: "a rule", Scope: "any"}},
				Trace:     []local.Trace{{To: "127.0.0.1:417", Outcome: local.Accepted, Backend: "127.0.0.1:8417", Owners: []local.Owner{{PID: 7}}, Behind: &local.Behind{Address: "172.17.0.2:80", NetNS: "blue", Owners: []local.Owner{{PID: 8}}}, Said: "answered"}, {To: "[::1]:417", Outcome: local.Refused, Said: "refused"}}},
			local.Verdict{Port: 417, Proto: probe.UDP, Verdict: local.Free, Why: "nothing holds it; not every NAT rule could be read", Caveats: []string{"not every NAT rule could be read"}, Bind: []string{"a privilege is missing"}},
			ports.Info{Port: 417, Protos: probe.Protos(), Names: []ports.Name{{Name: "onmux", Proto: probe.TCP, Source: "IANA"}},
				Services: ports.Services{File: "/etc/services", Lines: []ports.Service{{Line: 7, Name: "onmux", Proto: "sctp",
					Aliases: []string{"mux"}, Comment: "a comment"}}, Error: "unreadable"},
				Range: ports.System, UnprivilegedFrom: ptr(1024), MayBind: ptr(true), Ephemeral: ptr(false),
				EphemeralRange: &ports.Span{First: 32768, Last: 60999}, Reserved: ptr(false), Notes: []string{"a note"},
				History: []ports.Fact{{Fact: "It has a name.", Source: "RFC 1700"}}},
			ports.Info{Port: 50000, Protos: []probe.Proto{probe.UDP}, Services: ports.Services{File: "services"}, Range: ports.Dynamic},
			Violation{What: "count", Expected: "open=0", Actual: "open=1"},
			Change{What: Appeared, Address: addr4, Last: addr4.Next(), Count: 2, Port: 417, Proto: probe.TCP, Old: "closed", New: "open", Confidence: probe.Low, Notes: []string{"a doubt"}},
			Change{What: Changed, Port: 417, Proto: probe.UDP, Old: "free", New: "bound", Confidence: probe.High},
			probe.Attempt{Endpoint: probe.Endpoint{Addr: addr4, Port: 417, Proto: probe.UDP}, Host: "router.example", Try: 2, Time: noon,
				State: probe.Filtered, Reason: probe.AdminProhibited, RTT: probe.Millis(time.Millisecond), Responder: addr6, Error: "none"},
			probe.Attempt{Endpoint: probe.Endpoint{Addr: addr4, Port: 417, Proto: probe.UDP}, Try: 1, Time: noon, State: probe.OpenFiltered},
		},
		end: End{Finished: noon.Add(time.Second), Complete: true, Coverage: []string{"everything"}, Hints: []string{"be root"}, Outcome: Fails,
			Summary: scan.Summary{Targets: 5, States: map[string]uint64{"open": 1, "unknown": 4}, NotReached: 1, Probes: 9, Passes: 2,
				Loss: ptr(0.25), ExpectedMissed: ptr(0.5), Contradictions: 1, Duration: probe.Millis(time.Second)}},
	}
}

func empty() stream {
	return stream{start: Start{Schema: Schema, Command: "check", Version: "1", Started: noon}, end: End{Finished: noon}}
}

func (s stream) tell(t testing.TB, h Handler) {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(h.Start(s.start))
	for _, f := range s.findings {
		check(Write(h, f))
	}
	check(h.End(s.end))
}

func (s stream) write(t testing.TB, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	h, err := New(format, &b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.tell(t, h)
	return b.Bytes()
}
