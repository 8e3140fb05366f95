package local_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/local/socket"
	"onmux/probe/nettest"
)

// Binding is tried only when it was asked for.
func TestBindTrial(t *testing.T) {
	nettest.InHost(t, func(*nettest.Host) {
		bound := nettest.Option(unix.SOL_SOCKET, unix.SO_REUSEADDR)
		nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, bound, nettest.Bind("127.0.0.1", 418))
		nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 419))
		nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 420), nettest.Listen(1))
		for number, want := range map[uint16]string{
			417: "binding 0.0.0.0:417, [::]:417, [::]:417 with IPv4 worked",
			418: "binding 0.0.0.0:418, [::]:418 with IPv4 worked only with SO_REUSEADDR, which most servers set; " +
				"binding [::]:418 worked",
			419: "binding 0.0.0.0:419, [::]:419 with IPv4 was refused: address already in use; binding [::]:419 worked",
			420: "",
		} {
			v, _ := traced(t, number)
			tried := slices.DeleteFunc(v.Bind, func(s string) bool { return !strings.HasPrefix(s, "binding ") })
			slices.Sort(tried)
			if got := strings.Join(tried, "; "); got != want {
				t.Errorf("%d: %q, want %q", number, got, want)
			}
		}
		r, err := checked(t.Context(), Request{Ports: []probe.Port{{Number: 417, Proto: probe.TCP}}, IPv4: true})
		if err != nil || len(r.Verdicts[0].Bind) != 0 || len(r.Verdicts[0].Trace) != 0 {
			t.Errorf("%+v, %v", r.Verdicts, err)
		}
	})
}

// Where no source lists sockets that are bound and do not listen, nothing is
// concluded from that, and binding decides.
func TestBindTrialUnlisted(t *testing.T) {
	nettest.Need(t)
	nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 4419))
	nettest.Open(
		t,
		unix.AF_INET6,
		unix.SOCK_STREAM,
		nettest.Option(unix.SOL_SOCKET, unix.SO_REUSEADDR),
		nettest.Option(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY),
		nettest.Bind("::1", 4418),
	)
	ports := []probe.Port{
		{Number: 4417, Proto: probe.TCP},
		{Number: 4418, Proto: probe.TCP},
		{Number: 4419, Proto: probe.TCP},
	}
	for _, c := range []struct {
		trace bool
		want  []Word
		hints int
	}{
		{false, []Word{Unknown, Unknown, Unknown}, 1},
		{true, []Word{Free, Bound, Bound}, 0},
	} {
		var r completed
		nettest.WithoutNetlink(t, unix.EAFNOSUPPORT, func() (err error) {
			r, err = checked(t.Context(), Request{Ports: ports, IPv4: true, IPv6: true, Trace: c.trace})
			return err
		})
		for i, v := range r.Verdicts {
			if v.Verdict != c.want[i] || v.Verdict == Unknown && !strings.Contains(v.Why, "bound and does not listen") {
				t.Errorf("with trace %t: %+v, want %s", c.trace, v, c.want[i])
			}
		}
		hints := slices.DeleteFunc(
			slices.Clone(r.Hints),
			func(s string) bool { return !strings.HasPrefix(s, "--trace binds") },
		)
		if len(hints) != c.hints {
			t.Errorf("with trace %t: hints %q", c.trace, r.Hints)
		}
	}
}

// Where the sysctl takes IPv6 away, binding [::] still works.
func TestWithoutIPv6(t *testing.T) {
	nettest.InHost(t, func(h *nettest.Host) {
		if got := WithoutIPv6(socket.ProcNet{Dir: "/proc/thread-self/net"}); got != "" {
			t.Errorf("with IPv6: %q", got)
		}
		const want = "IPv6: no interface has an address: binding [::1] fails, and [::] takes IPv4 only"
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/lo/disable_ipv6", []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
		if got := WithoutIPv6(socket.ProcNet{Dir: "/proc/thread-self/net"}); got != NoIPv6Loopback {
			t.Errorf("without ::1: %q", got)
		}
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
		v, _ := traced(t, 417)
		if !slices.Contains(v.Bind, want) ||
			!slices.Contains(v.Bind, "binding 0.0.0.0:417, [::]:417, [::]:417 with IPv4 worked") ||
			len(v.Trace) != 1 {
			t.Errorf("%+v", v)
		}
		s := nettest.Open(t, unix.AF_INET6, unix.SOCK_STREAM, func(int) error { return nil })
		if err := nettest.Bind("::1", 417)(s.FD); !errors.Is(err, unix.EADDRNOTAVAIL) {
			t.Errorf("binding [::1]: %v", err)
		}
		r, err := checked(t.Context(), Request{Ports: []probe.Port{{Number: 417, Proto: probe.TCP}}, IPv4: true})
		if err != nil || len(r.Verdicts[0].Bind) != 0 {
			t.Errorf("IPv4 only: %+v, %v", r.Verdicts, err)
		}
	})
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/tcp", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := WithoutIPv6(socket.ProcNet{Dir: dir}); got != NoIPv6 {
		t.Errorf("a kernel without IPv6: %q", got)
	}
}
