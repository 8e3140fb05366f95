package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/local/ruleset"
	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
)

func TestMain(m *testing.M) { nettest.Main(m) }

// ownAddrs is the addresses of the calling thread's network namespace.
func ownAddrs() []netip.Addr {
	var own []netip.Addr
	nets, _ := net.InterfaceAddrs()
	for _, n := range nets {
		own = append(own, netip.MustParsePrefix(n.String()).Addr().Unmap())
	}
	return own
}

// query is ports, and which packets to them are asked about.
type query struct {
	ruleset.Query
	ports map[probe.Proto][]uint16
}

// tcpPorts asks for TCP ports over IPv4.
func tcpPorts(tcp ...uint16) query {
	q := ruleset.Query{Protos: []probe.Proto{probe.TCP}, IPv4: true, Own: ownAddrs}
	return query{q, map[probe.Proto][]uint16{probe.TCP: tcp}}
}

// result is what the rules do to the ports of a query, and how they were read.
type result struct {
	Result
	read ruleset.Result
}

func read(ctx context.Context, q query) (result, error) {
	r, err := ruleset.Read(ctx, q.Query)
	return result{Collect(r.Translations, q.ports), r}, err
}

// short writes a redirect in few words, without what is common to the table of cases.
func short(r Redirect) string {
	to := "port "
	switch a := r.Target.Addr; {
	case r.Target.AddrComputed:
		to = "a computed address"
	case a.IsValid() && r.Target.Port == ruleset.SamePort:
		to = a.String() + " (same port)"
	case a.Is6():
		to = "[" + a.String() + "]:"
	case a.IsValid():
		to = a.String() + ":"
	}
	switch p := r.Target.Ports; {
	case r.Target.Port == ruleset.ComputedPort:
		to += "computed"
	case r.Target.Port == ruleset.KnownPort && p.First == p.Last:
		to += strconv.Itoa(int(p.First))
	case r.Target.Port == ruleset.KnownPort:
		to += fmt.Sprintf("%d-%d", p.First, p.Last)
	}
	to += " in " + r.Rule.Table + " " + r.Rule.Chain
	if r.Rule.Maker != "" {
		to += " of " + string(r.Rule.Maker)
	}
	if r.Scope != Any {
		to += ", " + string(r.Scope)
	}
	if r.Family != "" {
		to += ", " + r.Family
	}
	if len(r.Addresses) > 0 {
		to += ", for " + strings.Join(r.Addresses, " and ")
	}
	var conditions []string
	for _, c := range r.Conditions {
		conditions = append(conditions, strings.TrimSpace(string(c.Kind)+" "+c.Name))
	}
	if len(conditions) > 0 {
		to += ", if " + strings.Join(conditions, " and ")
	}
	return strings.Replace(to, " in ip nat pre, outside, ipv4", "", 1)
}

// Every shape of rule, made through a library that shares nothing with the reader.
func TestRead(t *testing.T) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			h := nettest.NewHost(t)
			q := query{
				ruleset.Query{Protos: probe.Protos(), IPv4: true, IPv6: true, Own: ownAddrs},
				make(map[probe.Proto][]uint16),
			}
			for p := range c.want {
				port := parsePort(t, p)
				q.ports[port.Proto] = append(q.ports[port.Proto], port.Number)
			}
			for proto := range q.ports {
				slices.Sort(q.ports[proto])
			}
			var got result
			if err := h.Do(func() (err error) {
				f := nft.New(c.family)
				c.make(f, h)
				if err := f.Flush(); err != nil {
					return fmt.Errorf("the kernel refuses the rules: %w", err)
				}
				got, err = read(t.Context(), q)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			for p, want := range c.want {
				var all []string
				for _, r := range got.Redirects[parsePort(t, p)] {
					all = append(all, short(r))
				}
				want = strings.ReplaceAll(want, "HOST", h.Addr4.String())
				if s := strings.Join(all, "; "); s != want {
					t.Errorf("%s is sent to %q, want %q", p, s, want)
				}
			}
			if got.read.Status != ruleset.Complete || got.read.Rules == 0 || got.read.Incomplete() {
				t.Errorf("status %q of %d rules", got.read.Status, got.read.Rules)
			}
		})
	}
}

func parsePort(t *testing.T, s string) probe.Port {
	t.Helper()
	number, proto, _ := strings.Cut(s, "/")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	p := probe.Port{Number: uint16(n)}
	if err := p.Proto.UnmarshalText([]byte(proto)); err != nil {
		t.Fatal(err)
	}
	return p
}

// A target that is not understood is neither a redirect nor forgotten.
func TestReadUnknownTarget(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		f := nft.New(nftables.TableFamilyIPv4)
		prefix := nft.Native([4]uint32{1, nft.RangeMapsAddress, 0x0200000a, 0x0200000a}, uint32(0))
		f.Rule(f.Prerouting(), nft.XTPorts(417, 417, 0), nft.XTTarget("NETMAP", 0, prefix))
		if err := f.Flush(); err != nil {
			return err
		}
		got, err := read(t.Context(), tcpPorts(417, 418))
		p := probe.Port{Number: 417, Proto: probe.TCP}
		want := []ruleset.Rule{{Table: "ip nat", Chain: "pre"}}
		if !slices.Equal(got.Unknown[p], want) || len(got.Unknown) != 1 || len(got.Redirects) > 0 {
			t.Errorf("%+v", got)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// A rule of more or less every port selects none of them.
func TestReadWide(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		f := nft.New(nftables.TableFamilyIPv4)
		f.Rule(f.Output(), nft.ToPort(417), nft.Redirect(1))
		f.Rule(f.Prerouting(), nft.ComparePort(expr.CmpOpGt, 400), nft.Redirect(15001))
		if err := f.Flush(); err != nil {
			return err
		}
		got, err := read(t.Context(), tcpPorts(417, 418))
		_, selected := got.Selected[probe.Port{Number: 417, Proto: probe.TCP}]
		wide := []ruleset.Rule{{Table: "ip nat", Chain: "pre"}}
		if !selected || len(got.Selected) != 1 || len(got.Redirects) != 2 || !slices.Equal(got.Wide, wide) {
			t.Errorf("%+v", got)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestReadNotPermitted(t *testing.T) {
	h := nettest.NewHost(t)
	nettest.AsNobody(t, h, func() error {
		got, err := read(t.Context(), tcpPorts(417))
		if got.read.Status != ruleset.NotPermitted || !got.read.Incomplete() {
			t.Errorf("%+v", got)
		}
		return err
	})
}

// A sandbox that forbids netlink is not a kernel without nftables, whatever the
// error by which it does.
func TestReadNotOpened(t *testing.T) {
	nettest.Need(t)
	for _, refusal := range []unix.Errno{unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT, unix.EPERM, unix.EACCES, unix.EINVAL} {
		var got result
		nettest.WithoutNetlink(t, refusal, func() (err error) {
			got, err = read(t.Context(), tcpPorts(417))
			return err
		})
		if got.read.Status != ruleset.NotOpened || !got.read.Incomplete() || !errors.Is(got.read.Err, refusal) {
			t.Errorf("%v: %+v", refusal, got)
		}
	}
}

// Legacy iptables has tables of its own, which nf_tables does not list.
func TestReadLegacy(t *testing.T) {
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
		if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_IP, 64,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0); errno != 0 {
			t.Skip("this kernel has no legacy iptables: ", errno)
		}
		got, err := read(t.Context(), tcpPorts(417))
		if got.read.Status != ruleset.NoRules || len(got.read.Legacy) == 0 || !got.read.Incomplete() {
			t.Errorf("%+v", got)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// writeServices writes rules as kube-proxy makes them for n services.
func writeServices(n int) error {
	f := nft.New(nftables.TableFamilyIPv4)
	pre, ports := f.Prerouting(), f.Chain("KUBE-NODEPORTS")
	f.Rule(pre, nft.Verdict(expr.VerdictJump, "KUBE-NODEPORTS"))
	for i := range n {
		name := fmt.Sprintf("KUBE-SVC-%d", i)
		f.Rule(f.Chain(name), nft.DNAT("10.244.0.5", uint16(i)))
		f.Rule(ports, nft.ToPort(uint16(30000+i)), nft.Verdict(expr.VerdictJump, name))
		if i%20 == 19 {
			if err := f.Flush(); err != nil {
				return err
			}
		}
	}
	return f.Flush()
}

func TestReadMany(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		if err := writeServices(1000); err != nil {
			return err
		}
		var ports []uint16
		for p := range 1<<16 - 1 {
			ports = append(ports, uint16(p+1))
		}
		q := query{ruleset.Query{Protos: probe.Protos(), IPv4: true, IPv6: true, Own: ownAddrs},
			map[probe.Proto][]uint16{probe.TCP: ports, probe.UDP: ports}}
		got, err := read(t.Context(), q)
		if len(got.Redirects) != 1000 || got.read.Status != ruleset.Complete || got.read.Rules != 2001 {
			t.Errorf("%d ports, %q of %d rules", len(got.Redirects), got.read.Status, got.read.Rules)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, n := range []int{0, 1, 5000} {
		b.Run(fmt.Sprintf("services=%d", n), func(b *testing.B) {
			h := nettest.NewHost(b)
			if err := h.Do(func() error {
				if n > 0 {
					if err := writeServices(n); err != nil {
						return err
					}
				}
				q := tcpPorts(417)
				q.ports[probe.UDP], q.IPv6 = []uint16{417}, true
				q.Protos = probe.Protos()
				for b.Loop() {
					if _, err := read(b.Context(), q); err != nil {
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
