package bpf

import (
	"encoding/binary"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Commands of bpf(2) (linux/bpf.h).
const (
	cmdTestRun       = 10
	cmdProgNextID    = 11
	cmdProgFDByID    = 13
	cmdObjectInfo    = 15
	cmdQuery         = 16
	cmdLinkFDByID    = 30
	cmdLinkNextID    = 31
	typeXDP          = 6
	typeCgroupSKB    = 8
	typeSockAddr     = 18
	typeNetfilter    = 32
	attachIngress    = 0
	attachEgress     = 1
	attachConnect4   = 10
	attachConnect6   = 11
	attachSendmsg4   = 14
	attachSendmsg6   = 15
	attachSKLookup   = 36
	attachTCXIngress = 46
	attachTCXEgress  = 47
	maxPrograms      = 64
	lookupSize       = 72 // struct bpf_sk_lookup
)

// attributes is union bpf_attr, of which the commands here use a part.
type attributes [128]byte

func (a *attributes) put32(at int, n uint32) { binary.NativeEndian.PutUint32(a[at:], n) }

func (a *attributes) put64(at int, p *byte) {
	binary.NativeEndian.PutUint64(a[at:], uint64(uintptr(unsafe.Pointer(p))))
}

func (a *attributes) word(at int) uint32 { return binary.NativeEndian.Uint32(a[at:]) }

// call is bpf(2). The buffers are those to which attributes point.
func call(cmd uintptr, a *attributes, buffers ...[]byte) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(unsafe.Pointer(a)), unsafe.Sizeof(*a))
	runtime.KeepAlive(buffers)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// buffer is memory whose address the kernel is given: it must not move.
func buffer(pin *runtime.Pinner, n int) []byte {
	b := make([]byte, n)
	pin.Pin(&b[0])
	return b
}

// query lists the programs that are attached to what a descriptor, or the index of a
// device, stands for.
func query(target int, attach uint32) ([]uint32, error) { return queryWith(target, attach, 0) }

// effective lists the programs that run for a cgroup, which has those of its ancestors.
func effective(cgroup int, attach uint32) ([]uint32, error) {
	const flag = 1 // BPF_F_QUERY_EFFECTIVE
	return queryWith(cgroup, attach, flag)
}

func queryWith(target int, attach, flags uint32) ([]uint32, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	ids := buffer(&pin, 4*maxPrograms)
	var a attributes
	a.put32(0, uint32(target))
	a.put32(4, attach)
	a.put32(8, flags)
	a.put64(16, &ids[0])
	a.put32(24, maxPrograms)
	if _, err := call(cmdQuery, &a, ids); err != nil {
		return nil, err
	}
	var all []uint32
	for i := range min(a.word(24), maxPrograms) {
		all = append(all, binary.NativeEndian.Uint32(ids[4*i:]))
	}
	return all, nil
}

// next is the id behind one; ENOENT if there is none.
func next(cmd uintptr, id uint32) (uint32, error) {
	var a attributes
	a.put32(0, id)
	_, err := call(cmd, &a)
	return a.word(4), err
}

// open is a descriptor for a program or a link.
func open(cmd uintptr, id uint32) (int, error) {
	var a attributes
	a.put32(0, id)
	return call(cmd, &a)
}

// info is what the kernel has of an object: struct bpf_prog_info or bpf_link_info.
func info(fd int) ([]byte, error) {
	const size = 128
	var pin runtime.Pinner
	defer pin.Unpin()
	b := buffer(&pin, size)
	var a attributes
	a.put32(0, uint32(fd))
	a.put32(4, size)
	a.put64(8, &b[0])
	_, err := call(cmdObjectInfo, &a, b)
	return b, err
}

// program opens a program and reads its type and name.
func program(id uint32) (fd int, kind uint32, name string, err error) {
	if fd, err = open(cmdProgFDByID, id); err != nil {
		return -1, 0, "", err
	}
	b, err := info(fd)
	if err != nil {
		unix.Close(fd)
		return -1, 0, "", err
	}
	return fd, binary.NativeEndian.Uint32(b), unix.ByteSliceToString(b[64:80]), nil
}

// run evaluates an attached program of sk_lookup for a packet
// (bpf_prog_test_run_sk_lookup in net/bpf/test_run.c) and returns the cookie of the
// socket that it chooses, 0 for none. EOPNOTSUPP: it chooses one of a group.
func run(fd int, packet [lookupSize]byte) (cookie uint64, pass bool, err error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	in, out := buffer(&pin, lookupSize), buffer(&pin, lookupSize)
	copy(in, packet[:])
	var a attributes
	a.put32(0, uint32(fd))
	a.put32(32, 1)
	a.put32(40, lookupSize)
	a.put32(44, lookupSize)
	a.put64(48, &in[0])
	a.put64(56, &out[0])
	if _, err := call(cmdTestRun, &a, in, out); err != nil {
		return 0, true, err
	}
	return binary.NativeEndian.Uint64(out), a.word(4) != 0, nil
}
