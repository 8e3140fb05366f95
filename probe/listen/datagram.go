package listen

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"onmux/probe"
	"onmux/probe/farend"
	"onmux/probe/recent"
	"onmux/probe/service/answer"
)

// packetSocket is a UDP socket that knows where datagrams came to, and answers from there.
type packetSocket struct {
	conn *net.UDPConn
	v4   *ipv4.PacketConn // one of the two
	v6   *ipv6.PacketConn
}

func newPacketSocket(c *net.UDPConn, six bool) *packetSocket {
	s := &packetSocket{conn: c}
	if six {
		s.v6 = ipv6.NewPacketConn(c)
		_ = s.v6.SetControlMessage(ipv6.FlagDst|ipv6.FlagHopLimit|ipv6.FlagInterface, true) // Windows has none
	} else {
		s.v4 = ipv4.NewPacketConn(c)
		_ = s.v4.SetControlMessage(ipv4.FlagDst|ipv4.FlagTTL|ipv4.FlagInterface, true)
	}
	return s
}

// datagram is how one arrived.
type datagram struct {
	from, to  netip.AddrPort
	index     int // of the interface; 0 is not known
	ttl       uint8
	sender    net.Addr
	multicast bool
}

func (s *packetSocket) read(buf []byte) (n int, d datagram, err error) {
	var to net.IP
	if s.v4 != nil {
		var m *ipv4.ControlMessage
		if n, m, d.sender, err = s.v4.ReadFrom(buf); m != nil {
			to, d.index, d.ttl = m.Dst, m.IfIndex, uint8(m.TTL)
		}
	} else {
		var m *ipv6.ControlMessage
		if n, m, d.sender, err = s.v6.ReadFrom(buf); m != nil {
			to, d.index, d.ttl = m.Dst, m.IfIndex, uint8(m.HopLimit)
		}
	}
	if err != nil {
		return n, d, err
	}
	own := addrPortOf(s.conn.LocalAddr())
	d.from, d.to = addrPortOf(d.sender), own
	if a, ok := netip.AddrFromSlice(to); ok {
		d.to = netip.AddrPortFrom(a.Unmap(), own.Port())
		d.multicast = a.IsMulticast()
	}
	return n, d, nil
}

// write answers from the address that was asked.
func (s *packetSocket) write(b []byte, d datagram) error {
	var err error
	src := d.to.Addr()
	switch {
	case src.IsUnspecified() || d.multicast:
		_, err = s.conn.WriteTo(b, d.sender)
	case s.v4 != nil:
		_, err = s.v4.WriteTo(b, &ipv4.ControlMessage{Src: src.AsSlice()}, d.sender)
	default:
		_, err = s.v6.WriteTo(b, &ipv6.ControlMessage{Src: src.AsSlice(), IfIndex: d.index}, d.sender)
	}
	return err
}

// receive handles datagrams until the socket is closed.
func (l *Listener) receive(ctx context.Context, s *packetSocket, work *sync.WaitGroup, report func(Arrival)) {
	buf, out := make([]byte, 1<<16), make([]byte, 0, 1<<16)
	for {
		n, d, err := s.read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		} else if err != nil { // of an answer before it
			if probe.Sleep(ctx, time.Millisecond) != nil {
				return
			}
			continue
		}
		data := buf[:n]
		if l.respond != nil && farend.IsMessage(data) {
			if reply, ok := l.respond.Answer(out[:0], data, d.from, d.to, d.ttl); ok {
				l.asked.Store(time.Now().UnixNano())
				if l.proven.add(d.from, d.to) {
					a := l.arrivalOf(d, data)
					a.Proven, a.Data = true, ""
					report(a)
				}
				l.send(s, reply, d, len(reply) > farend.Size)
				continue
			}
			if reply, asked := l.datagramPath(ctx, data, d.from, d.to, work); asked {
				l.asked.Store(time.Now().UnixNano())
				if reply != nil {
					l.send(s, reply, d, false)
				}
				continue
			}
		}
		report(l.arrivalOf(d, data))
		if reply, answered := l.replyTo(data, d); answered {
			l.send(s, reply, d, false)
		}
	}
}

// replyTo is what is sent back: never more bytes than came, and nothing where two listeners would
// answer each other for ever.
func (l *Listener) replyTo(data []byte, d datagram) (reply []byte, answered bool) {
	if d.from.Port() == d.to.Port() || farend.IsMessage(data) {
		return nil, false
	}
	switch l.config.Reply {
	case Echo:
		return data, true
	case Greet:
		return []byte(l.config.Text[:min(len(l.config.Text), len(data))]), true
	}
	return nil, false
}

func (l *Listener) send(s *packetSocket, b []byte, d datagram, whole bool) {
	if !l.replies.Allow() {
		l.counts.add(func(c *Counts) { c.Unanswered++ })
		return
	}
	send := func() error { return s.write(b, d) }
	if whole {
		_ = farend.WholeAnswers(s.conn, send) // one that is too long is not answered
		return
	}
	_ = send() // the client's way back is its own concern
}

func (l *Listener) arrivalOf(d datagram, data []byte) Arrival {
	return Arrival{
		Time: time.Now().UTC(), Proto: probe.UDP, Client: d.from.Addr(), ClientPort: d.from.Port(),
		Address: d.to.Addr(), Port: d.to.Port(), Interface: l.names.byIndex[d.index], TTL: d.ttl, Bytes: len(data),
		Data: answer.Printable(string(data[:min(len(data), maxData)]), maxData),
	}
}

// maxClients is how many clients that asked keyed questions are remembered.
const maxClients = 1024

// clients are those that asked keyed questions.
type clients struct {
	mu    sync.Mutex
	known *recent.Map[[2]netip.AddrPort, struct{}] // by their address and ours
}

// add reports whether the client is new.
func (c *clients) add(client, server netip.AddrPort) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := [2]netip.AddrPort{client, server}
	_, known := c.known.Get(key)
	c.known.Put(key, struct{}{})
	return !known
}
