package socket

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// maxNetstatLine bounds a line of /proc/net/netstat. The one with the names has 3 KiB.
const maxNetstatLine = 64 << 10

// dropped reads netstat where an accept queue is full. That it cannot be read is
// no error: nothing but a remark depends on it.
func (p ProcNet) dropped(c Table) ListenDrops {
	if !c.full() {
		return ListenDrops{}
	}
	f, err := os.Open(filepath.Join(p.Dir, "netstat"))
	if err != nil {
		return ListenDrops{}
	}
	defer f.Close()
	d, err := parseNetstat(f)
	if err != nil {
		return ListenDrops{}
	}
	return d
}

// parseNetstat finds ListenOverflows and ListenDrops in /proc/net/netstat
// (netstat_seq_show): a line "TcpExt: " with names, and one with as many numbers.
// What a kernel does not count is 0.
func parseNetstat(r io.Reader) (ListenDrops, error) {
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
			overflows, err1 := field(names, values, "ListenOverflows")
			drops, err2 := field(names, values, "ListenDrops")
			return ListenDrops{ByFullQueue: overflows, Otherwise: max(drops, overflows) - overflows}, cmp.Or(err1, err2)
		}
	}
	return ListenDrops{}, lines.Err()
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
