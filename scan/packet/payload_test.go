package packet

import (
	"encoding/binary"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"onmux/probe/request"
)

// The requests are what their table describes, as gopacket decodes them.
func TestPayloadsAsGopacketReadsThem(t *testing.T) {
	read := func(port uint16, i int, as gopacket.LayerType) gopacket.Layer {
		t.Helper()
		pkt := gopacket.NewPacket(request.Payloads(port)[i], as, gopacket.Default)
		if e := pkt.ErrorLayer(); e != nil {
			t.Errorf("%d, question %d: %v", port, i, e.Error())
		}
		l := pkt.Layer(as)
		if l == nil {
			t.Fatalf("%d, question %d is no %s", port, i, as)
		}
		return l
	}
	for _, c := range []struct {
		port  uint16
		i     int
		name  string
		kind  layers.DNSType
		class layers.DNSClass
	}{{53, 0, "", layers.DNSTypeNS, layers.DNSClassIN}, {53, 1, "version.bind", layers.DNSTypeTXT, layers.DNSClassCH},
		{5353, 0, "_services._dns-sd._udp.local", layers.DNSTypePTR, layers.DNSClassIN}} {
		d := read(c.port, c.i, layers.LayerTypeDNS).(*layers.DNS)
		if len(d.Questions) != 1 || d.QR || d.RD || string(d.Questions[0].Name) != c.name || d.Questions[0].Type != c.kind ||
			d.Questions[0].Class != c.class ||
			d.ID != 0x0417 {
			t.Errorf("%+v: %+v", c, d)
		}
	}
	for i, version := range []layers.NTPVersion{4, 3} {
		if n := read(123, i, layers.LayerTypeNTP).(*layers.NTP); n.Version != version || n.Mode != 3 {
			t.Errorf("%+v", n)
		}
	}
	if s := read(5060, 0, layers.LayerTypeSIP).(*layers.SIP); s.Method != layers.SIPMethodOptions ||
		s.GetContentLength() != 0 {
		t.Errorf("%+v", s)
	}
	ping := gopacket.NewPacket(request.Payloads(623)[0], layers.LayerTypeRMCP, gopacket.Default)
	if a, ok := ping.Layer(layers.LayerTypeASF).(*layers.ASF); !ok ||
		a.Type != layers.ASFDataIdentifierPresencePing.Type ||
		a.Length != 0 {
		t.Errorf("no presence ping: %s", ping)
	}
}

// Lengths that a question states are its own.
func TestPayloadLengths(t *testing.T) {
	for port, skip := range map[uint16]int{500: 0, 4500: 4} {
		b := request.Payload(port)[skip:]
		if n := binary.BigEndian.Uint32(b[24:]); n != 28 || len(b) != 28 {
			t.Errorf("%d: %d bytes, its length is %d, want 28", port, len(b), n)
		}
	}
	for _, port := range []uint16{443, 853} {
		if b := request.Payload(port); len(b) != 1200 || b[5] != 8 || b[14] != 8 ||
			binary.BigEndian.Uint32(b[1:])&0x0f0f0f0f != 0x0a0a0a0a {
			t.Errorf("%d: %d bytes, % x", port, len(b), b[:23])
		}
	}
	b := request.Payloads(623)[1]
	if int(b[13]) != len(b)-14 || b[14]+b[15]+b[16] != 0 || b[17]+b[18]+b[19]+b[20]+b[21]+b[22] != 0 {
		t.Errorf("IPMI: length or checksums of % x", b)
	}
	for port, want := range map[uint16]int{2049: 40, 5351: 2, 177: 7, 11211: 17} {
		if n := len(request.Payload(port)); n != want {
			t.Errorf("%d: %d bytes, want %d", port, n, want)
		}
	}
	if b := request.Payload(177); int(binary.BigEndian.Uint16(b[4:])) != len(b)-6 {
		t.Errorf("XDMCP: length of % x", b)
	}
}
