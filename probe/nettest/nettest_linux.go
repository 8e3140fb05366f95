package nettest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe/nettest/nft"
)

// Run runs the test binary again in a network namespace of its own and returns
// its status. Where the kernel refuses one, the tests run here and those that
// call Need skip.
func Run(m Tests) int { return run(m, "yes") }

// Alone is Run in a process namespace of its own too, with its own /proc and no
// named network namespaces: nothing can be seen of what else runs on the machine.
// Where the kernel refuses that, the tests run here and those that call Need skip.
func Alone(m Tests) int { return run(m, "alone") }

// AloneIfAllowed is Alone, and where the kernel refuses that, Run.
func AloneIfAllowed(m Tests) int { return run(m, "alone", "yes") }

// IsAlone reports whether the tests have a process namespace of their own.
func IsAlone() bool { return os.Getenv(marker) == "yes" && os.Getpid() == 1 }

// run tries one mark after the other.
func run(m Tests, marks ...string) int {
	if os.Getenv(marker) != "" {
		return inside(m)
	}
	if os.Getenv("GORACE") == "" { // or each process that a test starts sleeps for a second at its end
		os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	err := again(marks[0], isolated(marks[0]))
	if len(marks) > 1 && status(err) == refused {
		return run(m, marks[1:]...)
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && marks[0] == "alone" && exit.ExitCode() == refused:
		err = errors.New("no process namespace with its own /proc")
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1)
	}
	os.Setenv(marker, err.Error())
	return inside(m)
}

func again(mark string, attr *syscall.SysProcAttr) error {
	// The kernel ties Pdeathsig to the thread that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), marker+"="+mark)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = attr
	return cmd.Run()
}

// refused is the status of a process that was refused its own /proc.
const refused = 125

// status is that of a process; refused if there was none.
func status(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return refused
}

// isolated asks for a new network namespace, and for a user namespace around it
// where the caller is not root.
func isolated(mark string) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if mark == "alone" {
		attr.Cloneflags |= unix.CLONE_NEWPID | unix.CLONE_NEWNS
	}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return attr
}

func inside(m Tests) int {
	if os.Getenv(marker) == "alone" {
		if ownProc() != nil {
			return refused
		}
		os.Setenv(marker, "yes")
	}
	if os.Getenv(marker) == "yes" {
		if err := up("lo"); err != nil {
			fmt.Fprintln(os.Stderr, "nettest: bring up loopback:", err)
			return 1
		}
	}
	return wide(m)
}

// ownProc mounts the proc(5) of this process namespace, for this process and its
// children alone, and hides the names of network namespaces.
func ownProc() error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	errs := []error{
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", flags, ""),
	}
	for _, dir := range []string{"/run/netns", "/run/docker/netns"} {
		if err := unix.Mount("tmpfs", dir, "tmpfs", flags, ""); !errors.Is(err, unix.ENOENT) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func up(device string) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

var hosts atomic.Uint32

// NewHost makes a host and links it to the test's namespace; links take
// 10.41.N.0/24 and fd41:N::/64 for N up to 250. The host is gone when
// the test ends.
func NewHost(t testing.TB) *Host {
	t.Helper()
	Need(t)
	n := hosts.Add(1)
	if n > 250 {
		t.Fatal("nettest: too many hosts in one test binary")
	}
	h := &Host{
		Self4: netip.MustParseAddr(fmt.Sprintf("10.41.%d.1", n)), Addr4: netip.MustParseAddr(fmt.Sprintf("10.41.%d.2", n)),
		Self6: netip.MustParseAddr(fmt.Sprintf("fd41:%x::1", n)), Addr6: netip.MustParseAddr(fmt.Sprintf("fd41:%x::2", n)),
		Device: fmt.Sprintf("vt%d", n), peer: fmt.Sprintf("vh%d", n), calls: make(chan func()),
	}
	h.Net4, h.Net6 = netip.PrefixFrom(h.Self4, 24).Masked(), netip.PrefixFrom(h.Self6, 64).Masked()
	tid := make(chan int)
	failed := make(chan error, 1)
	go h.run(tid, failed)
	select {
	case err := <-failed:
		t.Fatal("nettest: new host:", err)
	case id := <-tid:
		if err := h.link(id); err != nil {
			t.Fatal("nettest: link host:", err)
		}
	}
	t.Cleanup(func() {
		close(h.calls)
		if link, err := netlink.LinkByName(h.Device); err == nil {
			_ = netlink.LinkDel(link) // the pair would otherwise outlive sockets still open in the host
		}
	})
	if err := h.Do(func() error { return errors.Join(up("lo"), h.configure(h.peer, h.Addr4, h.Addr6)) }); err != nil {
		t.Fatal("nettest: configure host:", err)
	}
	return h
}

// run holds the host's own thread. It is never unlocked, so that the runtime ends
// it, and with it the namespace, rather than reuse it. The process's first thread
// cannot end, and /proc/self is about it: it is kept for others meanwhile.
func (h *Host) run(tid chan<- int, failed chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		locked := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(locked)
			h.serve(tid, failed)
		}()
		<-locked
		runtime.UnlockOSThread()
		return
	}
	h.serve(tid, failed)
}

// serve makes the calls from the namespace that it makes for itself.
func (h *Host) serve(tid chan<- int, failed chan<- error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		failed <- err
		return
	}
	tid <- unix.Gettid()
	for call := range h.calls {
		call()
	}
}

func (h *Host) link(tid int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = h.Device
	ns, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", tid))
	if err != nil {
		return err
	}
	defer ns.Close()
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: h.peer, PeerNamespace: netlink.NsFd(ns.Fd())}
	if err := netlink.LinkAdd(veth); err != nil {
		return err
	}
	return h.configure(h.Device, h.Self4, h.Self6)
}

func (h *Host) configure(device string, a4, a6 netip.Addr) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	for _, p := range []netip.Prefix{netip.PrefixFrom(a4, 24), netip.PrefixFrom(a6, 64)} {
		addr, err := netlink.ParseAddr(p.String())
		if err != nil {
			return err
		}
		addr.Flags = unix.IFA_F_NODAD // usable at once, without duplicate address detection
		if err := netlink.AddrAdd(link, addr); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(link)
}

// Do runs f in the host's namespace and returns its error. Sockets opened by f
// itself (not by goroutines it starts) belong to the host for good.
func (h *Host) Do(f func() error) error {
	done := make(chan error)
	h.calls <- func() { done <- f() }
	return <-done
}

// Rule adds a firewall rule to the host, for IPv4 and IPv6 alike unless it
// names an ICMP code, which makes it one for family ("ip" or "ip6").
func (h *Host) Rule(t testing.TB, family string, r Rule) {
	t.Helper()
	if err := h.Do(func() error { return addRule(family, nftables.ChainHookInput, r) }); err != nil {
		t.Fatalf("nettest: rule %+v: %v", r, err)
	}
}

// Forward is Rule for what the host forwards.
func (h *Host) Forward(t testing.TB, family string, r Rule) {
	t.Helper()
	if err := h.Do(func() error { return addRule(family, nftables.ChainHookForward, r) }); err != nil {
		t.Fatalf("nettest: rule %+v for what is forwarded: %v", r, err)
	}
}

// Redirect makes every TCP port of the host, over IPv4, lead to one.
func (h *Host) Redirect(t testing.TB, to uint16) {
	t.Helper()
	err := h.Do(func() error {
		f := nft.New(nftables.TableFamilyIPv4)
		f.Rule(f.Prerouting(), nft.Proto(unix.IPPROTO_TCP), nft.Redirect(to))
		return f.Flush()
	})
	if err != nil {
		t.Fatal("nettest: redirect:", err)
	}
}

// AddLocal makes every address of p one of the host's.
func (h *Host) AddLocal(t testing.TB, p netip.Prefix) {
	t.Helper()
	err := h.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		_, dst, err := net.ParseCIDR(p.String())
		if err != nil {
			return err
		}
		return netlink.RouteAdd(
			&netlink.Route{
				LinkIndex: lo.Attrs().Index,
				Dst:       dst,
				Type:      unix.RTN_LOCAL,
				Table:     unix.RT_TABLE_LOCAL,
				Scope:     netlink.SCOPE_HOST,
			},
		)
	})
	if err != nil {
		t.Fatal("nettest: local addresses:", err)
	}
}

// addRule adds a rule, again if the wait for the kernel's answer was interrupted: twice
// the same rule is as good as one.
func addRule(family string, hook *nftables.ChainHook, r Rule) error {
	for {
		if err := addRuleOnce(family, hook, r); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func addRuleOnce(family string, hook *nftables.ChainHook, r Rule) error {
	families := map[string]nftables.TableFamily{
		"ip":   nftables.TableFamilyIPv4,
		"ip6":  nftables.TableFamilyIPv6,
		"inet": nftables.TableFamilyINet,
	}
	fam, ok := families[family]
	if !ok {
		return fmt.Errorf("%q is not a family: ip, ip6 or inet", family)
	}
	protos := map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP}
	f := nft.New(fam)
	port := []expr.Any{&expr.Cmp{Register: 1, Data: nft.Port(r.Port)}}
	f.Rule(f.Filter(hook), nft.Proto(protos[r.Proto]), nft.LoadPort(), port, []expr.Any{r.Do.expr()})
	return f.Flush()
}

func (a Action) expr() expr.Any {
	switch a.kind {
	case actReset:
		return &expr.Reject{Type: unix.NFT_REJECT_TCP_RST}
	case actUnreach:
		return &expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: uint8(a.code)}
	default:
		return &expr.Verdict{Kind: expr.VerdictDrop}
	}
}
