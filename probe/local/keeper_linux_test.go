package local

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// keeper is a process of a test's own that gets a socket in some way and keeps
// it until the test ends.
type keeper struct {
	exe   string // "" for the test binary
	does  string // see play
	files []*os.File
	args  []string
	attr  *syscall.SysProcAttr
}

// start starts it and waits until it holds its socket.
func (k keeper) start(t testing.TB) *exec.Cmd {
	t.Helper()
	if k.exe == "" {
		k.exe = "/proc/self/exe"
	}
	cmd := exec.Command(k.exe, append([]string{"-test.run=^TestKeeper$", "--"}, k.args...)...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), roleEnv+"=keeper", doesEnv+"="+k.does, quickExit)
	cmd.ExtraFiles, cmd.SysProcAttr, cmd.Stderr = k.files, k.attr, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the keeper says %q, %v", line, err)
	}
	return cmd
}

// quickExit spares processes under the race detector a second at their end.
const quickExit = "GORACE=atexit_sleep_ms=0"

const doesEnv = "ONMUX_TEST_DOES"

// TestKeeper is the process behind keeper.
func TestKeeper(t *testing.T) {
	if os.Getenv(roleEnv) != "keeper" {
		return
	}
	keep := func() {
		if err := hold(os.Getenv(doesEnv)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("ready")
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		go keep()
		select {}
	}
	keep()
}

// hold gets a socket: "inherit", "receive" from a unix socket that it inherits,
// or "listen PORT"; and before or after that it takes a "name NAME", goes to live
// in another cgroup, "move DIR", or keeps its descriptors "apart" from those of
// the other threads.
func hold(does string) error {
	for does := range strings.SplitSeq(does, ", ") {
		what, value, _ := strings.Cut(does, " ")
		var err error
		switch what {
		case "inherit":
		case "receive":
			err = receive(3)
		case "listen":
			err = listenAt(value)
		case "move":
			err = os.WriteFile(filepath.Join(value, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
		case "apart":
			runtime.LockOSThread()
			err = unix.Unshare(unix.CLONE_FILES)
		case "name":
			err = os.WriteFile(fmt.Sprintf("/proc/self/task/%d/comm", os.Getpid()), []byte(value), 0)
		default:
			err = errors.New("what is " + what)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", does, err)
		}
	}
	return nil
}

func receive(from int) error {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(from, make([]byte, 1), oob, 0)
	if err != nil {
		return err
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 {
		return fmt.Errorf("%d messages, %w", len(msgs), err)
	}
	if _, err := unix.ParseUnixRights(&msgs[0]); err != nil {
		return err
	}
	return unix.Close(from)
}

func listenAt(port string) error {
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return all(flag(unix.SOL_SOCKET, unix.SO_REUSEPORT), bindTo("127.0.0.1", uint16(n)), listenWith(7))(fd)
}

// pair is two connected unix sockets.
func pair(t testing.TB) (ours int, theirs *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[1]), "pair")
	t.Cleanup(func() { unix.Close(fds[0]); f.Close() })
	return fds[0], f
}

// copied is a copy of the test binary: another program.
func copied(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(exe, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return exe
}
