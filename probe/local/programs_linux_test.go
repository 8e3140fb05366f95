package local_test

import (
	"net"
	"net/netip"
	. "onmux/probe/local"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
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
		fd = nettest.Open(t, unix.AF_INET, kind, steps...)
		f := os.NewFile(uintptr(fd), "listener")
		defer f.Close()
		var err error
		if fd, err = syscall.Dup(fd); err != nil { // the file closes that of Open
			return err
		}
		t.Cleanup(func() { syscall.Close(fd) })
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
			if err := getAnswer(netip.AddrPortFrom(h.Addr4, 417), proto, h.Self4); err != nil {
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
