package socket

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// maxNetstatLine bounds a line of /proc/net/netstat. The one with the names has 3 KiB.
const maxNetstatLine = 64 << 10

// overflows reads netstat where a socket has lost attempts to connect. That it cannot
// be read is no error: nothing but a remark depends on it.
func (p ProcNet) overflows(c Table) uint64 {
	if !c.lostAttempts() {
		return 0
	}
	f, err := os.Open(filepath.Join(p.Dir, "netstat"))
	if err != nil {
		return 0
	}
	defer f.Close()
	n, err := parseNetstat(f)
	if err != nil {
		return 0
	}
	return n
}

// parseNetstat finds ListenOverflows in /proc/net/netstat (netstat_seq_show): a line
// "TcpExt: " with names, and one with as many numbers. What a kernel does not count is 0.
func parseNetstat(r io.Reader) (uint64, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxNetstatLine)
	var names [][]byte
	for lines.Scan() {
		values, ok := bytes.CutPrefix(lines.Bytes(), []byte("TcpExt: "))
		switch {
		case !ok:
		case names == nil:
			names = bytes.Fields(bytes.Clone(values))
		default:
			return field(names, values, "ListenOverflows")
		}
	}
	return 0, lines.Err()
}

// field is the value below a name.
func field(names [][]byte, values []byte, name string) (uint64, error) {
	f := bytes.Fields(values)
	for i, n := range names {
		if string(n) != name {
			continue
		}
		if i >= len(f) {
			return 0, fmt.Errorf("%s has no value", name)
		}
		v, err := strconv.ParseUint(string(f[i]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s is %q, no number", name, f[i])
		}
		return v, nil
	}
	return 0, nil
}
