package nettest

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OnThread runs f on a thread that ends with it, so that f may change the thread
// for good. It is not the first of the process, which cannot end.
func OnThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			OnThread(f)
			runtime.UnlockOSThread()
			return
		}
		f()
	}()
	<-done
}

// Enter moves the calling thread into the network namespace behind a file.
func Enter(namespace string) error {
	fd, err := unix.Open(namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, unix.CLONE_NEWNET)
}

// InHost runs a test's body in the namespace of a new host, on the test's own
// goroutine, which may then end it.
func InHost(t *testing.T, f func(h *Host)) {
	t.Helper()
	h := NewHost(t)
	runtime.LockOSThread()
	own, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Setns(h.Namespace(t), unix.CLONE_NEWNET)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(own, unix.CLONE_NEWNET); err != nil {
			t.Error(err) // and the thread ends with the test, because it stays locked
			return
		}
		unix.Close(own)
		runtime.UnlockOSThread()
	}()
	f(h)
}

// Namespace is a descriptor of the host's network namespace.
func (h *Host) Namespace(t testing.TB) int {
	t.Helper()
	var fd int
	if err := h.Do(func() (err error) {
		fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// AsNobody runs f on a thread of its own without privileges, in the namespace of
// a host. It skips the test where it cannot become another user.
func AsNobody(t *testing.T, h *Host, f func() error) {
	t.Helper()
	needUsers(t)
	namespace := h.Namespace(t)
	var err error
	OnThread(func() {
		if err = unix.Setns(namespace, unix.CLONE_NEWNET); err != nil {
			return
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			err = errno
			return
		}
		err = f()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// nobody is a user, and a group, that owns nothing.
const nobody = 65534

// needUsers skips the test where the process cannot become another user.
func needUsers(t testing.TB) {
	t.Helper()
	ids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil || os.Geteuid() != 0 || !strings.Contains(string(ids), "4294967295") {
		t.Skip("needs root outside of a user namespace to become another user")
	}
}

// WithoutNetlink runs f on a thread that is refused netlink sockets.
func WithoutNetlink(t *testing.T, refusal unix.Errno, f func() error) {
	t.Helper()
	var err error
	OnThread(func() {
		if err = ForbidNetlink(refusal); err == nil {
			err = f()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ForbidNetlink makes the kernel refuse netlink sockets to the calling thread
// (seccomp(2)), as container runtimes and units do.
func ForbidNetlink(refusal unix.Errno) error { return ForbidSockets(unix.AF_NETLINK, refusal) }

// ForbidSockets makes the kernel refuse sockets of an address family to the calling thread,
// and to the programs that it becomes.
func ForbidSockets(family int, refusal unix.Errno) error {
	const nr, arg0 = 0, 16 // struct seccomp_data
	lowWord := uint32(arg0)
	if one := uint32(1); *(*byte)(unsafe.Pointer(&one)) == 0 {
		lowWord += 4
	}
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	unless := func(k uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jf: skip}
	}
	give := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	filter := []unix.SockFilter{
		load(nr), unless(unix.SYS_SOCKET, 3), load(lowWord), unless(uint32(family), 1),
		give(unix.SECCOMP_RET_ERRNO | uint32(refusal)), give(unix.SECCOMP_RET_ALLOW),
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}
