package socket

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// userHZ is the unit of the timers in /proc/net/tcp, on every Linux system (sysconf(3)).
const userHZ = 100

// maxLine bounds a line of /proc/net/tcp, which has less than 200 bytes.
const maxLine = 4 << 10

// ProcNet reads sockets from tcp, tcp6, udp and udp6 in a directory such as
// /proc/net (proc_pid_net(5)), where sock_diag is not permitted. It reports
// neither v6-only sockets from dual-stack ones nor those that are only bound,
// neither devices nor the limit of an accept queue.
type ProcNet struct{ Dir string }

// From implements Reader.
func (ProcNet) From() From { return FromProc }

// Read returns the sockets at some ports. Where one of the files cannot be read
// it returns what the other has, and the error.
func (p ProcNet) Read(ctx context.Context, proto probe.Proto, q Query) (Table, error) {
	set := newPortSet(q.Ports[proto])
	c := make(Table)
	var failed []error
	for _, family := range q.families() {
		err := p.each(ctx, proto, family, func(s Socket) {
			if set.contains(s.Local.Port()) && s.inFamilies(q) {
				c.Add(s)
			}
		})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		missing := family == unix.AF_INET6 && errors.Is(err, fs.ErrNotExist) && p.LacksIPv6()
		if err != nil && !missing {
			failed = append(failed, err)
		}
	}
	return c, inOneLine(failed)
}

// LacksIPv6 reports whether the kernel has no IPv6: it then has no files for
// it, but those for IPv4.
func (p ProcNet) LacksIPv6() bool {
	_, err4 := os.Stat(filepath.Join(p.Dir, "tcp"))
	_, err6 := os.Stat(filepath.Join(p.Dir, "tcp6"))
	return err4 == nil && errors.Is(err6, fs.ErrNotExist)
}

// raw is the protocols whose packets raw sockets receive (raw(7)): their own in place of a port
// stands in raw and raw6. What cannot be read is left out.
func (p ProcNet) raw(ctx context.Context) map[probe.Proto]bool {
	found := make(map[probe.Proto]bool)
	for _, name := range []string{"raw", "raw6"} {
		f, err := os.Open(filepath.Join(p.Dir, name))
		if err != nil {
			continue
		}
		_ = parseProcNet(ctx, f, probe.UDP, func(s Socket) {
			switch s.Local.Port() {
			case unix.IPPROTO_TCP:
				found[probe.TCP] = true
			case unix.IPPROTO_UDP:
				found[probe.UDP] = true
			}
		})
		f.Close()
	}
	return found
}

func (p ProcNet) each(ctx context.Context, proto probe.Proto, family uint8, see func(Socket)) error {
	name := proto.String()
	if family == unix.AF_INET6 {
		name += "6"
	}
	f, err := os.Open(filepath.Join(p.Dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := parseProcNet(ctx, f, proto, see); err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}

// parseProcNet reads such a file. Lines that make no sense are an error, as is
// a file without a heading: what cannot be read is never taken for no socket.
func parseProcNet(ctx context.Context, r io.Reader, proto probe.Proto, see func(Socket)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, maxLine), maxLine)
	if !lines.Scan() || !bytes.Contains(lines.Bytes(), []byte("local_address")) {
		return cmp.Or(lines.Err(), errors.New("the heading is missing"))
	}
	for n := 0; lines.Scan(); n++ {
		if n%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		s, err := parseLine(lines.Bytes(), proto)
		if err != nil {
			return fmt.Errorf("socket %d: %w", n+1, err)
		}
		see(s)
	}
	return lines.Err()
}

// parseLine reads a socket: sl local remote state tx:rx timer retransmits uid
// timeout inode …, and of UDP the drops in the 13th place.
func parseLine(line []byte, proto probe.Proto) (Socket, error) {
	var fields [13][]byte
	n := 0
	for f := range bytes.FieldsSeq(line) {
		if n == len(fields) {
			break
		}
		fields[n] = f
		n++
	}
	if n < 10 {
		return Socket{}, fmt.Errorf("%d fields, not 10", n)
	}
	raw, port, err1 := parseHexAddr(fields[1])
	peer, peerPort, err2 := parseHexAddr(fields[2])
	st, err3 := strconv.ParseUint(string(fields[3]), 16, 8)
	uid, err4 := strconv.ParseUint(string(fields[7]), 10, 32)
	inode, err5 := strconv.ParseUint(string(fields[9]), 10, 64)
	if err := cmp.Or(err1, err2, err3, err4, err5); err != nil {
		return Socket{}, err
	}
	s := Socket{
		Proto: proto, Local: netip.AddrPortFrom(raw.Unmap(), port), Family: familyOf(raw, ""),
		State: stateOf(proto, uint8(st)), UID: uint32(uid), HasUID: true, Inode: inode, Holder: inode,
	}
	switch s.State {
	case Listening:
		if proto == probe.UDP && n == len(fields) {
			s.Drops, _ = strconv.ParseUint(string(fields[12]), 10, 32)
		}
	case Connected:
		s.Peer = netip.AddrPortFrom(peer.Unmap(), peerPort)
		s.CloseWait = proto == probe.TCP && st == tcpCloseWait
	case TimeWait:
		s.UID, s.HasUID = 0, false
		if _, ticks, ok := bytes.Cut(fields[5], []byte(":")); ok {
			left, _ := strconv.ParseUint(string(ticks), 16, 24)
			s.TimeWait = time.Duration(left) * (time.Second / userHZ)
		}
	}
	return s, nil
}

// parseHexAddr reads "0100007F:01A1": the address as words in the byte order of
// the machine, and the port.
func parseHexAddr(text []byte) (netip.Addr, uint16, error) {
	addr, port, _ := bytes.Cut(text, []byte(":"))
	number, err := strconv.ParseUint(string(port), 16, 16)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("%q is not an address with a port", text)
	}
	var b [16]byte
	if len(addr) != 8 && len(addr) != 32 {
		return netip.Addr{}, 0, fmt.Errorf("%q is not an address of 4 or 16 bytes", addr)
	}
	n, err := hex.Decode(b[:], addr)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("%q: %w", addr, err)
	}
	for i := 0; i < n; i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, _ := netip.AddrFromSlice(b[:n])
	return a, uint16(number), nil
}
