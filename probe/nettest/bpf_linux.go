package nettest

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands, types and functions of bpf(2) (linux/bpf.h).
const (
	bpfMapCreate  = 0
	bpfMapUpdate  = 2
	bpfProgLoad   = 5
	bpfProgAttach = 8
	bpfLinkCreate = 28

	bpfTypeClassifier = 3
	bpfTypeXDP        = 6
	bpfTypeSKB        = 8 // of a cgroup
	bpfTypeSockAddr   = 18
	bpfTypeSKLookup   = 30
	bpfTypeSockMap    = 15

	bpfIngress    = 0
	bpfConnect4   = 10
	bpfSendmsg4   = 14
	bpfSKLookup   = 36
	bpfXDP        = 37
	bpfTCXIngress = 46
	bpfTCXEgress  = 47

	bpfMapLookup = 1
	bpfRelease   = 86
	bpfAssign    = 124
)

// instruction is struct bpf_insn.
type instruction struct {
	code, registers byte // source register in the upper half
	offset          int16
	value           int32
}

// bpf calls bpf(2). Pointers are those of a pinner.
func bpf(cmd uintptr, attributes ...any) (int, error) {
	var b [128]byte
	var pin runtime.Pinner
	defer pin.Unpin()
	at := 0
	for _, a := range attributes {
		switch a := a.(type) {
		case int:
			binary.NativeEndian.PutUint32(b[at:], uint32(a))
			at += 4
		case []byte:
			pin.Pin(&a[0])
			binary.NativeEndian.PutUint64(b[at:], uint64(uintptr(unsafe.Pointer(&a[0]))))
			at += 8
		case string:
			copy(b[at:], a[:min(len(a), 15)]) // BPF_OBJ_NAME_LEN
			at += 16
		}
	}
	n, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(unsafe.Pointer(&b)), uintptr(len(b)))
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// load loads a program. It skips the test where that is not allowed.
func load(t testing.TB, kind, attach int, name string, program ...instruction) int {
	t.Helper()
	var code []byte
	for _, i := range program {
		code = append(code, i.code, i.registers)
		code = binary.NativeEndian.AppendUint16(code, uint16(i.offset))
		code = binary.NativeEndian.AppendUint32(code, uint32(i.value))
	}
	log := make([]byte, 64<<10)
	fd, err := bpf(bpfProgLoad, kind, len(program), code, []byte("GPL\x00"), 1, len(log), log, 0, 0, name, 0, attach)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		t.Skip("this kernel lets the test load no BPF program: ", err)
	}
	if err != nil {
		t.Fatalf("nettest: load a BPF program: %v: %s", err, unix.ByteSliceToString(log))
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// Steer attaches a program to the host's namespace that chooses a socket, which
// listens, for new connections to a port. It is gone when the test ends.
func (h *Host) Steer(t testing.TB, port uint16, socket int) {
	t.Helper()
	sockets, err := bpf(bpfMapCreate, bpfTypeSockMap, 4, 8, 1)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		t.Skip("this kernel lets the test make no BPF map: ", err)
	}
	if err != nil {
		t.Fatal("nettest: make a map of sockets: ", err)
	}
	t.Cleanup(func() { unix.Close(sockets) })
	value := binary.NativeEndian.AppendUint64(nil, uint64(socket))
	if _, err := bpf(bpfMapUpdate, sockets, 0, make([]byte, 4), value); err != nil {
		t.Fatal("nettest: put a socket into a map: ", err)
	}
	program := load(t, bpfTypeSKLookup, bpfSKLookup, "steer",
		instruction{0xbf, 0x16, 0, 0},            // r6 = r1
		instruction{0x61, 0x62, 60, 0},           // r2 = local_port
		instruction{0x55, 0x02, 14, int32(port)}, // if r2 != port goto end
		instruction{0x62, 0x0a, -4, 0},           // key = 0
		instruction{0xbf, 0xa2, 0, 0},            // r2 = r10
		instruction{0x07, 0x02, 0, -4},           // r2 += -4
		instruction{0x18, 0x11, 0, int32(sockets)},
		instruction{},
		instruction{0x85, 0, 0, bpfMapLookup},
		instruction{0x15, 0x00, 7, 0}, // if r0 == 0 goto end
		instruction{0xbf, 0x07, 0, 0}, // r7 = r0
		instruction{0xbf, 0x61, 0, 0}, // r1 = r6
		instruction{0xbf, 0x72, 0, 0}, // r2 = r7
		instruction{0xb7, 0x03, 0, 0}, // r3 = 0
		instruction{0x85, 0, 0, bpfAssign},
		instruction{0xbf, 0x71, 0, 0}, // r1 = r7
		instruction{0x85, 0, 0, bpfRelease},
		instruction{0xb7, 0x00, 0, 1}, // end: r0 = SK_PASS
		instruction{0x95, 0, 0, 0},
	)
	link, err := bpf(bpfLinkCreate, program, h.Namespace(t), bpfSKLookup)
	if err != nil {
		t.Fatal("nettest: attach a BPF program to a network namespace: ", err)
	}
	t.Cleanup(func() { unix.Close(link) })
}

// Cgroup makes a cgroup of the unified hierarchy, which is gone when the test ends. It
// skips the test where it may not.
func Cgroup(t testing.TB) string {
	t.Helper()
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			dir, err := os.MkdirTemp(f[1], "onmux-test-")
			if err != nil {
				t.Skip("needs a cgroup of its own: ", err)
			}
			t.Cleanup(func() { os.Remove(dir) })
			return dir
		}
	}
	t.Skip("needs the unified hierarchy of cgroups")
	return ""
}

// TurnConnections attaches a program to a cgroup that changes the port to which its
// processes connect over IPv4, or send datagrams.
func TurnConnections(t testing.TB, cgroup string, from, to uint16, datagrams bool) {
	t.Helper()
	attach := bpfConnect4
	if datagrams {
		attach = bpfSendmsg4
	}
	swapped := func(n uint16) int32 {
		return int32(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n)))
	}
	program := load(t, bpfTypeSockAddr, attach, "turn",
		instruction{0x61, 0x12, 24, 0},            // r2 = user_port
		instruction{0x55, 0x02, 2, swapped(from)}, // if r2 != from goto end
		instruction{0xb7, 0x03, 0, swapped(to)},   // r3 = to
		instruction{0x63, 0x31, 24, 0},            // user_port = r3
		instruction{0xb7, 0x00, 0, 1},             // end: r0 = 1
		instruction{0x95, 0, 0, 0},
	)
	attachTo(t, cgroup, program, attach)
}

// DropArrivals attaches a program to a cgroup that drops what arrives for its sockets.
func DropArrivals(t testing.TB, cgroup string) {
	t.Helper()
	program := load(t, bpfTypeSKB, bpfIngress, "drop_all",
		instruction{0xb7, 0x00, 0, 0}, // r0 = 0
		instruction{0x95, 0, 0, 0},
	)
	attachTo(t, cgroup, program, bpfIngress)
}

// attachTo attaches a program to a cgroup.
func attachTo(t testing.TB, cgroup string, program, attach int) {
	t.Helper()
	fd, err := unix.Open(filepath.Clean(cgroup), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := bpf(bpfProgAttach, fd, program, attach, 0); err != nil {
		t.Fatal("nettest: attach a BPF program to a cgroup: ", err)
	}
}

// PassAll attaches an XDP program that passes everything to a device of the host's.
func (h *Host) PassAll(t testing.TB, index int) {
	t.Helper()
	const pass = 2 // XDP_PASS
	h.passAll(t, index, bpfTypeXDP, bpfXDP, pass)
}

// PassAllTC does so at the ingress of a device, or its egress, as tc's filters are.
func (h *Host) PassAllTC(t testing.TB, index int, egress bool) {
	t.Helper()
	hook := bpfTCXIngress
	if egress {
		hook = bpfTCXEgress
	}
	const pass = 0 // TC_ACT_OK
	h.passAll(t, index, bpfTypeClassifier, hook, pass)
}

func (h *Host) passAll(t testing.TB, index, kind, hook int, pass int32) {
	t.Helper()
	program := load(t, kind, hook, "pass_all",
		instruction{0xb7, 0x00, 0, pass}, // r0 = pass
		instruction{0x95, 0, 0, 0},
	)
	err := h.Do(func() error {
		link, err := bpf(bpfLinkCreate, program, index, hook)
		if err == nil {
			t.Cleanup(func() { unix.Close(link) })
		}
		return err
	})
	if errors.Is(err, unix.EINVAL) && kind == bpfTypeClassifier {
		t.Skip("this kernel attaches no BPF program to a device's ingress by itself: ", err) // before Linux 6.6
	}
	if err != nil {
		t.Fatal("nettest: attach a BPF program to a device: ", err)
	}
}
