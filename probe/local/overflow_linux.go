package local

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// refused reads netstat where an accept queue is full. That it cannot be read
// costs a remark, and is not told.
func (p procNet) refused(c census) refused {
	if !c.full() {
		return refused{}
	}
	var r refused
	if err := p.parse("netstat", func(file io.Reader) (err error) {
		r, err = parseNetstat(file)
		return err
	}); err != nil {
		return refused{}
	}
	return r
}

// parse reads a file.
func (p procNet) parse(name string, parse func(io.Reader) error) error {
	f, err := os.Open(filepath.Join(p.dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := parse(f); err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}

// maxText bounds a line of the other files in /proc/net. That of netstat with
// the names has 3 KiB.
const maxText = 64 << 10

// eachLine reads lines of a bounded length, and tells which one made no sense.
func eachLine(r io.Reader, parse func(n int, line []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxText)
	n := 0
	for ; lines.Scan(); n++ {
		if err := parse(n, lines.Bytes()); err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return nil
}

// parseNetstat finds ListenOverflows and ListenDrops in /proc/net/netstat
// (netstat_seq_show): a line "TcpExt: " with names, and one with as many numbers.
// What a kernel does not tell is 0.
func parseNetstat(file io.Reader) (refused, error) {
	var r refused
	var names [][]byte
	err := eachLine(file, func(_ int, line []byte) error {
		values, ok := bytes.CutPrefix(line, []byte("TcpExt: "))
		switch {
		case !ok:
		case names == nil:
			names = bytes.Fields(bytes.Clone(values))
		default:
			overflows, err1 := field(names, values, "ListenOverflows")
			drops, err2 := field(names, values, "ListenDrops")
			r = refused{full: overflows, other: max(drops, overflows) - overflows}
			return first(err1, err2)
		}
		return nil
	})
	return r, err
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
