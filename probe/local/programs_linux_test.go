package local_test

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/local/firewall"
	"onmux/probe/nettest"
)

// listener answers on a port of every address of a host, and is its descriptor.
func listener(t *testing.T, h *nettest.Host, proto probe.Proto, port uint16) (fd int) {
	t.Helper()
	kind := unix.SOCK_STREAM
	if proto == probe.UDP {
		kind = unix.SOCK_DGRAM
	}
	if err := h.Do(func() error {
		steps := []nettest.Step{nettest.Bind("0.0.0.0", port)}
		if proto == probe.TCP {
			steps = append(steps, nettest.Listen(7))
		}
		fd = nettest.Open(t, unix.AF_INET, kind, steps...).FD
		dup, err := unix.Dup(fd)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(dup), "listener")
		defer f.Close()
		if proto == probe.TCP {
			l, err := net.FileListener(f)
			if err == nil {
				t.Cleanup(func() { l.Close() })
				go greet(l)
			}
			return err
		}
		p, err := net.FilePacketConn(f)
		if err == nil {
			t.Cleanup(func() { p.Close() })
			go echo(p)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return fd
}

// verdictOn is the verdict on a port of the calling thread's namespace.
func verdictOn(t *testing.T, port probe.Port, trace bool) (Verdict, []string) {
	t.Helper()
	r, err := checked(t.Context(), Request{Ports: []probe.Port{port}, IPv4: true, IPv6: true, Trace: trace})
	if err != nil || len(r.Verdicts) != 1 {
		t.Fatal(err)
	}
	return r.Verdicts[0], r.Coverage
}

// A program of sk_lookup hands connections to another socket, which is named.
func TestSteered(t *testing.T) {
	for _, proto := range probe.Protos() {
		t.Run(proto.String(), func(t *testing.T) {
			t.Parallel()
			h := nettest.NewReadyHost(t)
			h.Steer(t, 417, listener(t, h, proto, 9999))
			port := probe.Port{Number: 417, Proto: proto}
			if err := getAnswer(netip.AddrPortFrom(h.Addr4, 417), proto, h.Self4, true); err != nil {
				t.Errorf("no answer: %v", err)
			}
			if err := h.Do(func() error {
				v, _ := verdictOn(t, port, false)
				const want = "sent on to port 9999 by the BPF program steer (sk_lookup, id "
				if v.Verdict != Redirected || !strings.Contains(v.Why, want) {
					t.Errorf("%s: %s", v.Verdict, v.Why)
				}
				if v, _ := verdictOn(t, port, true); strings.Contains(v.Why, "nothing listened at first") {
					t.Errorf("traced: %s", v.Why)
				}
				if v, _ := verdictOn(t, probe.Port{Number: 418, Proto: proto}, false); v.Verdict != Free || len(v.Caveats) == 0 {
					t.Errorf("418: %s: %s, %q", v.Verdict, v.Why, v.Caveats)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			nettest.AsNobody(t, h, func() error {
				if v, _ := verdictOn(t, port, false); v.Verdict == Free && len(v.Caveats) == 0 {
					t.Errorf("to an ordinary user: %s", v.Why)
				}
				return nil
			})
		})
	}
}

// A program of a cgroup changes where its processes connect or send to.
func TestConnectionsTurned(t *testing.T) {
	for _, proto := range probe.Protos() {
		t.Run(proto.String(), func(t *testing.T) {
			h := nettest.NewReadyHost(t)
			cgroup := nettest.Cgroup(t)
			nettest.TurnConnections(t, cgroup, 417, 8417, false)
			listener(t, h, proto, 8417)
			port := probe.Port{Number: 417, Proto: proto}
			if err := h.Do(func() error {
				nettest.Process{Steps: "move " + cgroup + ", connect " + proto.String() + " 127.0.0.1:417"}.Start(t)
				v, coverage := verdictOn(t, port, false)
				want := "turn (connect4 of cgroup /" + filepath.Base(cgroup) + ")"
				if v.Verdict != Free || len(v.Caveats) == 0 || !strings.Contains(v.Why, want) {
					t.Errorf("%s: %s, %q", v.Verdict, v.Why, v.Caveats)
				}
				if !strings.Contains(strings.Join(coverage, "\n"), want) {
					t.Errorf("coverage %q", coverage)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			nettest.AsNobody(t, h, func() error {
				if v, _ := verdictOn(t, port, false); v.Verdict == Free && len(v.Caveats) == 0 {
					t.Errorf("to an ordinary user: %s", v.Why)
				}
				return nil
			})
		})
	}
}

// … where they send single datagrams.
func TestDatagramsTurned(t *testing.T) {
	h := nettest.NewReadyHost(t)
	cgroup := nettest.Cgroup(t)
	nettest.TurnConnections(t, cgroup, 417, 8417, true)
	listener(t, h, probe.UDP, 8417)
	if err := h.Do(func() error {
		nettest.Process{Steps: "move " + cgroup + ", send 127.0.0.1:417"}.Start(t)
		want := "turn (sendmsg4 of cgroup /" + filepath.Base(cgroup) + ")"
		v, _ := verdictOn(t, probe.Port{Number: 417, Proto: probe.UDP}, false)
		if v.Verdict != Free || len(v.Caveats) == 0 || !strings.Contains(v.Why, want) {
			t.Errorf("%s: %s, %q", v.Verdict, v.Why, v.Caveats)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// What filters of tc do is not known: at a device's ingress, and at the egress of the loopback
// device, by which this machine's own connections go.
func TestFilters(t *testing.T) {
	for name, egress := range map[string]bool{"ingress": false, "egress": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := nettest.NewReadyHost(t)
			listener(t, h, probe.TCP, 417)
			h.PassAllTC(t, 1, egress) // each network namespace's first device is lo
			if err := h.Do(func() error {
				v, _ := verdictOn(t, probe.Port{Number: 418, Proto: probe.TCP}, false)
				if v.Verdict != Free || !strings.Contains(v.Why, "pass_all (filters of tc on device lo)") {
					t.Errorf("%s: %s", v.Verdict, v.Why)
				}
				v, _ = verdictOn(t, probe.Port{Number: 417, Proto: probe.TCP}, false)
				for _, o := range v.Firewall {
					if (o.Verdict == firewall.NotKnown) != (o.Scope == firewall.Inside) {
						t.Errorf("%+v", o)
					}
				}
				if v.Verdict != Listening || len(v.Firewall) != 2 {
					t.Errorf("%s: %+v", v.Verdict, v.Firewall)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A program of a cgroup drops what arrives for its sockets: what the firewall does with
// connections to them is not known. Those of other cgroups are not concerned.
func TestArrivalsDropped(t *testing.T) {
	h := nettest.NewReadyHost(t)
	cgroup := nettest.Cgroup(t)
	below := filepath.Join(cgroup, "service")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Skip("needs a cgroup of its own: ", err)
	}
	t.Cleanup(func() { os.Remove(below) })
	nettest.DropArrivals(t, cgroup)
	want := "not understood: the BPF program drop_all cgroup_skb/ingress of cgroup /" + filepath.Base(cgroup)
	if err := h.Do(func() error {
		nettest.Process{Steps: "move " + below + ", listen 4461"}.Start(t)
		nettest.Process{Steps: "listen 4462"}.Start(t)
		for port, concerned := range map[uint16]bool{4461: true, 4462: false} {
			v, _ := verdictOn(t, probe.Port{Number: port, Proto: probe.TCP}, false)
			unknown := slices.ContainsFunc(v.Firewall, func(o firewall.Outcome) bool {
				return o.Verdict == firewall.NotKnown && slices.Contains(o.Unknown, want)
			})
			if v.Verdict != Listening || len(v.Firewall) == 0 || unknown != concerned {
				t.Errorf("%d: %s: %+v", port, v.Verdict, v.Firewall)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// What a program of XDP does is not known, to nobody who may not list it less.
func TestXDP(t *testing.T) {
	h := nettest.NewReadyHost(t)
	port := probe.Port{Number: 417, Proto: probe.TCP}
	name := deviceOf(t, h)
	index := 0
	if err := h.Do(func() error {
		d, err := net.InterfaceByName(name)
		if err == nil {
			index = d.Index
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	h.PassAll(t, index)
	look := func() error {
		if v, _ := verdictOn(t, port, false); v.Verdict != Free || !strings.Contains(v.Why, "XDP on device "+name) {
			t.Errorf("%s: %s", v.Verdict, v.Why)
		}
		return nil
	}
	if err := h.Do(look); err != nil {
		t.Fatal(err)
	}
	nettest.AsNobody(t, h, look)
}
