package nettest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a process of a test that gets a socket in some way and keeps it until
// the test ends. TestMain has to call RunProcess first.
type Process struct {
	Exe   string // "" for the test binary
	Steps string // see prepare
	Files []*os.File
	Args  []string
	Attr  *syscall.SysProcAttr
}

// stepsEnv has the steps of a process that a test started.
const stepsEnv = "ONMUX_TEST_STEPS"

// Start starts the process and waits until it holds its socket.
func (p Process) Start(t testing.TB) *exec.Cmd {
	t.Helper()
	if p.Exe == "" {
		p.Exe = "/proc/self/exe"
	}
	cmd := exec.Command(p.Exe, p.Args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), stepsEnv+"=start, "+p.Steps)
	cmd.ExtraFiles, cmd.SysProcAttr, cmd.Stderr = p.Files, p.Attr, os.Stderr
	if line := StartCommand(t, cmd); line != "ready" {
		t.Fatalf("nettest: a process wrote %q", line)
	}
	return cmd
}

// StartCommand starts a command that ends when its standard input does, which is when the
// test ends. It waits for the first line of output and returns it.
func StartCommand(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
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
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("nettest: %s wrote %q: %v", cmd.Args[0], line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

// PublicCopy copies an executable to where every user may run it.
func PublicCopy(t testing.TB, exe string) string {
	t.Helper()
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "onmux")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, filepath.Base(exe))
	if err := errors.Join(os.Chmod(dir, 0o755), writeProgram(path, b), os.Chmod(path, 0o755)); err != nil {
		t.Fatal(err)
	}
	return path
}

// RunProcess returns at once unless this process is one that Start started.
func RunProcess() {
	steps, started := os.LookupEnv(stepsEnv)
	if !started {
		return
	}
	hold := func() {
		if err := prepare(steps); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("ready")
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() { // whose descriptors are those of the process
		go hold()
		select {}
	}
	hold()
}

// prepare gets a socket: "inherit", "receive" from a unix socket that it inherits,
// "listen PORT" or "connect ADDRESS"; or it sends a datagram, "send ADDRESS"; and
// before or after that it takes a "name NAME", moves to
// another cgroup, "move DIR", or keeps its descriptors "apart" from those of the
// other threads.
func prepare(steps string) error {
	for step := range strings.SplitSeq(steps, ", ") {
		what, value, _ := strings.Cut(step, " ")
		var err error
		switch what {
		case "start", "inherit":
		case "receive":
			err = receive(3)
		case "listen":
			err = listenAt(value)
		case "connect":
			err = connectTo(value)
		case "send":
			err = sendTo(value)
		case "move":
			err = os.WriteFile(filepath.Join(value, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
		case "apart":
			runtime.LockOSThread()
			err = unix.Unshare(unix.CLONE_FILES)
		case "name":
			err = os.WriteFile(fmt.Sprintf("/proc/self/task/%d/comm", os.Getpid()), []byte(value), 0)
		default:
			err = errors.New("no such step")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step, err)
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
	_, err = open(unix.AF_INET, unix.SOCK_STREAM, []Step{
		Option(unix.SOL_SOCKET, unix.SO_REUSEPORT), Bind("127.0.0.1", uint16(n)), Listen(7)})
	return err
}

// connectTo connects, or sends a datagram and waits for the answer: "tcp 127.0.0.1:417".
func connectTo(to string) error {
	network, at, _ := strings.Cut(to, " ")
	c, err := net.Dial(network, at)
	if err != nil || network == "tcp" {
		return err
	}
	if _, err := c.Write([]byte("who")); err != nil {
		return err
	}
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err = c.Read(make([]byte, 64))
	return err
}

// sendTo sends a datagram from a socket that is not connected and waits for an answer, from
// wherever it comes.
func sendTo(to string) error {
	at, err := net.ResolveUDPAddr("udp4", to)
	if err != nil {
		return err
	}
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return err
	}
	if _, err := c.WriteTo([]byte("who"), at); err != nil {
		return err
	}
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, _, err = c.ReadFrom(make([]byte, 64))
	return err
}

// SocketPair is two connected unix sockets.
func SocketPair(t testing.TB) (ours int, theirs *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[1]), "pair")
	t.Cleanup(func() { unix.Close(fds[0]); f.Close() })
	return fds[0], f
}

// CopyBinary is a copy of the test binary: another program, of that name.
func CopyBinary(t testing.TB, name string) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), name)
	if err := copyBinary(exe); err != nil {
		t.Fatal(err)
	}
	return exe
}

func copyBinary(to string) error {
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	return writeProgram(to, b)
}

// writeProgram writes a file that can be run at once. A process that another test
// starts meanwhile would inherit the descriptor that is written to until it runs its
// own program, and the kernel refuses to run what is open for writing (ETXTBSY): so no
// process starts while it is open.
func writeProgram(path string, program []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, program, 0o755)
}

// Nobody is the user without privileges that AsNobody and processes become.
func Nobody() syscall.Credential { return syscall.Credential{Uid: nobody, Gid: nobody} }

// SharedBinary is a copy of the test binary where every user may run it. It skips
// the test where it cannot become another user.
func SharedBinary(t testing.TB) string {
	t.Helper()
	needUsers(t)
	dir, err := os.MkdirTemp("/tmp", "onmux")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	exe := filepath.Join(dir, "onmux.test")
	if err := errors.Join(os.Chmod(dir, 0o755), copyBinary(exe)); err != nil {
		t.Fatal(err)
	}
	return exe
}

// NewNamespace makes a network namespace, in which a process lives until the test
// ends, and returns the file behind which it is.
func NewNamespace(t testing.TB) (file string) {
	t.Helper()
	Need(t)
	cmd := Process{Steps: "inherit", Attr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}}.Start(t)
	return fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid)
}
