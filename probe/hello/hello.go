package hello

import "encoding/binary"

// Types of records and messages: RFC 8446, sections 5.1 and 4.
const (
	recordHandshake = 22
	clientHello     = 1
	serverHello     = 2
	certificate     = 11
)

// Extensions: IANA, TLS ExtensionType Values.
const (
	extServerName = 0
	extAlgorithms = 13
	extALPN       = 16
	extVersions   = 43
)

// maxMessage bounds a message, in bytes.
const maxMessage = 64 << 10

// Client is what a ClientHello shows.
type Client struct {
	Name string   // that it asks for; "" if none. It is text of the client's
	ALPN []string // application protocols that it offers, likewise

	version    uint16 // the highest that it offers
	suites     []uint16
	extensions []uint16
	algorithms []uint16
}

// Server is what the answer to it shows.
type Server struct {
	Version     uint16 // as in crypto/tls
	Suite       uint16
	ALPN        string // text of the server's; not visible in TLS 1.3
	Certificate []byte // the server's own, in DER; nil in TLS 1.3, which encrypts it
}

// IsRecord reports whether b may be the beginning of a TLS handshake.
func IsRecord(b []byte) bool {
	return len(b) >= 3 && b[0] == recordHandshake && b[1] == 3 && b[2] <= 4
}

// messages calls f for each whole message of a handshake at the beginning of a stream,
// while f returns true. It ends at the first record that is of another type or not whole.
func messages(stream []byte, f func(kind byte, body []byte) bool) {
	var joined []byte
	for len(stream) >= 5 && IsRecord(stream) && len(joined) < maxMessage {
		n := int(binary.BigEndian.Uint16(stream[3:]))
		part := stream[5:min(5+n, len(stream))]
		stream = stream[5+len(part):]
		joined = append(joined, part...)
		for len(joined) >= 4 {
			size := int(joined[1])<<16 | int(joined[2])<<8 | int(joined[3])
			if len(joined) < 4+size {
				break
			}
			if !f(joined[0], joined[4:4+size]) {
				return
			}
			joined = joined[4+size:]
		}
		if len(part) < n {
			return
		}
	}
}

// reader takes fields off the front of a message. Once one is missing, failed is set and
// all that follow are empty.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.failed, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) number(size int) (n int) {
	for _, b := range r.take(size) {
		n = n<<8 | int(b)
	}
	return n
}

// vector is a field behind its length, which takes size bytes.
func (r *reader) vector(size int) []byte { return r.take(r.number(size)) }

func numbers(b []byte) (all []uint16) {
	for ; len(b) >= 2; b = b[2:] {
		all = append(all, binary.BigEndian.Uint16(b))
	}
	return all
}

// isGREASE reports whether a value means nothing: RFC 8701.
func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// each calls f for each extension.
func each(b []byte, f func(kind uint16, body []byte)) {
	r := reader{b: b}
	for len(r.b) > 0 {
		kind := r.number(2)
		body := r.vector(2)
		if r.failed {
			return
		}
		f(uint16(kind), body)
	}
}

// ReadClient reads the ClientHello at the beginning of what a client sent.
func ReadClient(stream []byte) (c Client, ok bool) {
	messages(stream, func(kind byte, body []byte) bool {
		if kind == clientHello {
			c, ok = readClient(body)
		}
		return false
	})
	return c, ok
}

func readClient(body []byte) (c Client, ok bool) {
	r := reader{b: body}
	c.version = uint16(r.number(2))
	r.take(32)
	r.vector(1)
	c.suites = numbers(r.vector(2))
	r.vector(1)
	if r.failed {
		return c, false
	}
	var highest uint16
	each(r.vector(2), func(kind uint16, b []byte) {
		c.extensions = append(c.extensions, kind)
		in := reader{b: b}
		switch kind {
		case extServerName:
			list := reader{b: in.vector(2)}
			if list.number(1) == 0 {
				c.Name = string(list.vector(2))
			}
		case extALPN:
			c.ALPN = protocols(in.vector(2))
		case extVersions:
			for _, v := range numbers(in.vector(1)) {
				if !isGREASE(v) {
					highest = max(highest, v)
				}
			}
		case extAlgorithms:
			c.algorithms = numbers(in.vector(2))
		}
	})
	if highest > 0 {
		c.version = highest
	}
	return c, true
}

// protocols are the names of a list of ALPN: RFC 7301, section 3.1.
func protocols(list []byte) (names []string) {
	r := reader{b: list}
	for len(r.b) > 0 && len(names) < 64 {
		if name := r.vector(1); len(name) > 0 {
			names = append(names, string(name))
		}
	}
	return names
}

// ReadServer reads the ServerHello at the beginning of what a server sent, and what
// follows it in clear.
func ReadServer(stream []byte) (s Server, ok bool) {
	messages(stream, func(kind byte, body []byte) bool {
		switch {
		case kind == serverHello && !ok:
			s, ok = readServer(body)
			return ok
		case kind == certificate && ok:
			r := reader{b: body}
			list := reader{b: r.vector(3)}
			s.Certificate = list.vector(3)
			return false
		}
		return ok
	})
	return s, ok
}

func readServer(body []byte) (s Server, ok bool) {
	r := reader{b: body}
	s.Version = uint16(r.number(2))
	r.take(32)
	r.vector(1)
	s.Suite = uint16(r.number(2))
	r.take(1)
	if r.failed {
		return s, false
	}
	each(r.vector(2), func(kind uint16, b []byte) {
		in := reader{b: b}
		switch kind {
		case extALPN:
			if names := protocols(in.vector(2)); len(names) == 1 {
				s.ALPN = names[0]
			}
		case extVersions:
			if len(b) == 2 {
				s.Version = uint16(in.number(2))
			}
		}
	})
	return s, true
}
