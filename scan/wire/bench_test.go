package wire

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"onmux/probe"
	"onmux/scan/capture"
)

// benchFile is a capture of n packets of 100 bytes, of which every so many is to the port;
// each of those is of a flow of its own, if many is set.
func benchFile(b testing.TB, n, every int, flows int) []byte {
	var file bytes.Buffer
	w, err := capture.NewWriter(&file)
	if err != nil {
		b.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(4, 17))
	buf := gopacket.NewSerializeBuffer()
	for i := range n {
		port := layers.TCPPort(443)
		if i%every == 0 {
			port = 417
		}
		f := rnd.IntN(flows)
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: 6, SrcIP: []byte{10, byte(f >> 16), byte(f >> 8), byte(f)},
			DstIP: []byte{192, 0, 2, byte(f)}}
		tcp := &layers.TCP{SrcPort: layers.TCPPort(1024 + f%60000), DstPort: port, Seq: uint32(i), ACK: true, Window: 1}
		err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true},
			&layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: 0x800}, ip, tcp,
			gopacket.Payload(make([]byte, 46)))
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Write(capture.Packet{Data: buf.Bytes(), Time: int64(1e18 + i*1000),
			Link: capture.LinkEthernet}); err != nil {
			b.Fatal(err)
		}
	}
	return file.Bytes()
}

func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name         string
		every, flows int
	}{{"few match", 1000, 10000}, {"all match", 1, 10000}, {"all match, many flows", 1, 1 << 20}} {
		const n = 200_000
		file := benchFile(b, n, c.every, c.flows)
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				w := New(Config{Ports: []probe.Port{{Number: 417, Proto: probe.TCP}}, IPv4: true, IPv6: true})
				if err := w.Read(context.Background(), bytes.NewReader(file)); err != nil {
					b.Fatal(err)
				}
			}
			per := float64(b.Elapsed().Nanoseconds()) / float64(b.N*n)
			b.ReportMetric(1e9/per, "packets/s")
		})
	}
}
