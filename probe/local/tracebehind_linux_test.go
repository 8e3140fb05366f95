package local_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe/local/netns"
	"onmux/probe/nettest"
)

// portEnv has the port of the process behind proxyTo.
const portEnv = "ONMUX_TEST_PORT"

// runProxy takes connections, as the process behind proxyTo, until its input ends.
func runProxy() int {
	l, err := net.Listen("tcp4", "127.0.0.1:"+os.Getenv(portEnv))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, c) // until the other end leaves
		}
	}()
	fmt.Println("listening")
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// proxyTo starts a process whose command line is that of a systemd-socket-proxyd.
func proxyTo(t *testing.T, port, to string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"systemd-socket-proxyd", to}
	cmd.Env = append(os.Environ(), roleEnv+"=proxy", portEnv+"="+port)
	cmd.Stderr = os.Stderr
	nettest.StartCommand(t, cmd)
}

// The server behind a proxy is named, here and in another namespace.
func TestTraceBehind(t *testing.T) {
	nettest.Need(t)
	blue := nettest.NewNamespace(t)
	name := nameOf(t, blue)
	nettest.OpenIn(t, blue, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.77", 4990), nettest.Listen(7))
	nettest.OpenIn(
		t,
		blue,
		unix.AF_INET,
		unix.SOCK_STREAM,
		nettest.Option(unix.SOL_IP, unix.IP_FREEBIND),
		nettest.Bind("10.99.0.2", 4991),
		nettest.Listen(7),
	)
	nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 4990), nettest.Listen(7))
	for _, c := range []struct {
		number uint16
		to     string
		netns  string // "" if no owner is found
	}{
		{4980, "127.0.0.1:4990", netns.Host},
		{4981, "10.99.0.2:4991", name},
		{4982, "127.0.0.77:4990", ""}, // another namespace's loopback
		{4983, "10.99.0.3:4991", ""},
		{4984, "db.example:4991", ""},
	} {
		proxyTo(t, fmt.Sprint(c.number), c.to)
		v, _ := traced(t, c.number)
		got := v.Trace[0]
		if c.netns == "" {
			if got.Behind != nil {
				t.Errorf("%s: %+v", c.to, got.Behind)
			}
			continue
		}
		if b := got.Behind; b == nil || b.Address != c.to || b.NetNS != c.netns || len(b.Owners) != 1 ||
			b.Owners[0].PID != os.Getpid() {
			t.Errorf("%s: %+v", c.to, got)
			continue
		}
		want := " on " + c.to
		if c.netns != netns.Host {
			want += " in network namespace " + c.netns
		}
		if !strings.Contains(got.Text, "; behind it: ") || !strings.HasSuffix(got.Text, want) {
			t.Errorf("%s: %q", c.to, got.Text)
		}
	}
}
