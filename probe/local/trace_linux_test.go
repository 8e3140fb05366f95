package local_test

import (
	"errors"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/local/trace"
	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
)

// traced checks one TCP port with a trace.
func traced(t *testing.T, number uint16) (Verdict, completed) {
	t.Helper()
	r, err := checked(
		t.Context(),
		Request{Ports: []probe.Port{{Number: number, Proto: probe.TCP}}, IPv4: true, IPv6: true, Owners: true, Trace: true},
	)
	if err != nil {
		t.Fatal(err)
	}
	return r.Verdicts[0], r
}

// serve runs a server that accepts connections and keeps them until they end. It
// sends how many bytes it received on each, or -1 if that was reset.
func serve(t *testing.T, address string, greeting string) <-chan int {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan int, 16)
	nettest.Accept(t, l, func(c net.Conn) {
		c.Write([]byte(greeting))
		b := make([]byte, 64)
		n, err := c.Read(b)
		if err != nil && err.Error() != "EOF" {
			n = -1
		}
		c.Close()
		received <- n
	})
	return received
}

// addOutputRule adds a NAT rule for what this machine sends.
func addOutputRule(t *testing.T, parts ...[]expr.Any) {
	t.Helper()
	f := nft.New(nftables.TableFamilyIPv4)
	f.Rule(f.Output(), parts...)
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
}

// Behind a redirect: who answers, though nothing listens on the port.
func TestTraceRedirect(t *testing.T) {
	nettest.InHost(t, func(*nettest.Host) {
		received := serve(t, "127.0.0.1:8417", "welcome")
		addOutputRule(t, nft.ToPort(417), nft.Redirect(8417))
		v, r := traced(t, 417)
		if v.Verdict != Redirected || len(v.Redirects) != 1 || len(v.Trace) != 2 {
			t.Fatalf("%+v", v)
		}
		got := v.Trace[0]
		if got.To != "127.0.0.1:417" || got.Outcome != trace.Accepted || got.Backend != "127.0.0.1:8417" ||
			len(got.Owners) != 1 ||
			got.Owners[0].PID != os.Getpid() {
			t.Errorf("%+v", got)
		}
		if !strings.HasPrefix(got.Text, "127.0.0.1:417 is answered by ") ||
			!strings.HasSuffix(got.Text, " on 127.0.0.1:8417") {
			t.Errorf("%q", got.Text)
		}
		if got := v.Trace[1]; got.To != "[::1]:417" || got.Outcome != trace.Refused {
			t.Errorf("%+v", got)
		}
		if n := <-received; n != 0 {
			t.Errorf("the server received %d bytes", n)
		}
		if !slices.Contains(
			r.Coverage,
			"traced by 2 TCP connections from this machine, which NAT rules for what comes from outside do not touch",
		) {
			t.Errorf("coverage %q", r.Coverage)
		}
	})
}

// sentOn is how a connection to another port is reported. On a machine that is busy the server may not have
// accepted it yet.
var sentOn = regexp.MustCompile(` on 127\.0\.0\.1:8417(?:, the application has not: .*)?; something sends it on, ` +
	`NAT or the like; nothing listens on 417 itself`)

// Rules that may not be read are found out by connecting.
func TestTraceUnreadableRules(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		serve(t, "127.0.0.1:8417", "")
		addOutputRule(t, nft.ToPort(417), nft.Redirect(8417))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	nettest.AsNobody(t, h, func() error {
		v, _ := traced(t, 417)
		if v.Verdict != Redirected || len(v.Redirects) != 0 || v.Trace[0].Outcome != trace.Accepted ||
			v.Trace[0].Backend != "127.0.0.1:8417" ||
			!sentOn.MatchString(v.Why) {
			t.Errorf("%+v", v)
		}
		if len(v.Bind) == 0 ||
			!strings.Contains(
				strings.Join(v.Bind, "\n"),
				"binding 0.0.0.0:417, [::]:417, [::]:417 with IPv4 was refused: permission denied "+
					"(port below net.ipv4.ip_unprivileged_port_start 1024)",
			) {
			t.Errorf("bind %q", v.Bind)
		}
		return nil
	})
}

// A server that does not accept is found by its listener.
func TestTraceWaiting(t *testing.T) {
	nettest.InHost(t, func(*nettest.Host) {
		nettest.Open(t, unix.AF_INET6, unix.SOCK_STREAM, nettest.Bind("::", 417), nettest.Listen(7))
		v, _ := traced(t, 417)
		if v.Verdict != Listening || len(v.Trace) != 2 || len(v.Bind) != 0 {
			t.Fatalf("%+v", v)
		}
		for i, to := range []string{"127.0.0.1:417", "[::1]:417"} {
			if got := v.Trace[i]; got.To != to || got.Outcome != trace.Waiting || got.Backend != to || len(got.Owners) != 1 ||
				got.Owners[0].PID != os.Getpid() ||
				!strings.Contains(got.Text, ": the kernel accepted, the application has not: ") {
				t.Errorf("%+v", got)
			}
		}
	})
}

// A firewall in the way of a socket that listens.
func TestTraceFirewall(t *testing.T) {
	for _, c := range []struct {
		name string
		rule nettest.Rule
		want trace.Outcome
		text string
	}{
		{"reset", nettest.Rule{Do: nettest.Reset()}, trace.Refused,
			"refuses connections, although a socket listens there: a firewall"},
		{"reject", nettest.Rule{Do: nettest.Unreachable(3)}, trace.Rejected, "a firewall rejects connections"},
		{"drop", nettest.Rule{Do: nettest.Drop()}, trace.Silent,
			"does not answer within 1s, although a socket listens there: a firewall drops them"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := nettest.NewHost(t)
			c.rule.Proto, c.rule.Port = "tcp", 417
			h.Rule(t, "ip", c.rule)
			if err := h.Do(func() error {
				nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("0.0.0.0", 417), nettest.Listen(7))
				v, _ := traced(t, 417)
				if len(v.Trace) != 1 || v.Trace[0].Outcome != c.want || !strings.Contains(v.Trace[0].Text, c.text) {
					t.Errorf("%+v", v.Trace)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// What is sent to another machine answers from outside.
func TestTraceOutside(t *testing.T) {
	near, far := nettest.NewHost(t), nettest.NewHost(t)
	// Both are linked to the test's own namespace, which forwards between them.
	for _, file := range []string{"/proc/sys/net/ipv4/ip_forward"} {
		old, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, []byte("1"), 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.WriteFile(file, old, 0) })
	}
	route := func(h *nettest.Host, to *nettest.Host) error { return addRoute(to.Net4, h.Self4) }
	if err := far.Do(func() error { serve(t, far.Addr4.String()+":80", "x"); return route(far, near) }); err != nil {
		t.Fatal(err)
	}
	if err := near.Do(func() error {
		localnet := os.WriteFile("/proc/sys/net/ipv4/conf/all/route_localnet", []byte("1"), 0)
		if err := errors.Join(route(near, far), localnet); err != nil {
			return err
		}
		c, err := net.Dial("tcp", far.Addr4.String()+":80") // the links are up when this works
		if err != nil {
			return err
		}
		c.Close()
		f := nft.New(nftables.TableFamilyIPv4)
		f.Rule(f.Output(), nft.ToPort(417), nft.DNAT(far.Addr4.String(), 80))
		post := f.Base("post", nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
		f.Rule(post, []expr.Any{&expr.Masq{}})
		if err := f.Flush(); err != nil {
			return err
		}
		v, _ := traced(t, 417)
		if v.Verdict != Redirected || len(v.Redirects) != 1 || v.Redirects[0].To != far.Addr4.String()+":80" ||
			v.Trace[0].Outcome != trace.Outside ||
			v.Trace[0].Text != "127.0.0.1:417 answers from outside this network namespace, or from behind source NAT" {
			t.Errorf("%+v", v)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A listener at one own address is connected to there; one at an address that is
// not this machine's is left alone.
func TestTraceAddresses(t *testing.T) {
	nettest.InHost(t, func(h *nettest.Host) {
		freebind := nettest.Option(unix.SOL_IP, unix.IP_FREEBIND)
		nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind(h.Addr4.String(), 417), nettest.Listen(7))
		nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, freebind, nettest.Bind("192.0.2.1", 417), nettest.Listen(7))
		v, _ := traced(t, 417)
		if len(v.Trace) != 2 || v.Trace[0].To != h.Addr4.String()+":417" || v.Trace[0].Outcome != trace.Waiting {
			t.Fatalf("%+v", v.Trace)
		}
		if got := v.Trace[1]; got.To != "192.0.2.1:417" || got.Outcome != trace.Failed ||
			!strings.Contains(got.Text, "not an address of this machine") {
			t.Errorf("%+v", got)
		}
	})
}

// More ports than one batch: every one has its answer.
func TestTraceMany(t *testing.T) {
	nettest.InHost(t, func(*nettest.Host) {
		var ports []probe.Port
		for n := range uint16(128 + 40) {
			if n%2 == 0 {
				nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 2000+n), nettest.Listen(7))
			}
			ports = append(ports, probe.Port{Number: 2000 + n, Proto: probe.TCP}, probe.Port{Number: 2000 + n, Proto: probe.UDP})
		}
		r, err := checked(t.Context(), Request{Ports: ports, IPv4: true, Owners: true, Trace: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range r.Verdicts {
			switch {
			case v.Proto == probe.UDP && len(v.Trace) != 0:
				t.Fatalf("%+v", v)
			case v.Proto == probe.TCP && v.Port%2 == 0 && (v.Trace[0].Outcome != trace.Waiting || len(v.Trace[0].Owners) != 1):
				t.Fatalf("%+v", v)
			case v.Proto == probe.TCP && v.Port%2 == 1 && v.Trace[0].Outcome != trace.Refused:
				t.Fatalf("%+v", v)
			}
		}
		if !slices.Contains(r.Coverage, "UDP: not traced, because nothing answers a connection there") {
			t.Errorf("coverage %q", r.Coverage)
		}
	})
}

// There is an end to what is connected to and bound, and it is reported.
func TestTraceBounded(t *testing.T) {
	nettest.InHost(t, func(*nettest.Host) {
		var ports []probe.Port
		for n := range uint16(trace.MaxAttempts + 2) {
			ports = append(ports, probe.Port{Number: 2000 + n, Proto: probe.TCP})
		}
		r, err := checked(t.Context(), Request{Ports: ports, IPv4: true, Trace: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"not traced: 2 of 2,050 addresses; 2048 is the most",
			"binding was tried for the first 256 ports on which nothing listens",
		} {
			if !slices.Contains(r.Coverage, want) {
				t.Errorf("coverage %q lacks %q", r.Coverage, want)
			}
		}
	})
}
