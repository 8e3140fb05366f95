package service

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"time"

	"onmux/probe"
	"onmux/probe/request"
)

// identifyUDP sends one datagram after the other; to a peer that has answered it sends
// only those that may find out the version.
func identifyUDP(ctx context.Context, target netip.AddrPort, o Options) (*probe.Service, error) {
	s := newSearch(func(ctx context.Context) (net.Conn, error) { return dialAny(ctx, target) }, target.Port(), o)
	s.pace.patience = min(4*s.o.RTT+250*time.Millisecond, 2*time.Second)
	ours, cancel := context.WithDeadline(ctx, s.deadline)
	defer cancel()
	l := s.datagrams()
	l.run(ours)
	switch {
	case l.best.rule != nil || l.unknown != nil || ctx.Err() != nil:
		return l.verdict(ctx)
	case l.accepted == 0 && probe.IsBusy(l.err):
		return nil, fmt.Errorf("%w: %w", probe.ErrBusy, l.err)
	case l.accepted == 0 && l.err != nil:
		return nil, fmt.Errorf("no socket to identify the service on: %w", l.err)
	}
	return nil, nil
}

func (s *search) datagrams() *layer {
	l := s.newLayer(s.dial, maxDatagrams)
	l.listening, l.openersSent, l.queue = true, true, request.UDP()
	sortByLikelihood(l.queue, s.port, l.suggested)
	return l
}

// anyPortConn is a UDP socket that receives answers from any port of the peer: TFTP
// answers from a new one (RFC 1350, section 4).
type anyPortConn struct {
	*net.UDPConn
	target netip.AddrPort
}

func dialAny(ctx context.Context, target netip.AddrPort) (net.Conn, error) {
	network, local := "udp4", "0.0.0.0:0"
	if target.Addr().Is6() && !target.Addr().Is4In6() {
		network, local = "udp6", "[::]:0"
	}
	var lc net.ListenConfig
	c, err := lc.ListenPacket(ctx, network, local)
	if err != nil {
		return nil, err
	}
	return &anyPortConn{c.(*net.UDPConn), target}, nil
}

func (w *anyPortConn) Write(b []byte) (int, error) { return w.WriteToUDPAddrPort(b, w.target) }

// Read is the next datagram from the peer's address. Datagrams of others are
// ignored, until the deadline.
func (w *anyPortConn) Read(b []byte) (int, error) {
	for range 1000 {
		n, from, err := w.ReadFromUDPAddrPort(b)
		if err != nil || from.Addr().Unmap().WithZone("") == w.target.Addr().Unmap().WithZone("") {
			return n, err
		}
	}
	return 0, errors.New("too many datagrams from other addresses")
}

var snmpEngine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^\x30.{1,3}\x02\x01\x03\x30.\x02\x04\x41\x70\x04\x17.*?\x04.\x30.\x04[\x05-\x20]` +
		`(?P<engine>.{5})`)
})

// enterprises are a few of IANA's private enterprise numbers, of vendors of
// SNMP agents.
var enterprises = map[uint32]string{9: "Cisco", 11: "Hewlett-Packard", 311: "Microsoft", 2021: "Net-SNMP",
	2636: "Juniper", 8072: "Net-SNMP", 14988: "MikroTik", 30065: "Arista"}

// readSNMPReport reads the engine's maker (RFC 3411, section 5, SnmpEngineID).
func readSNMPReport(a *answer) (facts, bool) {
	m := snmpEngine().FindStringSubmatch(a.text)
	if m == nil {
		return facts{}, false
	}
	id := binary.BigEndian.Uint32([]byte(bytesOf(m[1]))) &^ (1 << 31)
	f := facts{product: enterprises[id]}
	if f.product == "" {
		f.info = fmt.Sprintf("enterprise %d", id)
	}
	return f, true
}

var snmpDescription = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^\x30.{1,3}\x02\x01\x00\x04\x06public\xa2.{1,3}\x02\x01\x17.*\x06\x08\x2b\x06\x01` +
		`\x02\x01\x01\x01\x00(?:\x04(?:[\x00-\x7f]|\x81.|\x82..))?([^\x00]*)`)
})

// readSNMP reads sysDescr.0.
func readSNMP(a *answer) (facts, bool) {
	m := snmpDescription().FindStringSubmatch(a.text)
	if m == nil {
		return facts{}, false
	}
	return facts{info: strings.Join(strings.Fields(bytesOf(m[1])), " ")}, true
}

// readNTP recognises the answer of a server by our time in it.
func readNTP(a *answer) (facts, bool) {
	b := a.bytes
	if len(b) < 48 || b[0]&7 != 4 || !bytes.Equal(b[24:32], []byte("onmux417")) {
		return facts{}, false
	}
	if b[1] == 0 {
		return facts{info: "refuses: " + strings.TrimRight(string(b[12:16]), "\x00")}, true
	}
	return facts{info: fmt.Sprintf("version %d, stratum %d", b[0]>>3&7, b[1])}, true
}
