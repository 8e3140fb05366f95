package ports

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
)

// roleEnv makes this test binary another process of a test.
const roleEnv = "ONMUX_TEST_ROLE"

const (
	sysctlLow      = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
	sysctlRange    = "/proc/sys/net/ipv4/ip_local_port_range"
	sysctlReserved = "/proc/sys/net/ipv4/ip_local_reserved_ports"
)

// Whether a caller may bind a port is what the kernel then does, for root, for another
// user, and for root of a user namespace, who has the
// capability and may use it only in a network namespace of his own.
func TestMayBindIsTrue(t *testing.T) {
	const newUser, newNet = syscall.CLONE_NEWUSER, syscall.CLONE_NEWNET
	exe := nettest.PublicCopy(t, "/proc/self/exe")
	for _, c := range []struct {
		name  string
		flags uintptr
		uid   uint32 // of the child from the start
		env   string // settings it makes while it may
		want  string
		root  bool // whether the test must be root to do it
	}{
		{"root", newNet, 0, "", "417 true 1023 true 1024 true", true},
		{"another user", newNet, 65534, "", "417 false 1023 false 1024 true", true},
		{"root of a user namespace", newUser, 0, "", "417 false 1023 false 1024 true", false},
		{"and of a network", newUser | newNet, 0, "", "417 true 1023 true 1024 true", false},
		{"lowered for another user", newNet, 0, sysctlLow + "=417", "416 false 417 true 1024 true", true},
		{"opened for all", newNet, 0, sysctlLow + "=0", "1 true 417 true 1024 true", true},
		{"raised", newNet, 0, sysctlLow + "=2000", "417 false 1024 false 1999 false 2000 true", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.root && !mayBeSomebody(t) {
				t.Skip("needs root, which may become another user")
			}
			t.Parallel() // under the race detector a process takes a second to exit
			cmd := exec.Command(exe, "-test.run=^TestHelperBinds$")
			cmd.Dir = "/"
			cmd.Env = append(os.Environ(), roleEnv+"=binder", "ONMUX_TEST_SYSCTL="+c.env, "ONMUX_TEST_BIND="+portList(c.want))
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: c.flags}
			if c.uid != 0 {
				cmd.SysProcAttr.Credential = &syscall.Credential{Uid: c.uid, Gid: c.uid}
			}
			if c.flags&newUser != 0 {
				cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
				cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
			}
			out, err := cmd.CombinedOutput()
			if err != nil && len(out) == 0 {
				t.Skip("the kernel refused a namespace:", err)
			}
			if want := "result: " + c.want; err != nil || !slices.Contains(strings.Split(string(out), "\n"), want) {
				t.Errorf("%v: %s; want %q", err, out, want)
			}
		})
	}
}

// mayBeSomebody reports whether this process may take the user id 65534, which
// root of a user namespace may not where it has no such user.
func mayBeSomebody(t *testing.T) bool {
	t.Helper()
	users, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(users)) {
		var inside, outside, count uint64
		if n, _ := fmt.Sscan(line, &inside, &outside, &count); n == 3 && inside <= 65534 && 65534 < inside+count {
			return os.Geteuid() == 0
		}
	}
	return false
}

// ports are those of an expectation: "417 true 1023 false" is "417 1023".
func portList(want string) string {
	fields := strings.Fields(want)
	return strings.Join(slices.DeleteFunc(fields, func(f string) bool { return f == "true" || f == "false" }), " ")
}

// TestHelperBinds is the process behind TestMayBindIsTrue: it reports what it may
// bind, and tries. Once it has changed a setting it drops its privileges.
func TestHelperBinds(t *testing.T) {
	if os.Getenv(roleEnv) != "binder" {
		return
	}
	if file, value, ok := strings.Cut(os.Getenv("ONMUX_TEST_SYSCTL"), "="); ok {
		if err := os.WriteFile(file, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Setuid(65534); err != nil {
			t.Fatal(err)
		}
	}
	m := ReadMachine()
	var results []string
	for item := range strings.FieldsSeq(os.Getenv("ONMUX_TEST_BIND")) {
		spans, err := parseSpans(item)
		if err != nil {
			t.Fatal(err)
		}
		port := spans[0].First
		p := m.Info(port, probe.Protos())
		if p.MayBind == nil {
			t.Fatalf("%d: not known; %q", port, m.Unknown)
		}
		results = append(results, fmt.Sprint(port, *p.MayBind))
		for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM} {
			if err := bind(kind, port); errors.Is(err, unix.EACCES) == *p.MayBind {
				t.Errorf("%d: reported %t, and the kernel returns %v", port, *p.MayBind, err)
			}
		}
	}
	fmt.Println("result:", strings.Join(results, " "))
}

// bind holds a port for an instant; nothing is sent.
func bind(kind int, port uint16) error {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Bind(fd, &unix.SockaddrInet4{Port: int(port)})
}

// The settings of a network namespace are read, in the kernel's own writing.
func TestReadSettings(t *testing.T) {
	if os.Getenv(roleEnv) == "reader" {
		// The kernel wants the range to begin above the privileged ports.
		for _, set := range [][2]string{{sysctlLow, "7"}, {sysctlRange, "400 500"}, {sysctlReserved, "417,450-460,9"}} {
			if err := os.WriteFile(set[0], []byte(set[1]), 0); err != nil {
				t.Fatal(err)
			}
		}
		s := ReadSettings()
		fmt.Println("read:", *s.UnprivilegedFrom, *s.Ephemeral, s.Reserved, s.ReservedKnown, len(s.Unknown))
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestReadSettings$")
	cmd.Env = append(os.Environ(), roleEnv+"=reader")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	}
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Skip("the kernel refused a namespace:", err)
	}
	if want := "read: 7 {400 500} [{9 9} {417 417} {450 460}] true 0"; err != nil ||
		!slices.Contains(strings.Split(string(out), "\n"), want) {
		t.Errorf("%v: %s; want %q", err, out, want)
	}
}

func TestReadSettingsThatMakeNoSense(t *testing.T) {
	file := filepath.Join(t.TempDir(), "setting")
	for _, text := range []string{"", "\n", "x", "-1", "70000", "1 2 3", "5 4", "1024 x"} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if n, err := readUnprivilegedFrom(file); err == nil {
			t.Errorf("%q: from %d", text, *n)
		}
		if s, err := readEphemeral(file); err == nil {
			t.Errorf("%q: range %v", text, *s)
		}
		if may, err := mayBindLow(file); err == nil {
			t.Errorf("%q: may bind: %t", text, may)
		}
	}
	if _, err := readUnprivilegedFrom(file + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestParseCapEff(t *testing.T) {
	for in, want := range map[string]uint64{
		"Name:\tx\nCapEff:\t0000000000000400\n": 1 << unix.CAP_NET_BIND_SERVICE,
		"CapEff:\t000001ffffffffff\n":           0x1ffffffffff,
		"CapEff:\t0":                            0,
	} {
		if got, err := parseCapEff(in); err != nil || got != want {
			t.Errorf("%q: %x, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "CapPrm:\t0\n", "CapEff:\n", "CapEff:\tx\n", "xCapEff:\t0\n"} {
		if got, err := parseCapEff(in); err == nil {
			t.Errorf("%q: %x", in, got)
		}
	}
}

func FuzzParseCapEff(f *testing.F) {
	f.Add("Name:\tx\nCapEff:\t0000000000000400\n")
	f.Fuzz(func(t *testing.T, in string) {
		if caps, err := parseCapEff(in); err != nil && caps != 0 {
			t.Errorf("%q: %x, %v", in, caps, err)
		}
	})
}
