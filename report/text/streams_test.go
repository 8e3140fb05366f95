package text_test

import (
	"fmt"
	"net/netip"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/nat"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
	"onmux/probe/traffic"
	"onmux/report/phrase"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/scan"
	"onmux/scan/wire"
)

// textStreams are reports as a person may get them.
func textStreams() map[string]Stream {
	return map[string]Stream{
		"check":           checkStream(),
		"check-table":     found(checkStream()),
		"hostile-table":   found(hostileStream(Hostile)),
		"check-free":      freeStream(),
		"check-elsewhere": elsewhereStream(),
		"check-unknown":   unknownStream(),
		"probe":           probeStream(),
		"scan":            scanStream(),
		"scan-nothing":    nothingStream(),
		"scan-incomplete": incompleteStream(),
		"hostile-check":   as("check", hostileStream(Hostile)),
		"hostile-probe":   as("probe", hostileStream(Hostile)),
		"hostile-scan":    as("scan", hostileStream(Hostile)),
		"empty-check":     as("check", Empty()),
		"empty-probe":     as("probe", Empty()),
		"empty-scan":      as("scan", Empty()),
		"explain":         explained(others()...),
		"explain-417":     explained(onmux()),
		"hostile-explain": explained(hostilePort(Hostile)),
		"empty-explain":   as("explain", Empty()),
		"everything":      Sample(),
		"attempts":        attemptsStream(),
		"diff":            diffStream(),
		"watch":           watchStream("office.example"),
		"hostile-watch":   watchStream(Hostile),
		"zones":           zonesStream("eu-1", "us-2", "us-3"),
		"zones-one":       zonesStream("eu-1"),
		"zones-many":      zonesStream("a-1", "b-1", "c-1", "d-1", "e-1", "f-1", "g-1", "h-1", "i-1", "j-1"),
		"hostile-zones":   zonesStream("eu-1", Hostile, "us-2"),
		"diff-nothing":    as("diff", Stream{Started: Starts("diff"), Ended: Ends(512, nil)}),
		"hostile-diff":    as("diff", hostileDiff(Hostile)),
	}
}

func as(command string, s Stream) Stream {
	s.Started.Command = command
	return s
}

func checkStream() Stream {
	ssh := Socket(probe.TCP, "::", "dual", "any", 417)
	ssh.Backlog = &socket.Backlog{Used: 0, Limit: 128}
	ssh.Inode = 31337
	ssh.Owners = []owner.Owner{{PID: 812, Name: "sshd", Exe: "/usr/sbin/sshd",
		Cmdline: []string{"sshd: /usr/sbin/sshd", "-D", "[listener] 0 of 10-100 startups"},
		User:    "root", Started: Noon, ExeDeleted: true, Place: owner.Place{Unit: "ssh.service"},
		Parents: []owner.Process{{PID: 1, Name: "systemd"}}},
		{PID: 1, Name: "systemd", User: "root", Place: owner.Place{Unit: "init.scope"}, SocketUnit: "ssh.socket"}}
	ssh.Unit = "ssh.socket"
	web := Socket(probe.TCP, "127.0.0.1", "ipv4", "loopback", 8080)
	web.Backlog = &socket.Backlog{Used: 511, Limit: 511}
	web.UID = Ptr(uint32(33))
	web.Owners = []owner.Owner{
		{PID: 1200, Name: "nginx", Cmdline: []string{"nginx:", "master", "process", "/usr/sbin/nginx", "-g",
			"daemon on; master_process on;"}, User: "www-data", Workers: []int{1201, 1202},
			Place: owner.Place{Container: "4f3c2b1a0987", ContainerName: "shop", Runtime: "docker"}},
		{PID: 77, Name: "helper", User: "app", Unrelated: true},
	}
	web6 := Socket(probe.TCP, "fe80::1%eth0", "ipv6", "link-local", 8080)
	web6.Device = "eth0"
	other := Socket(probe.UDP, "0.0.0.0", "ipv4", "any", 53)
	other.UID = Ptr(uint32(101))
	other.User, other.Unit = "systemd-resolve", "systemd-resolved.service"
	other.Candidates = []owner.Candidate{{Process: owner.Process{PID: 602, Name: "systemd-resolve"}, By: "cgroup"}}
	bound := Socket(probe.TCP, "10.0.0.5", "ipv4", "private", 9000)
	bound.State = local.Bound
	conn := Socket(probe.TCP, "10.0.0.5", "ipv4", "private", 40000)
	conn.State, conn.Peer = local.Connected, "192.0.2.1:443"
	verdict := func(port uint16, proto probe.Proto, w local.Word, why string) local.Verdict {
		return local.Verdict{Port: port, Proto: proto, Verdict: w, Why: why}
	}
	closed := verdict(417, probe.UDP, local.Free, "no socket holds it")
	closed.Bind = []string{"root or CAP_NET_BIND_SERVICE is needed below 1024, and you have neither", "\x1b[2Jhostile"}
	redirected := verdict(80, probe.TCP, local.Redirected,
		"sent on to port 8080 by an nftables rule (table ip nat, chain output), only from this machine, over IPv4; "+
			"nothing listens on 80 itself")
	redirected.Trace = []trace.Trace{
		{To: "127.0.0.1:80", Outcome: trace.Accepted, Backend: "127.0.0.1:8080",
			Text: "127.0.0.1:80 is answered by nginx (pid 1201, www-data) on 127.0.0.1:8080"},
		{To: "[::1]:80", Outcome: trace.Refused, Text: "[::1]:80 refuses connections"},
	}
	redirected.Cause, redirected.Redirects, redirected.Tried = local.SentOn, []nat.Redirect{{Scope: nat.Inside}}, 1
	redirected.Bind = []string{"binding 0.0.0.0:80, [::]:80, [::]:80 with IPv4 was refused: permission denied (port " +
		"below net.ipv4.ip_unprivileged_port_start 1024)"}
	end := Ends(8, map[string]uint64{"listening": 3, "bound": 1, "redirected": 1, "elsewhere": 1, "connected": 1,
		"free": 1})
	end.Coverage = []string{"sockets of this network namespace, TCP and UDP, IPv4 and IPv6",
		"redirects by NAT were not looked at"}
	end.Hints = []string{"run as root to see the owner of every socket"}
	return Stream{Started: Starts("check"), Ended: end, Findings: []Finding{
		verdict(417, probe.TCP, local.Listening,
			"sshd (pid 812, root, ssh.service) and systemd (pid 1, root, for ssh.socket) on [::]:417, reachable from "+
				"any address"), ssh,
		closed,
		verdict(8080, probe.TCP, local.Listening,
			"nginx (pid 1200, www-data, 2 workers, docker container shop) and 1 other process on 127.0.0.1:8080, and "+
				"1 more socket, reachable from the same link"), web, web6,
		Violation{What: "8080/tcp", Expected: "free", Actual: "listening", Port: 8080, Proto: "tcp"},
		verdict(53, probe.UDP, local.Listening,
			"a socket of systemd-resolve in systemd-resolved.service, likely systemd-resolve (pid 602) on "+
				"0.0.0.0:53, reachable from any address, owner not readable"), other,
		verdict(9000, probe.TCP, local.Bound, "a socket of user root holds 10.0.0.5:9000 without listening"), bound,
		verdict(40000, probe.TCP, local.Connected, "1 connection of this machine uses the number"), conn,
		redirected,
		verdict(81, probe.TCP, local.Elsewhere, "only in the network namespace of container 4f3c2b1a0987"),
	}}
}

// elsewhereStream has ports that are held in other network namespaces, alone and
// beside the caller's own.
func elsewhereStream() Stream {
	there := func(netns string, l local.Listener, by owner.Owner) local.Listener {
		l.NetNS, l.Owners = netns, []owner.Owner{by}
		return l
	}
	shop := owner.Place{Container: "4f3c2b1a0987", ContainerName: "shop", Runtime: "docker"}
	nginx := owner.Owner{PID: 2100, Name: "nginx",
		Cmdline: []string{"nginx: master process /usr/sbin/nginx -g daemon off;"}, User: "root", Workers: []int{2101},
		Place: shop}
	caddy := owner.Owner{PID: 3100, Name: "caddy", Cmdline: []string{"/usr/bin/caddy", "run", "--config",
		"/etc/caddy/Caddyfile"}, User: "caddy"}
	inside := Socket(probe.TCP, "0.0.0.0", "ipv4", "any", 80)
	inside.Backlog = &socket.Backlog{Limit: 511}
	bound := Socket(probe.TCP, "127.0.0.1", "ipv4", "loopback", 80)
	bound.State = local.Bound
	conn := Socket(probe.TCP, "10.0.0.5", "ipv4", "private", 80)
	conn.State, conn.Peer = local.Connected, "192.0.2.1:443"
	stray := Socket(probe.TCP, "::", "dual", "any", 8080)
	stray.NetNS = "net:[4026532177]"
	s := Stream{Started: Starts("check"), Ended: Ends(3, map[string]uint64{"elsewhere": 1, "listening": 1, "free": 1})}
	s.Ended.Coverage = []string{"TCP sockets, IPv4 and IPv6, from the kernel (sock_diag)",
		"other network namespaces: 3 looked at, found by the processes that can be seen here and the names in " +
			"/run/netns and /run/docker/netns"}
	s.Ended.Hints = []string{"root is needed to look at every network namespace"}
	s.Findings = []Finding{
		local.Verdict{Port: 80, Proto: probe.TCP, Verdict: local.Elsewhere,
			Why: "in use in network namespace " +
				"blue: caddy (pid 3100, caddy) on 127.0.0.1:80, not listening; in network namespace docker container " +
				"shop: nginx (pid 2100, root, 1 worker, docker container shop) on 0.0.0.0:80, every address of that " +
				"namespace; 1 connection uses the number"},
		conn, there("blue", bound, caddy), there("docker container shop", inside, nginx),
		local.Verdict{Port: 8080, Proto: probe.TCP, Verdict: local.Listening,
			Why: "caddy (pid 3000, caddy) on 127.0.0.1:8080, reachable from this machine only; also in 1 other " +
				"network namespace (net:[4026532177])"},
		there("host", Socket(probe.TCP, "127.0.0.1", "ipv4", "loopback", 8080), caddy), stray,
		local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Free,
			Why: "no socket in this network namespace uses 417/tcp; not every other network namespace could be " +
				"looked at"},
	}
	return s
}

func freeStream() Stream {
	s := Stream{Started: Starts("check"), Ended: Ends(42, map[string]uint64{"free": 41, "connected": 1})}
	for port := uint16(400); port <= 420; port++ {
		for _, proto := range probe.Protos() {
			v := local.Verdict{Port: port, Proto: proto, Verdict: local.Free, Why: "no socket holds it"}
			if port == 410 && proto == probe.TCP {
				v.Verdict, v.Why = local.Connected, "3 ended connections still in TIME_WAIT"
			}
			s.Findings = append(s.Findings, v)
		}
	}
	return s
}

func unknownStream() Stream {
	s := Stream{Started: Starts("check"), Ended: Ends(2, map[string]uint64{"unknown": 1, "free": 1}),
		Findings: []Finding{
			local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Unknown, Why: "could not look",
				Error: "open /proc/net/tcp6: permission denied"},
			local.Verdict{Port: 417, Proto: probe.UDP, Verdict: local.Free, Why: "no socket holds it"},
		}}
	s.Ended.Complete = false
	s.Ended.Coverage = []string{"IPv6 TCP sockets could not be read: permission denied"}
	return s
}

func probeStream() Stream {
	ms := func(f float64) probe.Millis { return probe.Millis(f * float64(time.Millisecond)) }
	open := result("127.0.0.1", 22, probe.TCP, probe.Open, probe.SynAck)
	open.Host, open.RTT, open.TTL, open.Confidence = "localhost", ms(0.04), 64, probe.High
	open.Service = &probe.Service{Name: "ssh", Product: "OpenSSH", Version: "9.2p1",
		Banner: `SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n`, Confidence: probe.High, Probe: "wait", Rule: "ssh"}
	open.Evidence = []string{"SYN-ACK after 0.04 ms, window 65483, MSS 65495", "the kernel sent 1 SYN"}
	closed := result("127.0.0.1", 417, probe.TCP, probe.Closed, probe.Reset)
	closed.Host, closed.RTT = "localhost", ms(0.03)
	closed.Evidence = []string{"RST after 0.03 ms"}
	six := result("::1", 417, probe.UDP, probe.Closed, probe.PortUnreach)
	six.Host, six.RTT, six.ICMP = "localhost", ms(0.05), probe.ICMP{Type: 1, Code: 4}
	silent := result("10.0.0.7", 417, probe.UDP, probe.OpenFiltered, probe.NoResponse)
	silent.Tries = 3
	filtered := result("10.0.0.7", 417, probe.TCP, probe.Filtered, probe.AdminProhibited)
	filtered.Responder, filtered.RTT, filtered.ICMP = netip.MustParseAddr("10.0.0.254"), ms(12.3),
		probe.ICMP{Type: 3, Code: 13}
	far := result("2001:db8:1234:5678:9abc:def0:1234:5678", 65535, probe.TCP, probe.Unreachable, probe.NoNeighbor)
	failed := result("192.0.2.1", 417, probe.TCP, probe.Unknown, probe.LocalError)
	failed.Error = "connect: network is unreachable"
	odd := result("10.0.0.8", 417, probe.TCP, probe.Open, probe.SynAck)
	odd.RTT = ms(1204)
	odd.Notes = []string{phrase.VerdictDoubt(probe.Doubt{Kind: probe.DoubtZeroWindow})}
	odd.Service = &probe.Service{Name: "unknown", Banner: `\xc1,`, Confidence: probe.Low, Probe: "wait"}
	s := Stream{Started: Starts("probe"), Ended: Ends(8, map[string]uint64{"open": 2, "closed": 2, "filtered": 1,
		"open|filtered": 1, "unreachable": 1, "unknown": 1}),
		Findings: []Finding{open, closed, six, silent, filtered, far, failed, odd,
			Violation{What: "127.0.0.1:417/tcp", Expected: "open", Actual: "closed", Address: "127.0.0.1", Port: 417,
				Proto: "tcp"},
			Violation{What: "count", Expected: "open>=3", Actual: "open=2"}}}
	s.Ended.Coverage = []string{"every address of the host that was found, each port once"}
	return s
}

func scanStream() Stream {
	open := result("10.0.0.7", 417, probe.TCP, probe.Open, probe.SynAck)
	open.RTT, open.Host = probe.Millis(120*time.Microsecond), "db1.example"
	open6 := result("2001:db8::417", 417, probe.TCP, probe.Open, probe.SynAck)
	open6.RTT = probe.Millis(12300 * time.Microsecond)
	open6.Service = &probe.Service{Name: "ssh", Product: "OpenSSH", Version: "9.2p1"}
	udp := result("10.0.0.9", 417, probe.UDP, probe.Open, probe.UDPResponse)
	udp.RTT = probe.Millis(time.Millisecond)
	s := Stream{Started: Starts("scan"), Findings: []Finding{open, open6, udp,
		Span("10.0.0.0", "10.0.0.6", 7, 417, probe.TCP, probe.Closed, probe.Reset, 1),
		Span("10.0.0.8", "10.0.0.199", 192, 417, probe.TCP, probe.Closed, probe.Reset, 1),
		Span("10.0.0.200", "10.0.1.20", 77, 417, probe.TCP, probe.Filtered, probe.NoResponse, 3),
		Span("10.0.1.21", "10.0.1.21", 1, 417, probe.TCP, probe.Filtered, probe.NoResponse, 2),
		Span("2001:db8::", "2001:db8::416", 1047, 417, probe.TCP, probe.Unreachable, probe.NoNeighbor, 1),
	}}
	filtered := Span("10.0.1.22", "10.0.1.40", 19, 417, probe.TCP, probe.Filtered, probe.AdminProhibited, 1)
	filtered.Responder = netip.MustParseAddr("10.0.0.254")
	limited := Span("10.0.1.41", "10.0.1.44", 4, 417, probe.UDP, probe.OpenFiltered, probe.NoResponse, 2)
	limited.Notes = []string{"the host limits its ICMP answers: silence decides nothing"}
	failed := Span("192.0.2.0", "192.0.2.255", 256, 417, probe.UDP, probe.Unknown, probe.LocalError, 1)
	failed.Error = "sendto: network is unreachable"
	s.Findings = append(s.Findings, filtered, limited, failed)
	addr := netip.MustParseAddr("10.0.2.0")
	for range 60 {
		s.Findings = append(s.Findings, probe.Result{Endpoint: probe.Endpoint{Addr: addr, Port: 417, Proto: probe.UDP},
			State: probe.Closed, Reason: probe.PortUnreach, Tries: 1, RTT: probe.Millis(time.Millisecond)})
		addr = addr.Next().Next()
	}
	for i := range 25 {
		s.Findings = append(s.Findings, Violation{What: fmt.Sprintf("10.0.0.%d:417/tcp", i), Expected: "closed",
			Actual: "open", Address: fmt.Sprintf("10.0.0.%d", i), Port: 417, Proto: "tcp"})
	}
	s.Ended = Ends(1667, map[string]uint64{"open": 3, "closed": 259, "filtered": 97, "open|filtered": 4,
		"unreachable": 1047, "unknown": 256})
	s.Ended.Summary.Loss, s.Ended.Summary.ExpectedMissed = Ptr(0.013), Ptr(0.25)
	s.Ended.Summary.Probes, s.Ended.Summary.Passes, s.Ended.Summary.Contradictions = 3110, 3, 2
	s.Ended.Summary.Duration = probe.Millis(200 * time.Second)
	s.Ended.Coverage = []string{"10.0.0.0–10.0.0.0 (1 addresses) are left out: network address"}
	s.Ended.Hints = []string{"-v lists every record"}
	return s
}

func nothingStream() Stream {
	s := Stream{Started: Starts("scan"), Ended: Ends(256, map[string]uint64{"closed": 200, "filtered": 56}),
		Findings: []Finding{
			Span("10.0.0.0", "10.0.0.199", 200, 417, probe.TCP, probe.Closed, probe.Reset, 1),
			Span("10.0.0.200", "10.0.0.255", 56, 417, probe.TCP, probe.Filtered, probe.NoResponse, 2),
		}}
	s.Ended.Summary.Loss, s.Ended.Summary.ExpectedMissed = Ptr(0.0), Ptr(0.0)
	s.Ended.Summary.Probes, s.Ended.Summary.Passes, s.Ended.Summary.Duration = 312, 1,
		probe.Millis(1234*time.Millisecond)
	return s
}

func incompleteStream() Stream {
	s := nothingStream()
	s.Ended.Complete = false
	s.Ended.Summary.NotReached = 12345
	s.Ended.Summary.Loss, s.Ended.Summary.ExpectedMissed = nil, nil
	s.Ended.Coverage = []string{"not reached: 12,345 of 12,601 endpoints (interrupted)"}
	return s
}

const evil = "\x1b[2J\x1b]0;owned\a\u202egnp\u2066\u009b31m\x00\r\n\xff\U000e0041世界"

// hostileStream has s wherever a string may come from outside.
func hostileStream(s string) Stream {
	all := Sample()
	r := all.Findings[0].(probe.Result)
	r.Host, r.Notes, r.Evidence, r.Error = s, []string{s, s + evil}, []string{s}, s
	r.Addr = netip.MustParseAddr("fe80::1").WithZone(s)
	r.Service = &probe.Service{Name: s, Product: "", Version: s, Banner: s + evil, Confidence: probe.Confidence(s),
		Probe: s, Rule: s}
	low := r
	low.Port, low.State, low.Confidence = 80, probe.Filtered, probe.Confidence(s)
	g := Span("10.0.0.1", "10.0.0.9", 9, 417, probe.TCP, probe.Unknown, probe.LocalError, 1)
	g.Notes, g.Error = []string{s}, s
	l := Socket(probe.TCP, "::", s, s, 417)
	l.Peer, l.Device, l.NetNS, l.State = s, s, s, local.Word(s)
	l.Owners = []owner.Owner{{PID: 12, Name: s, Exe: s, Cmdline: []string{s, "", "a b", evil}, User: s,
		ExeDeleted: true, Place: owner.Place{Unit: s, Container: s, ContainerName: s, Runtime: s},
		SocketUnit: s, Parents: []owner.Process{{PID: 1, Name: s}}},
		{PID: 13, Name: s, Place: owner.Place{Container: s, Pod: s}}, {PID: 14, Place: owner.Place{PodUID: s}}}
	stray := Socket(probe.UDP, "::", s, s, 417)
	stray.User = s
	stray.Origin = owner.Origin{Place: owner.Place{Unit: s},
		Candidates: []owner.Candidate{{Process: owner.Process{PID: 1, Name: s}, By: s}, {By: s}}}
	all.Findings = []Finding{r, low, g,
		local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Word(s), Why: s, Error: s + evil}, l, stray,
		Violation{What: s, Expected: s, Actual: s, Address: s, Port: 417, Proto: s}, Violation{What: s, Expected: s,
			Actual: s}}
	all.Ended.Coverage, all.Ended.Hints = []string{s}, []string{s}
	all.Ended.Summary.States = map[string]uint64{s: 3, "open": 1}
	return all
}

func diffStream() Stream {
	at := func(what, first string, count int, old, now string, notes ...string) Change {
		a := netip.MustParseAddr(first)
		c := Change{What: what, Address: a, Port: 417, Proto: probe.TCP, Old: old, New: now, Confidence: probe.High,
			Notes: notes}
		if notes != nil {
			c.Confidence = probe.Low
		}
		if count > 1 {
			c.Count, c.Last = uint64(count), a
			for range count - 1 {
				c.Last = c.Last.Next()
			}
		}
		return c
	}
	return Stream{
		Started: Starts("diff"),
		Findings: []Finding{
			at(Vanished, "10.0.0.3", 1, "open (syn-ack)", "filtered (no-response)"),
			at(Appeared, "10.0.0.7", 1, "closed (reset)", "open (syn-ack), ssh OpenSSH 9.2p1"),
			at(Service, "10.0.0.9", 1, "ssh OpenSSH 9.2p1", "http nginx 1.22.1"),
			at(Changed, "10.0.0.16", 16, "closed (reset)", "filtered (no-response)"),
			at(Vanished, "10.0.0.200", 2, "open (syn-ack)", "filtered (no-response)",
				"the new report expects to have missed answers"),
			Change{What: Appeared, Port: 8080, Proto: probe.TCP, Old: "free", New: "listening", Confidence: probe.High},
			Change{What: Owner, Address: netip.MustParseAddr("::"), Port: 80, Proto: probe.TCP,
				Old: "nginx of www-data", New: "caddy of caddy", Confidence: probe.High},
		},
		Ended: Ends(512, map[string]uint64{Appeared: 2, Vanished: 1, Service: 1, Owner: 1, Changed: 16}),
	}
}

func hostileDiff(s string) Stream {
	d := diffStream()
	for i, f := range d.Findings {
		c := f.(Change)
		c.Old, c.New, c.What, c.Notes = s, s, s, []string{s}
		if i%2 == 0 {
			c.What = Appeared
		}
		d.Findings[i] = c
	}
	d.Ended.Coverage = []string{s}
	return d
}

// zonesStream is a scan from several zones: the first finds three ports open that the last does not, the
// last could not ask a part, and the rest is the same from all.
func zonesStream(zones ...string) Stream {
	s := Stream{Started: Starts("scan"), Ended: Ends(0, map[string]uint64{})}
	s.Ended.Complete = false
	span := func(zone, first, last string, port uint16, state probe.State) scan.Range {
		r := scan.Range{First: netip.MustParseAddr(first), Last: netip.MustParseAddr(last), Port: port, Proto: probe.TCP,
			State: state, Reason: probe.Reset, Tries: 1, Zone: zone}
		r.Count = uint64(r.Last.As4()[3]-r.First.As4()[3]) + 1
		return r
	}
	for i, zone := range zones {
		last := i > 0 && i == len(zones)-1
		web := probe.Result{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("10.0.0.1"), Port: 443, Proto: probe.TCP},
			State: probe.Open, Reason: probe.SynAck, RTT: probe.Millis(time.Duration(i+1) * time.Millisecond), Tries: 1}
		web.Service = &probe.Service{Name: "http", Product: "nginx", Version: "1.22.1"}
		web.Zone = zone
		ssh := web
		ssh.Addr, ssh.Port = ssh.Addr.Next(), 22
		ssh.Service = &probe.Service{Name: "ssh", Product: "OpenSSH", Version: "9.2p1"}
		if last {
			ssh.State, ssh.Reason, ssh.Service, ssh.RTT = probe.Filtered, probe.NoResponse, nil, 0
		}
		lost := span(zone, "10.0.0.8", "10.0.0.15", 22, probe.Closed)
		if last {
			lost.State, lost.Reason, lost.Error = probe.Unknown, probe.NoResponse, "no control answered: "+zone
		}
		s.Findings = append(s.Findings, ssh, web, lost, span(zone, "10.0.0.0", "10.0.0.1", 22, probe.Closed),
			span(zone, "10.0.0.3", "10.0.0.7", 22, probe.Closed), span(zone, "10.0.0.2", "10.0.0.15", 443, probe.Closed))
		of := scan.Summary{Zone: zone, Targets: 31, States: map[string]uint64{"open": 2, "closed": 29}}
		if last {
			of.States = map[string]uint64{"open": 1, "closed": 21, "filtered": 1, "unknown": 8}
		}
		s.Ended.Summary.Zones = append(s.Ended.Summary.Zones, of)
		s.Ended.Summary.Targets += of.Targets
		for word, n := range of.States {
			s.Ended.Summary.States[word] += n
		}
	}
	return s
}

// watchStream is a watch of endpoints with addresses of different lengths, and what clients of one
// sent first.
func watchStream(name string) Stream {
	s := Stream{Started: Starts("watch"), Ended: Ends(5, map[string]uint64{"open": 2, "closed": 1, "filtered": 2})}
	flow := func(e probe.Endpoint, client string, n uint64, state probe.State, reason probe.Reason) wire.Flow {
		return wire.Flow{Peer: wire.Peer{Client: netip.MustParseAddr(client)}, Endpoint: e, Connections: n, State: state,
			Reason: reason, First: Noon, Last: Noon.Add(time.Minute)}
	}
	add := func(address, service string, state probe.State, reason probe.Reason, flows ...string) {
		e := probe.Endpoint{Addr: netip.MustParseAddr(address), Port: 5432, Proto: probe.TCP}
		r := probe.Result{Endpoint: e, State: state, Reason: reason, Details: probe.Details{
			Traffic: &traffic.Totals{Clients: uint64(len(flows)), Connections: 12, Answered: 12, First: Noon, Last: Noon}}}
		if service != "" {
			r.Service = &probe.Service{Name: service, Confidence: probe.High}
		}
		s.Findings = append(s.Findings, r)
		for i, c := range flows {
			f := flow(e, c, uint64(1+i*1204), state, reason)
			if i == 0 && state == probe.Open {
				f.Greeting = &traffic.Greeting{Protocol: "tls", ServerName: name}
			}
			s.Findings = append(s.Findings, f)
		}
	}
	add("10.0.0.7", "postgresql", probe.Open, probe.SynAck, "10.0.0.1", "2001:db8:1234:5678:9abc:def0:1234:5678")
	add("10.0.0.8", "", probe.Closed, probe.Reset, "10.0.0.1")
	s.Findings = append(s.Findings, Span("10.0.0.9", "10.0.0.10", 2, 5432, probe.TCP, probe.Filtered, probe.NoResponse, 1))
	add("2001:db8::7", name, probe.Open, probe.SynAck, "10.0.0.1")
	return s
}
