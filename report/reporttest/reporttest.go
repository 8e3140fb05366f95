package reporttest

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/listen"
	"onmux/probe/local"
	"onmux/probe/local/firewall"
	"onmux/probe/local/nat"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
	"onmux/probe/ports"
	"onmux/probe/traffic"
	"onmux/report"
	. "onmux/report/record"
	"onmux/scan"
	"onmux/scan/wire"
)

// Stream is what a handler receives.
type Stream struct {
	Started  Start
	Findings []Finding
	Ended    End
}

// Values that several tests use.
var (
	Noon  = time.Date(2026, 3, 1, 13, 0, 0, 123456789, time.FixedZone("CET", 3600))
	Addr4 = netip.MustParseAddr("192.0.2.1")
	Addr6 = netip.MustParseAddr("fe80::1%eth0")
)

var place = owner.Place{Unit: "ssh.service", Container: "0123456789ab",
	ContainerID: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", ContainerName: "web",
	Runtime: "docker", Pod: "shop/web-1", PodUID: "1b2c"}

// Ptr is the address of a copy of v.
func Ptr[T any](v T) *T { return &v }

// Sample has every kind of record, each once with every field and once with
// as few as there can be.
func Sample() Stream {
	return Stream{
		Started: Start{Schema: Schema, Command: "scan", Version: "1.2.3", Started: Noon,
			Method: map[string]string{"tcp": "syn", "udp": "udp-raw"}, Plan: &Plan{Fingerprint: "ab12", Endpoints: 5,
				Seed: "417", Shard: 1, Shards: 4}, Args: []string{"scan", "192.0.2.0/24", "-p", "417"}, Host: "here"},
		Findings: []Finding{
			probe.Result{Endpoint: probe.Endpoint{Addr: Addr6, Port: 417, Proto: probe.TCP},
				Origin: probe.Origin{Host: "router.example", Lookup: &probe.Lookup{Time: probe.Millis(time.Millisecond),
					CNAME: "web.example"}, NAT64: Addr4},
				State: probe.Open, Reason: probe.SynAck, RTT: probe.Millis(123 * time.Microsecond), Tries: 2, TTL: 64,
				Responder: Addr4, ICMP: probe.ICMP{Type: 3, Code: 13}, Confidence: probe.High,
				Notes: []string{"a note"},
				Details: probe.Details{
					Service: &probe.Service{Name: "ssh", Product: "OpenSSH", Version: "9.2p1", Banner: "SSH-2.0-<>&",
						Confidence: probe.Low, Probe: "wait", Rule: "ssh", Raw: []byte("SSH-2.0\r\n\xff"),
						Info: "protocol 2.0",
						TLS: &probe.TLS{Version: "1.3", Cipher: "TLS_AES_128_GCM_SHA256", ALPN: "h2", Subject: "CN=a",
							Names: []string{"a"}, Issuer: "CN=b", SelfSigned: true, NotBefore: Noon.UTC(),
							Expires: Noon.UTC(), Key: "RSA 1024", SHA256: strings.Repeat("0f", 32),
							ALPNs: []string{"h2", "http/1.1"}, ClientCert: probe.Requested, NameCount: 3,
							Problems: []probe.CertProblem{probe.CertSelfSigned, probe.CertWeakKey}},
						Front:    &probe.Software{Product: "Varnish", Version: "7.1"},
						Backend:  &probe.Software{Product: "nginx", Version: "1.22.1"},
						HTTP:     &probe.HTTP{Status: 200, Host: "a:8443", Title: "b", Location: "/c", Version: "1.1"},
						StartTLS: &probe.StartTLS{Offered: true, Required: true, TLS: &probe.TLS{Version: "1.2"}, Error: "e"},
						Alert:    &probe.Alert{Code: 112, Name: "unrecognized_name", Needs: probe.NeedsName}},
					Exchanges: []probe.Exchange{
						{Request: "wait", Connection: 1, Time: Noon.UTC(), End: probe.EndContinued},
						{Request: "http", Connection: 1, Time: Noon.UTC().Add(time.Second), InTLS: true, Sent: []byte("GET /"),
							SentBytes: 18, Answer: []byte("HTTP/1.0 200 OK\r\n"), AnswerSize: 2048, After: 1000, End: probe.EndReset},
						{Request: "tls", Connection: 2, Time: Noon.UTC().Add(2 * time.Second), End: probe.EndRefused},
					},
					Withdrawn: &probe.Withdrawal{After: "http", End: probe.EndRefused, State: probe.Open},
					Attempts: &probe.Attempts{Sent: 4, Answered: 3, Loss: 0.25,
						States: map[string]int{"open": 3, "filtered": 1},
						Min:    probe.Millis(time.Millisecond), Avg: probe.Millis(2 * time.Millisecond),
						Max: probe.Millis(3 * time.Millisecond), StdDev: probe.Millis(time.Millisecond)},
					MAC: "52:54:00:12:34:56", Route: &probe.Route{Source: Addr6, Interface: "eth0", Gateway: Addr6},
					Handshake: &probe.Handshake{RTT: 1000, RTTVar: 1000, MSS: 1448, PathMTU: 1500,
						Window: Ptr(uint32(0)), Options: []string{"sack"}, SYNs: 1},
					Openness: &probe.Openness{Behavior: probe.SendsData, Controls: 4, Answered: 4, Everywhere: true},
					Path: []probe.Hop{{Hop: 1}, {Hop: 2, Address: Addr4, RTT: probe.Millis(time.Millisecond),
						Reason: probe.TimeExceeded}},
					Traffic: &traffic.Totals{First: Noon.UTC(), Last: Noon.UTC(), Clients: 2, Connections: 3, Answered: 1,
						Refused: 1, Silent: 1, Sent: traffic.Volume{Packets: 4, Bytes: 17}},
					FarEnd: &probe.FarEnd{Proven: true, Source: netip.AddrPortFrom(Addr6, 51234),
						Seen: netip.AddrPortFrom(Addr6.Next(), 1024), Server: netip.AddrPortFrom(Addr6, 417),
						RTT: probe.Millis(time.Millisecond),
						Forward: &probe.Direction{Sent: 50, Arrived: 49, Reordered: 2, Duplicated: 1, MTU: 1500, MTUTried: 9000,
							TTL: 61},
						Back: &probe.Direction{Sent: 50, Arrived: 50},
						Path: []probe.Hop{{Hop: 1, Address: Addr6, RTT: probe.Millis(time.Millisecond),
							Reason: probe.TimeExceeded}}},
				},
				Evidence: []string{"a SYN-ACK"}, Error: "none"},
			probe.Result{Endpoint: probe.Endpoint{Addr: Addr4, Port: 417, Proto: probe.UDP}, State: probe.OpenFiltered},
			Violation{What: "192.0.2.1:417/udp", Expected: "closed", Actual: "open|filtered", Address: "192.0.2.1",
				Port: 417, Proto: "udp"},
			scan.Range{First: Addr4, Last: Addr4.Next(), Count: 2, Port: 417, Proto: probe.TCP, State: probe.Unknown,
				Reason: probe.LocalError, Tries: 3, Responder: Addr4, Notes: []string{"slow"},
				Error: "no route to host"},
			scan.Range{First: Addr4, Last: Addr4, Count: 1, Port: 417, Proto: probe.TCP, State: probe.Closed},
			local.Listener{Proto: probe.TCP, Address: netip.IPv6Unspecified(), Port: 417, Family: "dual",
				State: local.Listening,
				Peer:  "192.0.2.1:5000", Reach: "any", Device: "eth0", Backlog: &socket.Backlog{Used: 1, Limit: 128},
				Receive: &socket.Buffer{Used: 768, Limit: 212992}, Drops: 37, Groups: []string{"224.0.0.251 on eth0"},
				UID: Ptr(uint32(0)), NetNS: "host", Inode: 12345, ProxyFor: "172.17.0.2:80",
				Owners: []owner.Owner{{PID: 12, Name: "sshd", Exe: "/usr/sbin/sshd",
					Cmdline: []string{"sshd", "-D"}, User: "root", UID: Ptr(uint32(0)), Started: Noon,
					ExeDeleted: true, Place: place, SocketUnit: "ssh.socket", Workers: []int{13, 14},
					Parents: []owner.Process{{PID: 1, Name: "systemd"}}, Unrelated: true, Ended: true}, {PID: 1}},
				User: "root", Origin: owner.Origin{Place: place, MoreCandidates: 2,
					Candidates: []owner.Candidate{{Process: owner.Process{PID: 12, Name: "sshd"}, By: "cgroup"},
						{Process: owner.Process{PID: 13}, By: "user"}}}},
			local.Listener{Proto: probe.UDP, Address: Addr4, State: local.Bound, Reach: "public"},
			wire.Flow{Peer: wire.Peer{Client: Addr4, ClientPort: 40000},
				Endpoint: probe.Endpoint{Addr: Addr4.Next(), Port: 417, Proto: probe.TCP}, State: probe.Open,
				Reason: probe.SynAck, Tries: 1, First: Noon.UTC(), Last: Noon.UTC(), RTT: probe.Millis(time.Millisecond),
				ClientRTT: probe.Millis(time.Millisecond), Sent: traffic.Volume{Packets: 5, Bytes: 417, Repeated: 1},
				Received: traffic.Volume{Packets: 4}, End: wire.ResetByClient, Event: wire.Began,
				Greeting: &traffic.Greeting{Protocol: "tls", ServerName: "a", ALPN: []string{"h2"}, JA4: "t13d"}},
			wire.Flow{Peer: wire.Peer{Client: Addr6, LastClient: Addr6.Next()}, Connections: 7,
				Endpoint: probe.Endpoint{Addr: Addr6, Port: 417, Proto: probe.UDP}, State: probe.OpenFiltered},
			listen.Arrival{Time: Noon.UTC(), Proto: probe.TCP, Client: Addr4, ClientPort: 51234, Address: Addr4.Next(),
				Port:      417,
				Interface: "eth0", TTL: 61, Bytes: 18, Data: `GET / HTTP/1.0\r\n`, Proven: true,
				SYN: &listen.SYN{Window: 64240, MSS: 1460, Scale: Ptr(uint8(7)), Options: []string{"mss", "sack"}},
				TLS: &listen.TLS{Version: "TLS 1.3", ServerName: "a", Error: "e"}},
			listen.Arrival{Time: Noon.UTC(), Proto: probe.UDP, Client: Addr6, ClientPort: 1, Address: Addr6, Port: 417},
			local.Event{
				Time:  Noon.UTC(),
				Event: local.Began,
				Listener: local.Listener{Proto: probe.TCP, Address: Addr4, Port: 417,
					State: local.Listening, Reach: "public", Owners: []owner.Owner{{PID: 7, Name: "nginx", Comm: "nginx"}}},
			},
			local.Event{
				Time:  Noon.UTC(),
				Event: local.Stopped,
				Listener: local.Listener{Proto: probe.UDP, Address: Addr4, Port: 417,
					State: local.Listening, Reach: "public"},
			},
			local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Unknown, Why: "could not look",
				Error: "permission denied",
				Firewall: []firewall.Outcome{{Verdict: firewall.Accept, Scope: firewall.Outside, Family: "ipv4",
					Sources: []string{"192.0.2.0/24"}, More: 2, Devices: []string{"eth0"}, Addresses: []string{"192.0.2.1"},
					RouteBack: true, Policy: true, By: "table ip filter, chain input"},
					{Verdict: firewall.NotKnown, Scope: firewall.Any,
						Unknown: []string{"it depends on a mark"}}},
				Redirects: []nat.Redirect{{To: "port 8417", By: "a rule", Scope: "inside", Family: "ipv6", Means: nat.TPROXY,
					Behind:    &owner.Behind{Address: "172.17.0.2:80"},
					Addresses: []string{"192.0.2.1"}, If: []string{"a mark"}}, {To: "192.0.2.2:80", By: "a rule",
					Scope: "any"}},
				Trace: []trace.Trace{{To: "127.0.0.1:417", Outcome: trace.Accepted, Backend: "127.0.0.1:8417",
					Owners: []owner.Owner{{PID: 7}}, Behind: &owner.Behind{Address: "172.17.0.2:80", NetNS: "blue",
						Owners: []owner.Owner{{PID: 8}}}, Text: "answered"}, {To: "[::1]:417", Outcome: trace.Refused,
					Text: "refused"}}},
			local.Verdict{Port: 417, Proto: probe.UDP, Verdict: local.Free,
				Why:     "nothing holds it; not every NAT rule could be read",
				Caveats: []string{"not every NAT rule could be read"}, Bind: []string{"a privilege is missing"}},
			ports.Info{Port: 417, Protos: probe.Protos(),
				Names: []ports.Name{{Name: "onmux", Proto: probe.TCP, Source: "IANA"}},
				Services: ports.Services{File: "/etc/services",
					Lines: []ports.Service{{Line: 7, Name: "onmux", Proto: "sctp",
						Aliases: []string{"mux"}, Comment: "a comment"}}, Error: "unreadable"},
				Range: ports.System, UnprivilegedFrom: Ptr(1024), MayBind: Ptr(true), Ephemeral: Ptr(false),
				EphemeralRange: &ports.Span{First: 32768, Last: 60999}, Reserved: Ptr(false), Notes: []string{"a note"},
				History: []ports.Fact{{Fact: "It has a name.", Source: "RFC 1700"}}},
			ports.Info{Port: 50000, Protos: []probe.Proto{probe.UDP}, Services: ports.Services{File: "services"},
				Range: ports.Dynamic},
			Violation{What: "count", Expected: "open=0", Actual: "open=1"},
			Change{What: Appeared, Address: Addr4, Last: Addr4.Next(), Count: 2, Port: 417, Proto: probe.TCP,
				Old: "closed", New: "open", Confidence: probe.Low, Notes: []string{"a doubt"}},
			Change{What: Changed, Port: 417, Proto: probe.UDP, Old: "free", New: "bound", Confidence: probe.High},
			probe.Attempt{Endpoint: probe.Endpoint{Addr: Addr4, Port: 417, Proto: probe.UDP}, Host: "router.example",
				Try: 2, Time: Noon,
				State: probe.Filtered, Reason: probe.AdminProhibited, RTT: probe.Millis(time.Millisecond),
				Responder: Addr6, Error: "none"},
			probe.Attempt{Endpoint: probe.Endpoint{Addr: Addr4, Port: 417, Proto: probe.UDP}, Try: 1, Time: Noon,
				State: probe.OpenFiltered},
		},
		Ended: End{Finished: Noon.Add(time.Second), Complete: true, Coverage: []string{"everything"},
			Hints: []string{"be root"}, Outcome: Fails, ExitCode: 124,
			Summary: scan.Summary{Targets: 5, States: map[string]uint64{"open": 1, "unknown": 4}, NotReached: 1,
				Probes: 9, Passes: 2,
				Loss: Ptr(0.25), ExpectedMissed: Ptr(0.5), Contradictions: 1, Duration: probe.Millis(time.Second)}},
	}
}

// Empty is a check that found nothing.
func Empty() Stream {
	return Stream{Started: Start{Schema: Schema, Command: "check", Version: "1", Started: Noon},
		Ended: End{Finished: Noon}}
}

// Replay writes the stream to h.
func (s Stream) Replay(t testing.TB, h Handler) {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(h.Start(s.Started))
	for _, f := range s.Findings {
		check(Write(h, f))
	}
	check(h.End(s.Ended))
}

// Write is the stream in a format.
func (s Stream) Write(t testing.TB, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	h, err := report.New(format, &b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Replay(t, h)
	return b.Bytes()
}

func Starts(command string) Start {
	return Start{Schema: Schema, Command: command, Version: "1", Started: Noon}
}

func Ends(targets uint64, states map[string]uint64) End {
	return End{Finished: Noon.Add(time.Second), Complete: true, Summary: scan.Summary{Targets: targets, States: states}}
}

func Socket(proto probe.Proto, addr, family, reach string, port uint16) local.Listener {
	return local.Listener{Proto: proto, Address: netip.MustParseAddr(addr), Port: port, Family: family,
		State: local.Listening, Reach: reach, NetNS: "host", UID: Ptr(uint32(0))}
}

func Span(first, last string, count uint64, port uint16, proto probe.Proto, s probe.State, reason probe.Reason,
	tries int) scan.Range {
	return scan.Range{First: netip.MustParseAddr(first), Last: netip.MustParseAddr(last), Count: count, Port: port,
		Proto: proto, State: s, Reason: reason, Tries: tries}
}

// Hostile has what a terminal obeys, and what hides or reorders text.
const Hostile = "a\x1b[31m\x00\x07\r\n\t\x7f\u009b31m\u0085\u202e\u2066\u200b\u200f\ufeff" +
	"\u2028\u2029\U000e0041\U000e007f\ue000\U0010ffff\"\\<é世😀"

// Corpus is what Hostile peers and processes may have for names.
var Corpus = []string{
	Hostile,
	"=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(1)", "'=1", "＝1+1", "－1", "＋1", "＠SUM(1)", "\t=1", "\r=1", "a,b;c\"d\"",
	"line\nbreak\r\n",
	"]]>", "<script>alert(1)</script>", "&amp;&#0;", "<!-- -->", "--", "\x00\x01", "\xff\xfe", "\ufffe\uffff",
	"::error::injected", "%0A::error::x", "ok 1 # SKIP", "# TODO", "---\n...", "| bar | cell |",
	"`code` **b** [a](http://x) @user",
	"{label=\"x\"} 1", "\\", "\\n", "\"", "a|b", " leading and trailing ", strings.Repeat("A", 1<<18),
}

// WithText is a stream in which text stands wherever somebody else decides
// what stands there.
func WithText(text string) Stream {
	at := probe.Endpoint{Addr: Addr4, Port: 417, Proto: probe.TCP}
	s := Sample()
	s.Findings = []Finding{
		probe.Result{Endpoint: at, Origin: probe.Origin{Host: text}, State: probe.Unknown, Notes: []string{text},
			Error: text,
			Details: probe.Details{Service: &probe.Service{Name: text, Product: text, Version: text,
				Banner: text}, Withdrawn: &probe.Withdrawal{After: text},
				Exchanges: []probe.Exchange{{Request: text, Answer: []byte(text), AnswerSize: len(text)}}},
			Evidence: []string{text}},
		wire.Flow{Peer: wire.Peer{Client: Addr4, ClientPort: 1}, Endpoint: at, State: probe.Open,
			Greeting: &traffic.Greeting{Protocol: text, ServerName: text, ALPN: []string{text}, JA4: text}},
		Violation{What: at.String(), Expected: "open", Actual: text, Address: "192.0.2.1", Port: 417, Proto: "tcp"},
		local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Listening, Why: text},
		local.Listener{Proto: probe.TCP, Address: Addr4, Port: 417, State: local.Listening,
			Owners: []owner.Owner{{PID: 1, Name: text, User: text, Place: owner.Place{Unit: text}}}},
	}
	s.Ended.Coverage = []string{text}
	return s
}

// Recorder keeps what it receives.
type Recorder struct {
	Func
	Stream
	Starts, Ends int
	Fail         error // of a record
}

// NewRecorder is one that keeps nothing yet.
func NewRecorder() *Recorder {
	r := &Recorder{}
	r.Func = func(f Finding) error { r.Findings = append(r.Findings, f); return r.Fail }
	return r
}

// Start keeps s.
func (r *Recorder) Start(s Start) error { r.Started = s; r.Starts++; return nil }

// End keeps e.
func (r *Recorder) End(e End) error { r.Ended = e; r.Ends++; return nil }
