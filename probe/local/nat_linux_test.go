package local

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
)

// Every shape of rule, made through a library that knows nothing of ours.
func TestNAT(t *testing.T) {
	for _, c := range natCases() {
		t.Run(c.name, func(t *testing.T) {
			h := nettest.NewHost(t)
			q := Query{ports: make(map[probe.Proto][]uint16), v4: true, v6: true}
			for p := range c.want {
				n, proto := parsePort(t, p)
				q.ports[proto] = append(q.ports[proto], n)
			}
			for proto := range q.ports {
				slices.Sort(q.ports[proto])
			}
			var got nat
			if err := h.Do(func() (err error) {
				f := newFirewall(c.family)
				c.make(f, h)
				if err := f.Flush(); err != nil {
					return fmt.Errorf("the kernel refuses the rules: %w", err)
				}
				got, err = readNAT(t.Context(), q)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			for p, want := range c.want {
				n, proto := parsePort(t, p)
				all := sentTo(got.of[probe.Port{Number: n, Proto: proto}])
				if want = strings.ReplaceAll(want, "HOST", h.Addr4.String()); all != want {
					t.Errorf("%s is sent to %q, want %q", p, all, want)
				}
			}
			if !strings.Contains(got.coverage[0], "of nftables read") {
				t.Errorf("coverage %q", got.coverage)
			}
		})
	}
}

func parsePort(t *testing.T, s string) (uint16, probe.Proto) {
	t.Helper()
	var n uint16
	var name string
	if _, err := fmt.Sscanf(strings.ReplaceAll(s, "/", " "), "%d %s", &n, &name); err != nil {
		t.Fatal(err)
	}
	if name == "udp" {
		return n, probe.UDP
	}
	return n, probe.TCP
}

// A rule that is not understood is neither a redirect nor forgotten.
func TestNATUnread(t *testing.T) {
	h := nettest.NewHost(t)
	p := probe.Port{Number: 417, Proto: probe.TCP}
	if err := h.Do(func() error {
		f := newFirewall(nftables.TableFamilyIPv4)
		f.rule(f.pre(), tcpXT(417, 417, 0), targetXT("NETMAP", 0, native([4]uint32{1, rangeMapsAddress, 0x0200000a, 0x0200000a}, uint32(0))))
		if err := f.Flush(); err != nil {
			return err
		}
		r, err := Check(t.Context(), Request{Ports: []probe.Port{p}, IPv4: true, IPv6: true})
		if err != nil {
			return err
		}
		if v := r.Verdicts[0]; v.Verdict != Free || len(v.Redirects) > 0 || !strings.HasSuffix(v.Why, "not understood was an nftables rule (table ip nat, chain pre)") {
			t.Errorf("%+v", v)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A socket that listens is the verdict, and the rule before it is told.
func TestNATBeforeListener(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("0.0.0.0", 417), nettest.Listen(7))
		f := newFirewall(nftables.TableFamilyIPv4)
		f.rule(f.pre(), port(417), redirect(8417))
		f.rule(f.out(), port(418), redirect(8418))
		if err := f.Flush(); err != nil {
			return err
		}
		r, err := Check(t.Context(), Request{Ports: []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 418, Proto: probe.TCP}}, IPv4: true, IPv6: true})
		if err != nil {
			return err
		}
		for i, want := range []struct {
			word Word
			why  string
		}{
			{Listening, "; but first, arrivals are sent on to port 8417 by an nftables rule (table ip nat, chain pre), only from outside, over IPv4"},
			{Redirected, "sent on to port 8418 by an nftables rule (table ip nat, chain out), only from this machine, over IPv4; nothing listens on 418 itself"},
		} {
			if v := r.Verdicts[i]; v.Verdict != want.word || !strings.HasSuffix(v.Why, want.why) || len(v.Redirects) != 1 {
				t.Errorf("%+v, want %s %q", v, want.word, want.why)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestNATNotAllowed(t *testing.T) {
	h := nettest.NewHost(t)
	nettest.AsNobody(t, h, func() error {
		n, err := readNAT(t.Context(), Query{ports: map[probe.Proto][]uint16{probe.TCP: {417}}, v4: true})
		if len(n.coverage) != 1 || n.coverage[0] != "NAT rules: not readable without CAP_NET_ADMIN" || len(n.hints) != 1 {
			t.Errorf("%+v", n)
		}
		return err
	})
}

// That no socket uses a port is not all that a caller needs to know who may not
// read whether a rule sends its arrivals on.
func TestNATNotAllowedFree(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		f := newFirewall(nftables.TableFamilyIPv4)
		f.rule(f.pre(), port(417), redirect(8417))
		return f.Flush()
	}); err != nil {
		t.Fatal(err)
	}
	nettest.AsNobody(t, h, func() error {
		r, err := Check(t.Context(), Request{Ports: []probe.Port{{Number: 417, Proto: probe.TCP}}, IPv4: true, IPv6: true})
		if err != nil {
			return err
		}
		if v := r.Verdicts[0]; !strings.HasSuffix(v.Why, "; not every NAT rule could be read, and one may send arrivals on") {
			t.Errorf("%+v", v)
		}
		return nil
	})
}

// Legacy iptables has tables of its own, which nftables does not tell.
func TestNATLegacy(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		// Asking for the table makes it (getsockopt IPT_SO_GET_INFO).
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		var info [84]byte // struct ipt_getinfo
		copy(info[:], "nat")
		size := uint32(len(info))
		if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_IP, 64, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0); errno != 0 {
			t.Skip("this kernel has no legacy iptables: ", errno)
		}
		n, err := readNAT(t.Context(), Query{ports: map[probe.Proto][]uint16{probe.TCP: {417}}, v4: true})
		if want := []string{"NAT rules: nftables has none", "NAT rules of legacy iptables: there is a nat table, which was not looked at"}; !slices.Equal(n.coverage, want) {
			t.Errorf("coverage %q", n.coverage)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestNATMany(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		if err := manyRules(newFirewall(nftables.TableFamilyIPv4), 1000); err != nil {
			return err
		}
		var ports []uint16
		for p := range 1 << 16 {
			ports = append(ports, uint16(p))
		}
		n, err := readNAT(t.Context(), Query{ports: map[probe.Proto][]uint16{probe.TCP: ports[1:], probe.UDP: ports[1:]}, v4: true, v6: true})
		if len(n.of) != 1000 || n.coverage[0] != "NAT rules: 2001 rules of nftables read" {
			t.Errorf("%d ports, %q", len(n.of), n.coverage)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// A walk ends, whatever the rules are, and says that it was cut.
func TestNATBounded(t *testing.T) {
	r := &natRules{of: map[string][][]step{"ip t a": {}}, steps: 1 << 12, sets: map[string]*natSet{}}
	for range 40 {
		r.of["ip t a"] = append(r.of["ip t a"], []step{{op: opVerdict, verdict: verdict{nftJump, "a"}}})
	}
	r.walk(t.Context(), Query{ports: map[probe.Proto][]uint16{probe.TCP: {1}}, v4: true}, []natChain{{family: unix.NFPROTO_IPV4, table: "t", name: "a"}})
	if !r.cut {
		t.Error("an endless walk ended without a word")
	}
	n := nat{}
	if n.cover(r, nil); !strings.Contains(n.coverage[0], "not all followed") {
		t.Errorf("coverage %q", n.coverage)
	}
	n = nat{}
	if n.cover(r, errEnough); !strings.Contains(n.coverage[0], "not all read: more than 64 MB") {
		t.Errorf("coverage %q", n.coverage)
	}
}

func BenchmarkNAT(b *testing.B) {
	for _, n := range []int{0, 1, 5000} {
		b.Run(fmt.Sprintf("services=%d", n), func(b *testing.B) {
			h := nettest.NewHost(b)
			if err := h.Do(func() error {
				if n > 0 {
					if err := manyRules(newFirewall(nftables.TableFamilyIPv4), n); err != nil {
						return err
					}
				}
				for b.Loop() {
					if _, err := readNAT(b.Context(), Query{ports: map[probe.Proto][]uint16{probe.TCP: {417}, probe.UDP: {417}}, v4: true, v6: true}); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
