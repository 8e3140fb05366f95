package local_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/nettest"
)

// answering is a mechanism by which a port answers on which nothing listens.
type answering struct {
	name   string
	rules  string // of nft(8)
	xt     string // instead: arguments of iptables-nft
	proto  probe.Proto
	inside bool   // for what the machine sends itself, too
	at     string // instead of from outside: this address of the machine answers, to itself
	raw    bool   // a raw socket answers
	own    string // a prefix of which it has every address
	server uint16 // where a transparent socket listens
	want   Word
	why    string
}

func answers() []answering {
	return []answering{
		{name: "TPROXY", proto: probe.TCP, inside: true, server: 9999, want: Redirected,
			rules: "table ip m { chain pre { type filter hook prerouting priority -150; tcp dport 417 tproxy to :9999 " +
				"accept; } }",
			why: "sent on to port 9999 by an nftables rule for TPROXY (table ip m, chain pre)"},
		{name: "TPROXY by iptables", proto: probe.TCP, inside: true, server: 9999, want: Redirected,
			xt:  "-t mangle -A PREROUTING -p tcp --dport 417 -j TPROXY --on-port 9999 --tproxy-mark 1/1",
			why: "sent on to port 9999 by an nftables rule for TPROXY (table ip mangle, chain PREROUTING)"},
		{name: "TPROXY to an address", proto: probe.TCP, inside: true, server: 9999, want: Redirected,
			rules: "table inet m { chain pre { type filter hook prerouting priority -150; " +
				"meta l4proto tcp tcp dport { 417, 500-510 } tproxy ip to 0.0.0.0:9999 meta mark set 1 accept; } }",
			why: "by an nftables rule for TPROXY (table inet m, chain pre)"},
		{name: "TPROXY of UDP", proto: probe.UDP, inside: true, server: 9999, want: Redirected,
			rules: "table ip m { chain pre { type filter hook prerouting priority -150; udp dport 417 tproxy to :9999; } }",
			why:   "sent on to port 9999 by an nftables rule for TPROXY"},
		{name: "TPROXY for what arrives", proto: probe.TCP, server: 9999, want: Redirected,
			rules: "table ip m { chain pre { type filter hook prerouting priority -150; " +
				"iifname != lo jump to_proxy; }\nchain to_proxy { tcp dport 417 tproxy to :9999 accept; } }",
			why: "sent on to port 9999 by an nftables rule for TPROXY (table ip m, chain to_proxy), only from outside"},
		{name: "rewritten UDP", proto: probe.UDP, inside: true, server: 8417, want: Redirected,
			rules: "table ip m { chain in { type filter hook input priority 0; udp dport 417 udp dport set 8417; } }",
			why:   "sent on to port 8417 by an nftables rule that rewrites headers (table ip m, chain in)"},
		{name: "rewritten by a map", proto: probe.UDP, inside: true, server: 8417, want: Redirected,
			rules: "table ip m { chain in { type filter hook prerouting priority -300; " +
				"udp dport 417 notrack udp dport set udp dport map { 417 : 8417, 418 : 8418 }; } }",
			why: "sent on to port 8417 by an nftables rule that rewrites headers (table ip m, chain in)"},
		{name: "rewritten TCP", proto: probe.TCP, server: 8417, want: Redirected,
			rules: "table ip m { chain pre { type filter hook prerouting priority -300; iifname != lo tcp dport 417 notrack; " +
				"iifname != lo tcp dport 417 tcp dport set 8417; }\n" +
				"chain out { type filter hook output priority -300; oifname != lo tcp sport 8417 notrack tcp sport set 417; } }",
			why: "sent on to port 8417 by an nftables rule that rewrites headers (table ip m, chain pre), only from outside"},
		{name: "rewritten at ingress", proto: probe.UDP, server: 8417, want: Redirected,
			rules: "table netdev m { chain in { type filter hook ingress device DEVICE priority 0; " +
				"udp dport 417 udp dport set 8417; } }",
			why: "sent on to port 8417 by an nftables rule that rewrites headers (table netdev m, chain in), only from outside"},
		{name: "NAT behind a goto", proto: probe.TCP, server: 8417, want: Redirected,
			rules: "table inet m { chain to { ip daddr 10.0.0.0/8 tcp dport 417 redirect to :8417; }\n" +
				"chain pre { type nat hook prerouting priority -100; meta l4proto tcp goto to; } }",
			why: "sent on to port 8417 by an nftables rule (table inet m, chain to), only from outside"},
		{name: "rewritten through the IP header", proto: probe.UDP, inside: true, server: 8417, want: Redirected,
			rules: "table ip m { chain in { type filter hook input priority 0; udp dport 417 @nh,176,16 set 8417; } }",
			why:   "sent on to port 8417 by an nftables rule that rewrites headers (table ip m, chain in)"},
		{name: "rewritten through the Ethernet header", proto: probe.UDP, server: 8417, want: Redirected,
			rules: "table ip m { chain in { type filter hook prerouting priority 0; iifname != lo udp dport 417 " +
				"@ll,288,16 set 8417; } }",
			why: "sent on to port 8417 by an nftables rule that rewrites headers (table ip m, chain in)"},
		{name: "another address of loopback", proto: probe.TCP, at: "127.0.0.2:417", server: 8417, want: Redirected,
			rules: "table ip m { chain out { type nat hook output priority 0; ip daddr { 127.0.0.2, 127.0.0.9 } " +
				"tcp dport 417 redirect to :8417; } }",
			why: "(table ip m, chain out), only from this machine, over IPv4, for 127.0.0.2 and 127.0.0.9"},
		{name: "a part of loopback", proto: probe.TCP, at: "127.0.1.77:417", server: 8417, want: Redirected,
			rules: "table ip m { chain out { type nat hook output priority 0; ip daddr 127.0.1.0/24 " +
				"tcp dport 417 redirect to :8417; } }",
			why: "(table ip m, chain out), only from this machine, over IPv4, for 127.0.1.0"},
		{name: "an address by a route", proto: probe.UDP, at: "10.99.7.5:417", own: "10.99.0.0/16", server: 8417,
			want: Redirected,
			rules: "table ip m { chain in { type filter hook input priority 0; ip daddr . udp dport " +
				"{ 10.99.7.0/24 . 400-420, 10.98.0.0/16 . 1 } udp dport set 8417; } }",
			why: "(table ip m, chain in), over IPv4, for 10.99.7.0"},
		{name: "all addresses but one", proto: probe.UDP, at: "10.99.7.5:417", own: "10.99.0.0/16", server: 8417,
			want: Redirected,
			rules: "table ip m { chain in { type filter hook input priority 0; ip daddr & 255.255.0.0 == 10.99.0.0 " +
				"udp dport 417 udp dport set 8417; } }",
			why: "(table ip m, chain in), over IPv4, for 10.99.0.1"},
		{name: "packets of another type", proto: probe.UDP, inside: true, server: 8417, want: Free,
			rules: "table ip m { chain a { type filter hook prerouting priority -300; udp dport 417 meta pkttype set " +
				"broadcast; }\n" +
				"chain b { type filter hook prerouting priority -150; meta pkttype broadcast udp dport 417 " +
				"udp dport set 8417; } }",
			why: "not understood: an nftables rule (table ip m, chain a)"},
		{name: "a raw socket", proto: probe.UDP, inside: true, raw: true, want: Free,
			why: "a raw socket receives what comes for every port of UDP, and may answer"},
		{name: "SYN proxy by a map", proto: probe.TCP, want: Free,
			rules: "table ip m { synproxy sp { mss 1460\nwscale 7\n}\nchain pre { type filter hook prerouting priority -300; " +
				"tcp dport 417 tcp flags syn notrack; }\n" +
				"chain in { type filter hook input priority 0; tcp dport 417 ct state invalid,untracked " +
				"synproxy name tcp dport map { 417 : \"sp\" }; } }",
			why: "not understood: an nftables rule (table ip m, chain in)"},
		{name: "SYN proxy", proto: probe.TCP, want: Free,
			rules: "table ip m { chain pre { type filter hook prerouting priority -300; tcp dport 417 tcp flags syn " +
				"notrack; }\n" +
				"chain in { type filter hook input priority 0; tcp dport 417 ct state invalid,untracked synproxy mss 1460 " +
				"wscale 7; } }",
			why: "not understood: an nftables rule (table ip m, chain in)"},
	}
}

// Whenever a client gets an answer, the verdict is not free without a caveat: to root
// it names what answers, to others it states that it could not be looked at.
func TestAnswersAreNeverFree(t *testing.T) {
	for _, c := range answers() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := nettest.NewReadyHost(t)
			switch {
			case c.raw:
				serveRaw(t, h)
			case c.xt != "":
				h.IPTables(t, c.xt)
			default:
				h.Ruleset(t, strings.ReplaceAll(c.rules, "DEVICE", deviceOf(t, h)))
			}
			if c.server != 0 {
				serveTransparently(t, h, c.proto, c.server)
			}
			if c.own != "" {
				h.AddLocal(t, netip.MustParsePrefix(c.own))
			}
			port := probe.Port{Number: 417, Proto: c.proto}
			if c.at != "" {
				c.inside = true
			} else if err := getAnswer(netip.AddrPortFrom(h.Addr4, 417), c.proto, h.Self4, true); err != nil {
				t.Errorf("from outside: no answer: %v", err)
			}
			if err := h.Do(func() error {
				at := netip.MustParseAddrPort(cmp.Or(c.at, "127.0.0.1:417"))
				if err := getAnswer(at, c.proto, at.Addr(), c.inside); (err == nil) != c.inside {
					t.Errorf("from inside: answered %t: %v", err == nil, err)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			look := func() error {
				r, err := checked(t.Context(), Request{Ports: []probe.Port{port}, IPv4: true, IPv6: true})
				if err != nil {
					return err
				}
				v := r.Verdicts[0]
				switch root := os.Geteuid() == 0 && unix.Geteuid() == 0; {
				case v.Verdict == Free && len(v.Caveats) == 0:
					t.Errorf("free without a caveat: %s", v.Why)
				case root && (v.Verdict != c.want || !strings.Contains(v.Why, c.why)):
					t.Errorf("%s: %s, want %s: %s", v.Verdict, v.Why, c.want, c.why)
				}
				return nil
			}
			if err := h.Do(look); err != nil {
				t.Fatal(err)
			}
			t.Run("ordinary user", func(t *testing.T) { nettest.AsNobody(t, h, look) })
		})
	}
}

// The kernel calls no chain of a dormant table.
func TestDormantTable(t *testing.T) {
	h := nettest.NewHost(t)
	h.Ruleset(t, "table ip m { flags dormant;\n"+
		"chain out { type nat hook output priority 0; tcp dport 417 redirect to :8417; } }\n"+
		"table ip n { chain out { type nat hook output priority 0; tcp dport 418 redirect to :8417; } }")
	if err := h.Do(func() error {
		ports := []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 418, Proto: probe.TCP}}
		r, err := checked(t.Context(), Request{Ports: ports, IPv4: true, IPv6: true})
		if err != nil {
			return err
		}
		free, sent := r.Verdicts[0], r.Verdicts[1]
		if free.Verdict != Free || aboutRules(free) || sent.Verdict != Redirected {
			t.Errorf("%+v", r.Verdicts)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Source NAT sends nothing to another port, also what this machine sends to itself.
func TestMasquerade(t *testing.T) {
	h := nettest.NewHost(t)
	h.Ruleset(t, "table ip m { chain post { type nat hook postrouting priority 100; masquerade; } }")
	if err := h.Do(func() error {
		ports := []probe.Port{{Number: 417, Proto: probe.TCP}}
		r, err := checked(t.Context(), Request{Ports: ports, IPv4: true, IPv6: true})
		if err == nil && (r.Verdicts[0].Verdict != Free || aboutRules(r.Verdicts[0])) {
			t.Errorf("%s: %q", r.Verdicts[0].Verdict, r.Verdicts[0].Caveats)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// aboutRules reports whether rules may make another verdict.
func aboutRules(v Verdict) bool {
	return slices.Contains(v.Facts.Caveats, RulesUnread) || slices.Contains(v.Facts.Caveats, RulesUnknown)
}

// deviceOf is the host's device, which is not loopback.
func deviceOf(t *testing.T, h *nettest.Host) (name string) {
	t.Helper()
	if err := h.Do(func() error {
		all, err := net.Interfaces()
		for _, d := range all {
			if d.Flags&net.FlagLoopback == 0 {
				name = d.Name
			}
		}
		return err
	}); err != nil || name == "" {
		t.Fatal("the host has no device", err)
	}
	return name
}

// serveTransparently answers on a port of every address of a host, also what was sent
// to another port.
func serveTransparently(t *testing.T, h *nettest.Host, proto probe.Proto, port uint16) {
	t.Helper()
	transparent := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) {
			err = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1),
				unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_PKTINFO, 1))
		}), err)
	}}
	if err := h.Do(func() error {
		at := fmt.Sprintf("0.0.0.0:%d", port)
		if proto == probe.TCP {
			l, err := transparent.Listen(context.Background(), "tcp4", at)
			if err == nil {
				t.Cleanup(func() { l.Close() })
				go greet(l)
			}
			return err
		}
		p, err := transparent.ListenPacket(context.Background(), "udp4", at)
		if err == nil {
			t.Cleanup(func() { p.Close() })
			go echo(p)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// serveRaw answers datagrams to port 417 of a host without a UDP socket.
func serveRaw(t *testing.T, h *nettest.Host) {
	t.Helper()
	if err := h.Do(func() error {
		c, err := net.ListenPacket("ip4:udp", "0.0.0.0")
		if err != nil {
			return err
		}
		t.Cleanup(func() { c.Close() })
		go func() {
			b := make([]byte, 2048)
			for {
				n, from, err := c.ReadFrom(b)
				if err != nil {
					return
				}
				if n >= 8 && b[2] == 417>>8 && b[3] == 417&0xff {
					c.WriteTo([]byte{b[2], b[3], b[0], b[1], 0, 12, 0, 0, 'h', 'e', 'r', 'e'}, from) // no checksum
				}
			}
		}()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func greet(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		c.Write([]byte("here"))
		c.Close()
	}
}

func echo(p net.PacketConn) {
	b := make([]byte, 64)
	for {
		n, from, err := p.ReadFrom(b)
		if err != nil {
			return
		}
		p.WriteTo(b[:n], from)
	}
}

// getAnswer sends a request to an endpoint and waits for any answer of its machine: a TCP
// connection, or a datagram. The error is nil if there is one. Only what is not expected may
// be late.
func getAnswer(to netip.AddrPort, proto probe.Proto, from netip.Addr, expected bool) error {
	wait := 500 * time.Millisecond
	if expected {
		wait = 20 * time.Second
	}
	if proto == probe.TCP {
		c, err := net.DialTimeout("tcp", to.String(), wait)
		switch {
		case err == nil:
			c.Close()
		case errors.Is(err, syscall.ECONNRESET): // behind a handshake
			return nil
		}
		return err
	}
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.WriteToUDPAddrPort([]byte("who"), to); err != nil {
		return err
	}
	c.SetReadDeadline(time.Now().Add(wait))
	_, _, err = c.ReadFromUDPAddrPort(make([]byte, 64))
	return err
}
