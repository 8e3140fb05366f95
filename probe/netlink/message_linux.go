package netlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ErrMalformed means that an answer is not laid out as the kernel's headers have
// it. Nothing may be concluded from it.
var ErrMalformed = errors.New("the kernel's answer is malformed")

// Request is a message to the kernel.
type Request struct{ message *nl.NetlinkRequest }

// NewRequest begins a message of a type with the fixed header of its family
// (struct rtmsg, struct inet_diag_req_v2 and the like).
func NewRequest(kind uint16, header []byte) *Request {
	r := &Request{nl.NewNetlinkRequest(int(kind), 0)}
	r.message.AddRawData(header)
	return r
}

// Add appends an attribute and returns the request.
func (r *Request) Add(kind uint16, value []byte) *Request {
	r.message.AddRawData(nl.NewRtAttr(int(kind), value).Serialize())
	return r
}

// AddString appends an attribute that holds a string.
func (r *Request) AddString(kind uint16, value string) *Request {
	return r.Add(kind, nl.ZeroTerminated(value))
}

// progress is how far an answer is after a datagram.
type progress struct {
	done        bool // it was the last one
	interrupted bool // the kernel's list changed meanwhile (NLM_F_DUMP_INTR)
}

// parse calls each with the type and the body of every message of one datagram
// (struct nlmsghdr, linux/netlink.h) that is neither end nor error. Messages with
// another sequence number answer other requests and are skipped. Nothing in b is
// trusted or kept.
func parse(b []byte, seq uint32, each func(kind uint16, body []byte) error) (progress, error) {
	var p progress
	for len(b) > 0 {
		if len(b) < unix.NLMSG_HDRLEN {
			return p, fmt.Errorf("%w: %d bytes are not a netlink header", ErrMalformed, len(b))
		}
		size := uint64(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > uint64(len(b)) {
			return p, fmt.Errorf("%w: a netlink message of %d bytes in %d", ErrMalformed, size, len(b))
		}
		kind, flags := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:])
		ours := binary.NativeEndian.Uint32(b[8:]) == seq
		body := b[unix.NLMSG_HDRLEN:size]
		b = b[min(align(int(size)), len(b)):]
		if !ours {
			continue
		}
		p.interrupted = p.interrupted || flags&unix.NLM_F_DUMP_INTR != 0
		if kind == unix.NLMSG_DONE || kind == unix.NLMSG_ERROR {
			p.done = true
			return p, status(kind, flags, body)
		}
		if err := each(kind, body); err != nil {
			return p, err
		}
	}
	return p, nil
}

// status reads NLMSG_DONE and NLMSG_ERROR, which start with a negative errno or
// 0. An error without one is still an error: no acknowledgement is requested.
func status(kind, flags uint16, body []byte) error {
	if len(body) < 4 {
		if kind == unix.NLMSG_DONE {
			return nil
		}
		return fmt.Errorf("%w: an error of %d bytes", ErrMalformed, len(body))
	}
	code := int32(binary.NativeEndian.Uint32(body))
	switch {
	case code < 0 && code > -4096: // MAX_ERRNO
		errno := syscall.Errno(-code)
		if text := extendedAck(kind, flags, body[4:]); text != "" {
			return fmt.Errorf("%w: %s", errno, text)
		}
		return errno
	case code < 0 || kind == unix.NLMSG_ERROR:
		return fmt.Errorf("%w: error %d", ErrMalformed, code)
	}
	return nil
}

// extendedAck is the kernel's explanation of an error (NLMSGERR_ATTR_MSG). In
// NLMSG_ERROR it follows a copy of the request, or of its header alone.
func extendedAck(kind, flags uint16, b []byte) string {
	if flags&unix.NLM_F_ACK_TLVS == 0 {
		return ""
	}
	if kind == unix.NLMSG_ERROR {
		if len(b) < unix.NLMSG_HDRLEN {
			return ""
		}
		copied := uint64(unix.NLMSG_HDRLEN)
		if flags&unix.NLM_F_CAPPED == 0 {
			copied = uint64(binary.NativeEndian.Uint32(b))
		}
		if copied < unix.NLMSG_HDRLEN || copied > uint64(len(b)) {
			return ""
		}
		b = b[min(align(int(copied)), len(b)):]
	}
	return Text(Attribute(b, unix.NLMSGERR_ATTR_MSG))
}

// align is where the message or attribute after one of n bytes starts.
func align(n int) int { return (n + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }

// Attributes yields the type and value of each attribute (struct nlattr) up to
// one that is not whole.
func Attributes(b []byte) func(yield func(kind uint16, value []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for rest := b; ; {
			kind, value, more, ok := cutAttribute(rest)
			if !ok || !yield(kind, value) {
				return
			}
			rest = more
		}
	}
}

// Attribute is the value of the first attribute of a type; nil if there is none.
func Attribute(b []byte, kind uint16) []byte {
	for {
		k, value, rest, ok := cutAttribute(b)
		switch {
		case !ok:
			return nil
		case k == kind:
			return value
		}
		b = rest
	}
}

// cutAttribute reads the first attribute; false if there is none that is whole.
func cutAttribute(b []byte) (kind uint16, value, rest []byte, ok bool) {
	if len(b) < unix.NLA_HDRLEN {
		return 0, nil, nil, false
	}
	size := int(binary.NativeEndian.Uint16(b))
	if size < unix.NLA_HDRLEN || size > len(b) {
		return 0, nil, nil, false
	}
	kind = binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
	return kind, b[unix.NLA_HDRLEN:size], b[min(align(size), len(b)):], true
}

// Text is a string without the NUL that ends it.
func Text(b []byte) string { return unix.ByteSliceToString(b) }

// word is a number of 32 bits in the machine's byte order; 0 if it is cut off.
func word(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}
