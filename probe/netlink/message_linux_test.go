package netlink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const seq = 7

// message is a netlink message as the kernel sends it.
func message(kind, flags uint16, seq uint32, body []byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.NLMSG_HDRLEN+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = append(b, 0, 0, 0, 0)
	b = append(b, body...)
	return append(b, make([]byte, align(len(b))-len(b))...)
}

// attr is an attribute.
func attr(kind uint16, value ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(unix.NLA_HDRLEN+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, align(len(b))-len(b))...)
}

func errno(code int32) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(code)) }

func TestParse(t *testing.T) {
	const kind = unix.RTM_NEWROUTE
	row := message(kind, unix.NLM_F_MULTI, seq, []byte{1, 2, 3, 4, 5})
	done := message(unix.NLMSG_DONE, 0, seq, errno(0))
	interrupted := message(unix.NLMSG_DONE, unix.NLM_F_DUMP_INTR, seq, errno(0))
	failure := func(kind uint16, no unix.Errno) []byte { return message(kind, 0, seq, errno(-int32(no))) }
	for name, c := range map[string]struct {
		in   []byte
		rows int
		p    progress
		err  error
	}{
		"a row":           {row, 1, progress{}, nil},
		"the end":         {slices.Concat(row, row, done), 2, progress{done: true}, nil},
		"nothing":         {nil, 0, progress{}, nil},
		"bare end":        {message(unix.NLMSG_DONE, 0, seq, nil), 0, progress{done: true}, nil},
		"after the end":   {slices.Concat(done, row), 0, progress{done: true}, nil},
		"interrupted":     {slices.Concat(row, interrupted), 1, progress{true, true}, nil},
		"other request":   {slices.Concat(message(kind, 0, seq+1, []byte{9}), done), 0, progress{done: true}, nil},
		"refused":         {failure(unix.NLMSG_ERROR, unix.EPERM), 0, progress{done: true}, unix.EPERM},
		"failed at end":   {slices.Concat(row, failure(unix.NLMSG_DONE, unix.ENOENT)), 1, progress{done: true}, unix.ENOENT},
		"no padding":      {row[:len(row)-3], 1, progress{}, nil},
		"short error":     {message(unix.NLMSG_ERROR, 0, seq, []byte{1}), 0, progress{done: true}, ErrMalformed},
		"error 0":         {message(unix.NLMSG_ERROR, 0, seq, errno(0)), 0, progress{done: true}, ErrMalformed},
		"no such error":   {message(unix.NLMSG_ERROR, 0, seq, errno(-1<<31)), 0, progress{done: true}, ErrMalformed},
		"short header":    {row[:10], 0, progress{}, ErrMalformed},
		"short message":   {row[:len(row)-4], 0, progress{}, ErrMalformed},
		"a size below 16": {append([]byte{8, 0, 0, 0}, make([]byte, 20)...), 0, progress{}, ErrMalformed},
	} {
		rows := 0
		p, err := parse(c.in, seq, func(k uint16, body []byte) error {
			if rows++; k != kind || !bytes.Equal(body, []byte{1, 2, 3, 4, 5}) {
				t.Errorf("%s: message %d %x", name, k, body)
			}
			return nil
		})
		if rows != c.rows || p != c.p || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%s: %d rows, %+v, %v", name, rows, p, err)
		}
	}
	if _, err := parse(row, seq, func(uint16, []byte) error { return unix.EBADMSG }); err != unix.EBADMSG {
		t.Errorf("an error of the caller's ends as %v", err)
	}
}

// The kernel's explanation of an error is found wherever it is.
func TestExtendedAck(t *testing.T) {
	const why = "Invalid prefix"
	text := attr(unix.NLMSGERR_ATTR_MSG, append([]byte(why), 0)...)
	header := message(unix.RTM_GETROUTE, 0, seq, nil)
	request := message(unix.RTM_GETROUTE, 0, seq, []byte{1, 2, 3, 4, 5})
	tooLong := append([]byte{0xff, 0xff, 0xff, 0xff}, header[4:]...)
	const tlvs, capped = unix.NLM_F_ACK_TLVS, unix.NLM_F_CAPPED
	for name, c := range map[string]struct {
		kind, flags uint16
		body        []byte
		want        string
	}{
		"after the header":       {unix.NLMSG_ERROR, tlvs | capped, slices.Concat(header, attr(9, 1), text), why},
		"after the request":      {unix.NLMSG_ERROR, tlvs, slices.Concat(request, text), why},
		"at the end of a dump":   {unix.NLMSG_DONE, tlvs, text, why},
		"not announced":          {unix.NLMSG_ERROR, capped, slices.Concat(header, text), ""},
		"none":                   {unix.NLMSG_ERROR, tlvs | capped, header, ""},
		"no header":              {unix.NLMSG_ERROR, tlvs, header[:8], ""},
		"a request that is long": {unix.NLMSG_ERROR, tlvs, tooLong, ""},
		"a request of nothing":   {unix.NLMSG_ERROR, tlvs, append([]byte{0, 0, 0, 0}, header[4:]...), ""},
	} {
		err := status(c.kind, c.flags, slices.Concat(errno(-int32(unix.EINVAL)), c.body))
		want := unix.EINVAL.Error()
		if c.want != "" {
			want += ": " + c.want
		}
		if !errors.Is(err, unix.EINVAL) || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestAttributes(t *testing.T) {
	in := slices.Concat(attr(3, 1), attr(5|unix.NLA_F_NESTED, attr(1, 2)...), attr(3, 9), []byte{200, 0, 8, 0})
	var all []string
	for kind, value := range Attributes(in) {
		all = append(all, strings.Repeat("i", int(kind))+string(rune('0'+len(value))))
	}
	if want := []string{"iii1", "iiiii8", "iii1"}; !slices.Equal(all, want) {
		t.Errorf("%q, want %q", all, want)
	}
	if v := Attribute(Attribute(in, 5), 1); !bytes.Equal(v, []byte{2}) {
		t.Errorf("nested: %x", v)
	}
	if v := Attribute(in, 3); !bytes.Equal(v, []byte{1}) {
		t.Errorf("the first of two: %x", v)
	}
	for _, none := range [][]byte{nil, {5, 0, 8}, {0, 0, 8, 0, 0, 0, 0, 0}, {3, 0, 8, 0}, {200, 0, 8, 0, 1}} {
		if v := Attribute(none, 8); v != nil {
			t.Errorf("%x has %x", none, v)
		}
	}
	if s := Text([]byte("lo\x00x")); s != "lo" {
		t.Errorf("%q", s)
	}
}

// Attributes of a dump with a million rows are read without memory.
func TestNoAllocation(t *testing.T) {
	b := message(unix.RTM_NEWROUTE, 0, seq, []byte(gateway4))
	n := testing.AllocsPerRun(100, func() {
		_, _ = parse(b, seq, func(_ uint16, body []byte) error { _, _ = parseRoute(body); return nil })
	})
	if n != 0 {
		t.Errorf("%g allocations a row", n)
	}
}

// Nothing of what a peer could send is trusted, and none of it is changed.
func FuzzParse(f *testing.F) {
	f.Add(message(unix.RTM_NEWROUTE, 0, seq, []byte(gateway4)))
	f.Add(message(unix.RTM_NEWROUTE, 0, seq, []byte(via6)))
	f.Add(slices.Concat(message(unix.RTM_NEWLINK, 0, seq, make([]byte, 40)), message(unix.NLMSG_DONE, 0, seq, errno(0))))
	f.Add(
		message(unix.NLMSG_ERROR, unix.NLM_F_ACK_TLVS, seq, slices.Concat(errno(-22), message(1, 0, 0, nil), attr(1, 'x'))),
	)
	f.Add(message(unix.NLMSG_ERROR, unix.NLM_F_DUMP_INTR, seq, errno(-1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		before, rows := bytes.Clone(b), 0
		_, err := parse(b[:len(b):len(b)], seq, func(_ uint16, body []byte) error {
			rows++
			parseAll(t, body)
			return nil
		})
		if rows > len(b)/unix.NLMSG_HDRLEN || !bytes.Equal(b, before) {
			t.Errorf("%d rows from %d bytes", rows, len(b))
		}
		if no := syscall.Errno(0); err != nil && !errors.Is(err, ErrMalformed) && !errors.As(err, &no) {
			t.Errorf("error %v", err)
		}
		parseAll(t, b)
	})
}

// parseAll reads a body as every type there is.
func parseAll(t *testing.T, b []byte) {
	for kind, value := range Attributes(b) {
		if kind&(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER) != 0 || len(value) > len(b) {
			t.Errorf("attribute %#x of %d bytes in %d", kind, len(value), len(b))
		}
	}
	parseRoute(b)
	parseRule(b)
	parseLink(b)
	parseNeighbor(b)
	if a, ok := parseAddress(b); ok != a.Addr.IsValid() {
		t.Errorf("%+v, %v", a, ok)
	}
}
