package firewall_test

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/local/firewall"
	"onmux/probe/local/ruleset"
	"onmux/probe/nettest"
)

func TestMain(m *testing.M) { nettest.Main(m) }

// input makes an input chain of rules, with a policy.
func input(family, policy, rules string) string {
	return fmt.Sprintf("table %s filter { chain input { type filter hook input priority 0; policy %s; "+
		"ct state established,related accept; %s; } }", family, policy, rules)
}

// rulesets has rules and what becomes of a connection over IPv4 from another machine,
// as "outside", and from the machine itself, as "inside".
var rulesets = []struct{ name, rules, outside, inside string }{
	{"none", "", "accept", "accept"},
	{"an empty chain", input("inet", "accept", ""), "accept", "accept"},
	{"policy drop", input("inet", "drop", ""), "drop", "drop"},
	{"policy drop, loopback accepted", input("inet", "drop", "iifname lo accept"), "drop", "accept"},
	{"loopback by index", input("inet", "drop", "iif lo accept"), "drop", "accept"},
	{"not loopback", input("inet", "accept", "iifname != lo drop"), "drop", "accept"},
	{"the port", input("inet", "drop", "tcp dport 417 accept"), "accept", "accept"},
	{"another port", input("inet", "drop", "tcp dport 418 accept"), "drop", "drop"},
	{"UDP of the port", input("inet", "drop", "udp dport 417 accept"), "drop", "drop"},
	{"a set", input("inet", "drop", "tcp dport { 22, 417, 500-600 } accept"), "accept", "accept"},
	{"a range", input("ip", "drop", "tcp dport 400-500 accept"), "accept", "accept"},
	{"an interval without it", input("ip", "drop", "tcp dport { 1-416, 418-65535 } accept"), "drop", "drop"},
	{"not the port", input("inet", "accept", "tcp dport != 417 drop"), "accept", "accept"},
	{"reject", input("inet", "accept", "tcp dport 417 reject"), "reject", "reject"},
	{"reset", input("inet", "accept", "tcp dport 417 reject with tcp reset"), "reject", "reject"},
	{"prohibited", input("ip", "accept", "tcp dport 417 reject with icmp type admin-prohibited"), "reject", "reject"},
	{"reject at the end", input("inet", "accept", "ct state established,related accept; tcp dport 22 accept; reject"),
		"reject", "reject"},
	{"state by a map", input("inet", "drop",
		"ct state vmap { established : accept, related : accept, invalid : drop }; tcp dport 417 ct state new accept"),
		"accept", "accept"},
	{
		"established only",
		"table inet filter { chain input { type filter hook input priority 0; policy drop; ct state established accept; } }",
		"drop",
		"drop",
	},
	{"new is dropped", input("inet", "accept", "ct state new tcp dport 417 drop"), "drop", "drop"},
	{
		"not invalid",
		input("inet", "accept", "ct state invalid drop; tcp flags & (fin|syn|rst|ack) != syn ct state new drop"),
		"accept",
		"accept",
	},
	{"SYN", input("inet", "accept", "tcp flags & (fin|syn|rst|ack) == syn tcp dport 417 drop"), "drop", "drop"},
	{"fragments", input("ip", "accept", "ip frag-off & 0x1fff != 0 drop"), "accept", "accept"},
	{"jump", "table inet filter { chain ports { tcp dport 417 accept; tcp dport 22 return; }\n" +
		"chain input { type filter hook input priority 0; policy drop; " +
		"ct state established,related accept; jump ports; } }", "accept", "accept"},
	{"return", "table inet filter { chain ports { tcp dport 417 return; accept; }\n" +
		"chain input { type filter hook input priority 0; policy drop; " +
		"ct state established,related accept; jump ports; } }", "drop", "drop"},
	{"goto", "table inet filter { chain ports { tcp dport 22 accept; }\n" +
		"chain input { type filter hook input priority 0; policy drop; goto ports; accept; } }", "drop", "drop"},
	{
		"a map of verdicts",
		"table inet filter { map m { type inet_service : verdict; elements = { 22 : accept, 417 : jump web }; }\n" +
			"chain web { ip protocol tcp accept; }\n" +
			"chain input { type filter hook input priority 0; policy drop; ct state established,related accept; tcp dport " +
			"vmap @m; } }",
		"accept",
		"accept",
	},
	{"a named set", "table inet filter { set open { type inet_service; flags interval; elements = { 410-420 }; }\n" +
		"chain input { type filter hook input priority 0; policy drop; ct state established,related accept; tcp dport " +
		"@open accept; } }", "accept", "accept"},
	{
		"a concatenation",
		"table inet filter { set open { type inet_proto . inet_service; elements = { tcp . 417, udp . 53 }; }\n" +
			"chain input { type filter hook input priority 0; policy drop; ct state established,related accept; meta " +
			"l4proto . th dport @open accept; } }",
		"accept",
		"accept",
	},
	{"sources", input("ip", "drop", "ip saddr 10.0.0.0/8 accept"), "accept from 10.0.0.0/8; drop",
		"accept from HOST; drop"},
	{"sources by a mask", input("ip", "drop", "ip saddr 10.32.0.0/11 tcp dport 417 accept"),
		"accept from 10.32.0.0/11; drop", ""},
	{"other sources", input("ip", "drop", "ip saddr 192.168.0.0/16 accept"), "accept from 192.168.0.0/16; drop", ""},
	{"a source is dropped", input("ip", "accept", "ip saddr 10.41.0.0/16 drop"), "drop from 10.41.0.0/16; accept", ""},
	{
		"a source list",
		"table ip filter { set bad { type ipv4_addr; flags interval; elements = { 10.41.0.0/16, 203.0.113.9 }; }\n" +
			"chain input { type filter hook input priority 0; ip saddr @bad drop; } }",
		"drop from 10.41.0.0/16 203.0.113.9; accept",
		"",
	},
	{
		"a source and the port",
		"table ip filter { set s { type ipv4_addr . inet_service; elements = { 192.0.2.1 . 417, 192.0.2.1 . 22 }; }\n" +
			"chain input { type filter hook input priority 0; policy drop; ct state established,related accept; ip saddr . " +
			"tcp dport @s accept; } }",
		"accept from 192.0.2.1; drop",
		"",
	},
	{"the own address", input("ip", "drop", "ip daddr HOST accept"), "accept", ""},
	{"a foreign address", input("ip", "drop", "ip daddr 192.0.2.1 accept"), "drop", "drop"},
	{"a device", input("inet", "drop", "iifname DEVICE tcp dport 417 accept"), "accept", "drop"},
	{"devices by their beginning", input("inet", "drop", "iifname \"vh*\" accept"), "accept", "drop"},
	{"another device", input("inet", "drop", "iifname eth7 accept"), "drop", "drop"},
	{
		"raw",
		"table ip raw { chain pre { type filter hook prerouting priority -300; tcp dport 417 drop; } }",
		"drop",
		"drop",
	},
	{"output", "table ip out { chain out { type filter hook output priority 0; tcp dport 417 drop; } }", "accept", "drop"},
	{"ingress", "table netdev n { chain in { type filter hook ingress device DEVICE priority 0; tcp dport 417 drop; } }",
		"drop", "accept"},
	{"two tables", input("ip", "accept", "tcp dport 417 accept") + "\n" +
		"table inet other { chain in { type filter hook input priority 10; tcp dport 417 reject; } }", "reject", "reject"},
	{"two chains of one priority", input("ip", "accept", "tcp dport 417 drop") + "\n" +
		"table inet other { chain in { type filter hook input priority 0; tcp dport 417 reject; } }", "reject", "reject"},
	{"IPv6 only", input("ip6", "drop", ""), "accept", "accept"},
	{"of one family", input("inet", "drop", "meta nfproto ipv4 accept"), "accept", "accept"},
	{"of the other", input("inet", "drop", "meta protocol ip6 accept"), "drop", "drop"},
	{
		"marked by a rule",
		"table inet filter { chain pre { type filter hook prerouting priority -150; tcp dport 417 meta mark set 7; }\n" +
			"chain input { type filter hook input priority 0; policy drop; ct state established,related accept; meta mark " +
			"7 accept; } }",
		"accept",
		"accept",
	},
	{
		"the connection marked",
		"table inet filter { chain pre { type filter hook prerouting priority -150; ct mark set 9; }\n" +
			"chain input { type filter hook input priority 0; ct state established,related accept; ct mark & 0xff == 9 " +
			"reject; } }",
		"reject",
		"reject",
	},
	{"untracked", "table inet filter { chain pre { type filter hook prerouting priority -300; tcp dport 417 notrack; }\n" +
		"chain input { type filter hook input priority 0; policy drop; ct state established,related accept; ct state " +
		"untracked accept; } }", "accept", "drop"},
	{
		"redirected",
		"table ip nat { chain pre { type nat hook prerouting priority -100; tcp dport 417 redirect to :8417; } }\n" +
			input("inet", "drop", "iifname lo accept; tcp dport 8417 accept"),
		"accept",
		"accept",
	},
	{"redirected, its port dropped", "table ip nat { chain pre { type nat hook prerouting priority -100; " +
		"tcp dport 417 redirect to :8417; } }\n" + input("inet", "accept", "tcp dport 8417 drop"), "drop", "accept"},
	{
		"the first port",
		"table ip nat { chain pre { type nat hook prerouting priority -100; tcp dport 417 redirect to :8417; } }\n" +
			input("inet", "drop", "meta l4proto tcp ct original proto-dst 417 accept"),
		"accept",
		"accept",
	},
	{
		"the status of NAT",
		"table ip nat { chain pre { type nat hook prerouting priority -100; tcp dport 417 redirect to :8417; } }\n" +
			input("inet", "drop", "ct status dnat accept"),
		"accept",
		"drop",
	},
	{"reverse path", input("inet", "accept", "fib saddr . iif oif missing drop"), "accept", "accept"},
	{"local addresses", input("inet", "drop", "fib daddr type local tcp dport 417 accept"), "accept", "accept"},
	{"broadcasts", input("inet", "accept", "meta pkttype != unicast drop"), "accept", "accept"},
	{
		"logged and counted",
		input("inet", "accept", "counter; log prefix \"x\"; tcp dport 417 counter log drop"),
		"drop",
		"drop",
	},
	{"a rate", input("inet", "drop", "tcp dport 417 limit rate 1/day burst 1 packets accept"), "not known", "not known"},
	{
		"a rate of what is accepted anyway",
		input("inet", "accept", "tcp dport 417 limit rate 1/day accept"),
		"accept",
		"accept",
	},
	{"a mark that nothing sets", input("inet", "drop", "meta mark 3 accept"), "not known", "not known"},
	{"a time", input("inet", "accept", "meta day \"Monday\" tcp dport 417 drop"), "not known", "not known"},
	{"another port by the time", input("inet", "accept", "meta day \"Monday\" tcp dport 22 drop"), "accept", "accept"},
	{"a rate of each source", "table inet filter { set m { type ipv4_addr; flags dynamic; timeout 1m; }\n" +
		"chain input { type filter hook input priority 0; tcp dport 417 add @m { ip saddr limit rate over 1/day burst 1 " +
		"packets} drop; } }",
		"not known", "not known"},
	{"the source port", input("inet", "drop", "tcp sport 1-1023 accept"), "not known", "not known"},
	{"a socket's mark", input("inet", "drop", "socket transparent 1 accept"), "not known", "not known"},
	{"a SYN proxy", input("inet", "accept", "tcp dport 417 synproxy mss 1460 wscale 7"), "not known", "not known"},
	{"a chance", input("inet", "accept", "numgen random mod 2 0 drop"), "not known", "not known"},
	{"a jump by chance", "table inet filter { chain c { tcp dport 22 drop; }\n" +
		"chain input { type filter hook input priority 0; ct state established accept; numgen random mod 2 0 jump c; " +
		"tcp dport 417 accept; drop; } }",
		"accept", "accept"},
}

// machine is a host with servers on two ports, whose rules are those of a test.
type machine struct {
	*nettest.Host
	device, nft string
}

func newMachine(t *testing.T) machine {
	t.Helper()
	m := machine{Host: nettest.NewReadyHost(t), nft: nettest.NFT(t)}
	m.device = deviceOf(t, m.Host)
	if err := m.Do(func() error {
		for _, port := range []int{417, 8417} {
			l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
			if err != nil {
				return err
			}
			t.Cleanup(func() { l.Close() })
			go closeAll(l)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return m
}

// compare loads rules and holds the verdict on port 417 against real connections, and
// against what is expected over IPv4, unless that is "".
func (m machine) compare(t *testing.T, load func() error, outside, inside string) {
	t.Helper()
	var got []firewall.Outcome
	var tries []*try
	if err := m.Do(func() error {
		if err := nettest.LoadRules(m.nft, "flush ruleset"); err != nil {
			return err
		}
		if err := load(); err != nil {
			return err
		}
		q := ruleset.Query{Protos: []probe.Proto{probe.TCP}, IPv4: true, IPv6: true, Own: ownAddrs}
		r, err := ruleset.Read(t.Context(), q)
		if err != nil {
			return err
		}
		got = firewall.Judge(r, firewall.Obstacles{}, probe.Port{Number: 417, Proto: probe.TCP})
		for _, a := range []string{"127.0.0.1", "::1"} {
			tries = append(tries, connect(t, firewall.Inside, netip.MustParseAddr(a)))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	tries = append(tries, connect(t, firewall.Outside, m.Addr4), connect(t, firewall.Outside, m.Addr6))
	begun := time.Now()
	for _, try := range tries {
		want := covering(got, try)
		if want == firewall.NotKnown {
			continue
		}
		if actual := try.outcome(begun, want == firewall.Drop); actual != want {
			t.Errorf("from %s to %s: %s, and the verdict is %q: %+v", try.scope, try.to, actual, want, got)
		}
	}
	for scope, want := range map[firewall.Scope]string{firewall.Outside: outside, firewall.Inside: inside} {
		if s := short(got, scope); want != "" && s != want {
			t.Errorf("%s: %q, want %q", scope, s, want)
		}
	}
}

// Whatever the rules: what becomes of a real connection is the verdict, unless that is
// not known.
func TestConnections(t *testing.T) {
	m := newMachine(t)
	for _, c := range rulesets {
		t.Run(c.name, func(t *testing.T) {
			names := strings.NewReplacer("DEVICE", m.device, "HOST", m.Addr4.String())
			load := func() error { return nettest.LoadRules(m.nft, names.Replace(c.rules)) }
			m.compare(t, load, names.Replace(c.outside), names.Replace(c.inside))
		})
	}
}

// The rules that iptables writes into nftables, with its own matches and targets.
func TestConnectionsByIPTables(t *testing.T) {
	path := nettest.Program(t, "iptables-nft", "iptables")
	const established = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
	m := newMachine(t)
	for _, c := range []struct {
		name, outside, inside string
		rules                 []string
	}{
		{"policy", "drop", "drop", []string{"-P INPUT DROP"}},
		{"the port", "accept", "accept", []string{"-P INPUT DROP", established, "-A INPUT -p tcp --dport 417 -j ACCEPT"}},
		{"new connections", "accept", "accept", []string{"-P INPUT DROP", established,
			"-A INPUT -p tcp --dport 417 -m conntrack --ctstate NEW -j ACCEPT"}},
		{"state", "reject", "reject", []string{"-A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT",
			"-A INPUT -p tcp -m state --state NEW -j REJECT"}},
		{"reset", "reject", "reject", []string{"-A INPUT -p tcp --dport 417 -j REJECT --reject-with tcp-reset"}},
		{"several ports", "drop", "drop", []string{"-A INPUT -p tcp -m multiport --dports 22,400:420 -j DROP"}},
		{"not several ports", "accept", "accept", []string{"-A INPUT -p tcp -m multiport ! --dports 417,1024:65535 -j DROP"}},
		{"SYN", "drop", "drop", []string{"-A INPUT -p tcp --syn --dport 417 -j DROP"}},
		{"no SYN", "accept", "accept", []string{"-A INPUT -p tcp ! --syn -m conntrack --ctstate NEW -j DROP"}},
		{"flags", "accept", "accept", []string{"-A INPUT -p tcp --tcp-flags SYN,RST SYN,RST -j DROP"}},
		{"loopback", "drop", "accept", []string{"-P INPUT DROP", "-A INPUT -i lo -j ACCEPT"}},
		{"a source", "accept from 10.41.0.0/16; drop", "", []string{"-P INPUT DROP", established,
			"-A INPUT -s 10.41.0.0/16 -j ACCEPT"}},
		{"a range of sources", "", "", []string{"-P INPUT DROP", established,
			"-A INPUT -m iprange --src-range 10.41.0.0-10.41.255.255 -j ACCEPT"}},
		{"a chain", "accept", "accept", []string{"-P INPUT DROP", established, "-N WEB", "-A INPUT -p tcp -j WEB",
			"-A WEB -p tcp --dport 417 -m comment --comment web -j ACCEPT"}},
		{"the type of address", "accept", "accept", []string{"-P INPUT DROP", established,
			"-A INPUT -m addrtype --dst-type LOCAL -p tcp --dport 417 -j ACCEPT"}},
		{"the type of packet", "accept", "accept", []string{"-A INPUT -m pkttype --pkt-type broadcast -j DROP"}},
		{"raw", "drop", "drop", []string{"-t raw -A PREROUTING -p tcp --dport 417 -j DROP"}},
		{"marked", "accept", "accept", []string{"-t mangle -A PREROUTING -p tcp --dport 417 -j MARK --set-mark 7",
			"-P INPUT DROP", established, "-A INPUT -m mark --mark 7 -j ACCEPT"}},
		{"partly marked", "not known", "not known", []string{"-t mangle -A PREROUTING -p tcp -j MARK --or-mark 8",
			"-P INPUT DROP", established, "-A INPUT -m mark --mark 8/8 -j ACCEPT"}},
		{"untracked", "accept", "", []string{"-t raw -A PREROUTING -p tcp --dport 417 -j CT --notrack", "-P INPUT DROP",
			"-A INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT"}},
		{"redirected", "accept", "accept", []string{"-t nat -A PREROUTING -p tcp --dport 417 -j REDIRECT --to-ports 8417",
			"-P INPUT DROP", "-A INPUT -i lo -j ACCEPT", "-A INPUT -p tcp --dport 8417 -j ACCEPT"}},
		{"the first port", "", "", []string{"-t nat -A PREROUTING -p tcp --dport 417 -j REDIRECT --to-ports 8417",
			"-P INPUT DROP", established, "-A INPUT -p tcp -m conntrack --ctorigdstport 417 -j ACCEPT"}},
		{"reverse path", "accept", "accept", []string{"-t raw -A PREROUTING -m rpfilter --invert -j DROP"}},
		{"a limit", "not known", "not known", []string{"-P INPUT DROP", "-A INPUT -p tcp -m limit --limit 1/day -j ACCEPT"}},
		{"seen lately", "not known", "not known", []string{
			"-A INPUT -p tcp --dport 417 -m recent --update --seconds 60 --hitcount 4 -j DROP"}},
		{"a string", "accept", "accept", []string{"-A INPUT -p udp -m string --string x --algo bm -j DROP"}},
		{"logged", "drop", "drop", []string{"-A INPUT -j LOG --log-prefix x", "-A INPUT -p tcp -j DROP"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m.compare(t, func() error {
				for _, rule := range c.rules {
					if out, err := exec.Command(path, strings.Fields(rule)...).CombinedOutput(); err != nil {
						return fmt.Errorf("%s: %w: %s", rule, err, out)
					}
				}
				return nil
			}, c.outside, c.inside)
		})
	}
}

// covering is the verdict on a connection.
func covering(all []firewall.Outcome, c *try) firewall.Verdict {
	for _, o := range all {
		family := o.Family == "" || (o.Family == "ipv4") == c.to.Is4()
		from := len(o.Sources) == 0 || slices.ContainsFunc(o.Sources, func(s string) bool {
			if p, err := netip.ParsePrefix(s); err == nil {
				return p.Contains(c.from)
			}
			return s == c.from.String()
		})
		to := len(o.Addresses) == 0 || slices.Contains(o.Addresses, c.to.String())
		if family && from && to && (o.Scope == firewall.Any || o.Scope == c.scope) {
			return o.Verdict
		}
	}
	return "none"
}

// short writes the outcomes over IPv4 in few words.
func short(all []firewall.Outcome, scope firewall.Scope) string {
	var parts []string
	for _, o := range all {
		if o.Scope != firewall.Any && o.Scope != scope || o.Family == "ipv6" {
			continue
		}
		part := string(o.Verdict)
		if len(o.Sources) > 0 {
			part += " from " + strings.Join(o.Sources, " ")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// try is one connection.
type try struct {
	scope    firewall.Scope
	from, to netip.Addr
	fd       int
	err      error
}

// connect begins to connect to port 417 of an address.
func connect(t *testing.T, scope firewall.Scope, to netip.Addr) *try {
	t.Helper()
	family, level, option := unix.AF_INET, unix.SOL_IP, unix.IP_RECVERR
	var at unix.Sockaddr = &unix.SockaddrInet4{Port: 417}
	if to.Is6() {
		family, level, option = unix.AF_INET6, unix.SOL_IPV6, unix.IPV6_RECVERR
		at = &unix.SockaddrInet6{Port: 417, Addr: to.As16()}
	} else {
		at.(*unix.SockaddrInet4).Addr = to.As4()
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	unix.SetsockoptInt(fd, level, option, 1)
	c := &try{scope: scope, to: to, fd: fd}
	if c.err = unix.Connect(fd, at); c.err == unix.EINPROGRESS {
		c.err = nil
	}
	switch a, _ := unix.Getsockname(fd); a := a.(type) {
	case *unix.SockaddrInet4:
		c.from = netip.AddrFrom4(a.Addr)
	case *unix.SockaddrInet6:
		c.from = netip.AddrFrom16(a.Addr)
	}
	return c
}

// outcome is what became of the connection. Where silence is expected, an answer
// would come at once: it is not waited for longer than that.
func (c *try) outcome(begun time.Time, silence bool) firewall.Verdict {
	wait := 5 * time.Second
	if silence {
		wait = max(time.Until(begun.Add(50*time.Millisecond)), 0)
	}
	if c.err != nil {
		return firewall.Reject
	}
	fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLOUT}}
	for {
		n, err := unix.Poll(fds, int(wait.Milliseconds()))
		switch {
		case err == unix.EINTR:
			continue
		case n == 0:
			return firewall.Drop
		case fds[0].Revents&unix.POLLERR != 0:
			return firewall.Reject
		}
		return firewall.Accept
	}
}

func closeAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		c.Close()
	}
}

func ownAddrs() []netip.Addr {
	var own []netip.Addr
	nets, _ := net.InterfaceAddrs()
	for _, n := range nets {
		own = append(own, netip.MustParsePrefix(n.String()).Addr().Unmap())
	}
	return own
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
