package local_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/local/socket"
	"onmux/probe/nettest"
)

// procFiles is a /proc/net with some files; a nil one cannot be read.
func procFiles(t *testing.T, files map[string][]byte) socket.ProcNet {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		path := filepath.Join(dir, name)
		write := func() error { return os.WriteFile(path, b, 0o600) }
		if b == nil {
			write = func() error { return os.Mkdir(path, 0o700) }
		}
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	return socket.ProcNet{Dir: dir}
}

func lookingAt(diag *socket.Diag, files socket.ProcNet) func(context.Context, query) (view, error) {
	return func(ctx context.Context, q query) (view, error) { return lookAt(ctx, q, diag, files) }
}

// What was seen holds, and what was not seen is unknown, where a source fails
// halfway. The kernel's answer about IPv6 is made not to fit.
func TestCheckPartly(t *testing.T) {
	nettest.Need(t)
	nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 4401), nettest.Listen(7))
	twin := nettest.Option(unix.SOL_SOCKET, unix.SO_REUSEPORT)
	for range 6 {
		for _, port := range []uint16{4401, 4402} {
			nettest.Open(t, unix.AF_INET6, unix.SOCK_STREAM, twin, nettest.Bind("::1", port), nettest.Listen(7))
		}
	}
	tcp4, err := os.ReadFile("/proc/thread-self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	tcp6, err := os.ReadFile("/proc/thread-self/net/tcp6")
	if err != nil {
		t.Fatal(err)
	}
	narrow := func() *socket.Diag {
		d := socket.NewDiag()
		d.Client.Buffer = make([]byte, 512)
		return d
	}
	nothing := socket.ProcNet{Dir: "/nonexistent"}
	for _, c := range []struct {
		name          string
		look          func(context.Context, query) (view, error)
		first, second Word // of 4401 and 4402
		holders       int  // of 4401; -1 if that is up to the kernel's order
		coverage      string
	}{
		{"half of sock_diag", lookingAt(narrow(), nothing), Listening, Unknown, 1,
			"from the kernel (sock_diag): not all read: "},
		{"half of sock_diag, all files", lookingAt(narrow(), procFiles(t, map[string][]byte{"tcp": tcp4, "tcp6": tcp6})),
			Listening, Listening, 7, "from /proc/net because of: "},
		{"half of the files", lookingAt(nil, procFiles(t, map[string][]byte{"tcp": tcp4, "tcp6": nil})), Listening, Unknown,
			1, "from /proc/net: not all read: "},
		{"half of a file", lookingAt(nil, procFiles(t, map[string][]byte{"tcp": tcp4, "tcp6": tcp6[:len(tcp6)-100]})),
			Listening, Listening, -1, "from /proc/net: not all read: "},
		{"no IPv6", lookingAt(nil, procFiles(t, map[string][]byte{"tcp": tcp4})), Listening, Unknown, 1,
			"IPv6: not available in this kernel"},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := ask(t, []fact{{port: probe.Port{Number: 4401, Proto: probe.TCP}}}, Request{IPv4: true, IPv6: true}, c.look)
			second := ask(t, []fact{{port: probe.Port{Number: 4402, Proto: probe.TCP}}}, Request{IPv4: true, IPv6: true}, c.look)
			if v := first.Verdicts[0]; v.Verdict != c.first || v.Error != "" {
				t.Errorf("4401: %+v, want %s", v, c.first)
			}
			if n := len(first.Listeners); n != c.holders && c.holders >= 0 {
				t.Errorf("4401: %d sockets, want %d", n, c.holders)
			}
			if !slices.ContainsFunc(first.Listeners,
				func(l Listener) bool { return l.Address == netip.MustParseAddr("127.0.0.1") }) {
				t.Errorf("4401: the socket over IPv4 is lost: %+v", first.Listeners)
			}
			if v := second.Verdicts[0]; v.Verdict != c.second || (v.Verdict == Unknown) != (v.Error != "") {
				t.Errorf("4402: %+v, want %s", v, c.second)
			}
			if all := strings.Join(first.Coverage, "\n"); !strings.Contains(all, c.coverage) {
				t.Errorf("coverage %q lacks %q", all, c.coverage)
			}
		})
	}
}
