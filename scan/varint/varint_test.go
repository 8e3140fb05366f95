package varint

import (
	"bufio"
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

var errInvalid = errors.New("invalid")

// written is what f writes.
func written(t *testing.T, f func(Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := Writer{bufio.NewWriter(&b)}
	f(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadsWhatWasWritten(t *testing.T) {
	addr := netip.MustParseAddr("fe80::1%eth0")
	b := written(t, func(w Writer) {
		w.Uint(300)
		w.Flag(true)
		w.Text("a line")
		w.Addr(addr)
		if err := w.JSON(map[string]int{"a": 1}); err != nil {
			t.Error(err)
		}
		w.WriteByte(7)
	})
	r := NewReader(bytes.NewReader(b), errInvalid)
	var v map[string]int
	n, flag, line, a := r.Uint(300), r.Flag(), r.Line(), r.Addr()
	r.JSON(&v)
	last := r.Byte()
	r.End()
	if n != 300 || !flag || line != "a line" || a != addr || v["a"] != 1 || last != 7 || r.Err() != nil {
		t.Errorf("%d %v %q %v %v %d, %v", n, flag, line, a, v, last, r.Err())
	}
}

// TestInvalidContent: the first error stays, wraps the one that the reader was made
// with, and what is read after it is zero.
func TestInvalidContent(t *testing.T) {
	for name, c := range map[string]struct {
		write func(Writer)
		read  func(*Reader)
	}{
		"a number above the most": {func(w Writer) { w.Uint(11) }, func(r *Reader) { r.Uint(10) }},
		"a flag of 2":             {func(w Writer) { w.Uint(2) }, func(r *Reader) { r.Flag() }},
		"a text cut off":          {func(w Writer) { w.Uint(9); w.WriteString("short") }, func(r *Reader) { r.Text() }},
		"a text too long":         {func(w Writer) { w.Uint(maxText + 1) }, func(r *Reader) { r.Text() }},
		"a control character":     {func(w Writer) { w.Text("a\nb") }, func(r *Reader) { r.Line() }},
		"no UTF-8":                {func(w Writer) { w.Text("\xff") }, func(r *Reader) { r.Line() }},
		"no address":              {func(w Writer) { w.Text("") }, func(r *Reader) { r.Addr() }},
		"no JSON":                 {func(w Writer) { w.Text("{") }, func(r *Reader) { r.JSON(new(any)) }},
		"more than was expected":  {func(w Writer) { w.Uint(1) }, func(r *Reader) { r.End() }},
	} {
		b := written(t, func(w Writer) { c.write(w); w.Text(strings.Repeat("x", 20)) })
		if name == "a text cut off" {
			b = b[:6]
		}
		r := NewReader(bytes.NewReader(b), errInvalid)
		c.read(r)
		first := r.Err()
		if !errors.Is(first, errInvalid) {
			t.Errorf("%s: %v", name, first)
		}
		if n, s := r.Uint(1<<62), r.Text(); n != 0 || s != nil || r.Err() != first {
			t.Errorf("%s: %d and %q after an error; %v, then %v", name, n, s, first, r.Err())
		}
	}
}
