package local

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// procNet tells sockets from /proc/net/{tcp,tcp6,udp,udp6} (proc(5)), where
// sock_diag may not be asked. It knows neither v6-only sockets from dual-stack
// ones nor sockets that are only bound.
type procNet struct{ dir string }

func (p procNet) each(proto probe.Proto, family uint8, port uint16, f func(socket)) error {
	name := proto.String()
	if family == unix.AF_INET6 {
		name += "6"
	}
	file, err := os.Open(filepath.Join(p.dir, name))
	if err != nil {
		return err
	}
	defer file.Close()
	return parseProcNet(file, proto, func(s socket) {
		if port == 0 || s.local.Port() == port {
			f(s)
		}
	})
}

// parseProcNet reads such a file. Lines that make no sense are an error, so
// that a file that changed its form is never taken for an empty one.
func parseProcNet(r io.Reader, proto probe.Proto, f func(socket)) error {
	lines := bufio.NewScanner(r)
	if !lines.Scan() {
		return lines.Err() // not even a heading: an empty file, or unreadable
	}
	for lines.Scan() {
		s, err := parseProcNetLine(lines.Text(), proto)
		if err != nil {
			return err
		}
		f(s)
	}
	return lines.Err()
}

func parseProcNetLine(line string, proto probe.Proto) (socket, error) {
	// sl local remote st queues timer retransmit uid timeout inode …
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return socket{}, fmt.Errorf("a line of %d fields: %q", len(fields), line)
	}
	local, err1 := parseHexAddr(fields[1])
	peer, err2 := parseHexAddr(fields[2])
	state, err3 := strconv.ParseUint(fields[3], 16, 8)
	uid, err4 := strconv.ParseUint(fields[7], 10, 32)
	inode, err5 := strconv.ParseUint(fields[9], 10, 64)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return socket{}, fmt.Errorf("%q: %w", line, err)
		}
	}
	owner := uint32(uid)
	s := socket{proto: proto, local: local, inode: inode, uid: &owner, state: diagState(proto, uint8(state))}
	if peer.Port() != 0 {
		s.peer = peer
	}
	if s.timeWait = proto == probe.TCP && state == tcpTimeWait; s.timeWait {
		s.uid = nil
	}
	if proto == probe.TCP && state == tcpListen {
		tx, rx, _ := strings.Cut(fields[4], ":")
		used, err1 := strconv.ParseUint(rx, 16, 32)
		limit, err2 := strconv.ParseUint(tx, 16, 32)
		if err1 == nil && err2 == nil && limit > 0 {
			s.backlog = &Backlog{Used: uint32(used), Limit: uint32(limit)}
		}
	}
	switch {
	case local.Addr().Is4():
		s.family = "ipv4"
	case !local.Addr().IsUnspecified():
		s.family = "ipv6"
	}
	return s, nil
}

// parseHexAddr reads "0100007F:01A1": words of the address in the byte order of
// the machine, and the port.
func parseHexAddr(text string) (netip.AddrPort, error) {
	addr, port, _ := strings.Cut(text, ":")
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	b, err := hex.DecodeString(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for i := 0; i+4 <= len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("an address of %d bytes", len(b))
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(number)), nil
}
