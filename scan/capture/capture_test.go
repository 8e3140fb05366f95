package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// samples are packets whose times are whole microseconds.
func samples() []Packet {
	const start = 1_700_000_000_123_456_000
	return []Packet{
		{Data: []byte("first"), Size: 5, Time: start, Link: LinkEthernet},
		{Data: []byte{}, Size: 60, Time: start + 1000, Link: LinkEthernet},
		{Data: bytes.Repeat([]byte("long"), 16000), Size: 70000, Time: start + 2e9, Link: LinkEthernet},
		{Data: []byte("odd"), Size: 3, Time: start + 3e9, Link: LinkEthernet},
	}
}

// orders are both byte orders.
func orders() map[string]binary.AppendByteOrder {
	return map[string]binary.AppendByteOrder{"little endian": binary.LittleEndian, "big endian": binary.BigEndian}
}

// pcapOf writes a file of libpcap.
func pcapOf(o binary.AppendByteOrder, nano bool, packets []Packet) []byte {
	magic, unit := uint32(magicMicro), int64(1000)
	if nano {
		magic, unit = magicNano, 1
	}
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(o.AppendUint16(b, 2), 4)
	b = o.AppendUint32(append(b, make([]byte, 8)...), 1<<32-1) // a snap length of 4 GB
	b = o.AppendUint32(b, uint32(packets[0].Link))
	for _, p := range packets {
		b = o.AppendUint32(b, uint32(p.Time/1e9))
		b = o.AppendUint32(b, uint32(p.Time%1e9/unit))
		b = o.AppendUint32(o.AppendUint32(b, uint32(len(p.Data))), uint32(p.Size))
		b = append(b, p.Data...)
	}
	return b
}

// blockOf writes a block of pcapng.
func blockOf(o binary.AppendByteOrder, kind uint32, body []byte) []byte {
	body = append(slices.Clone(body), make([]byte, -len(body)&3)...)
	size := uint32(12 + len(body))
	b := o.AppendUint32(o.AppendUint32(nil, kind), size)
	return o.AppendUint32(append(b, body...), size)
}

func sectionOf(o binary.AppendByteOrder) []byte {
	body := o.AppendUint32(nil, byteOrderMagic)
	return blockOf(o, magicSection, o.AppendUint64(o.AppendUint16(o.AppendUint16(body, 1), 0), 1<<64-1))
}

// interfaceOf writes an interface, with a resolution if it is not 0.
func interfaceOf(o binary.AppendByteOrder, l LinkType, resolution byte) []byte {
	body := o.AppendUint32(o.AppendUint16(o.AppendUint16(nil, uint16(l)), 0), 0)
	body = append(o.AppendUint16(o.AppendUint16(body, 2), 4), "eth0"...) // its name
	if resolution != 0 {
		body = append(o.AppendUint16(o.AppendUint16(body, optionResolution), 1), resolution, 0, 0, 0)
	}
	return blockOf(o, blockInterface, append(body, 0, 0, 0, 0))
}

func enhancedOf(o binary.AppendByteOrder, via uint32, ticks uint64, p Packet) []byte {
	body := o.AppendUint32(o.AppendUint32(o.AppendUint32(nil, via), uint32(ticks>>32)), uint32(ticks))
	body = o.AppendUint32(o.AppendUint32(body, uint32(len(p.Data))), uint32(p.Size))
	body = append(append(body, p.Data...), make([]byte, -len(p.Data)&3)...)
	body = append(o.AppendUint16(o.AppendUint16(body, 1), 3), "hi!\x00"...) // a comment
	return blockOf(o, blockEnhanced, body)
}

// pcapngOf writes a file of two sections, with blocks between that are no packets.
func pcapngOf(o binary.AppendByteOrder, resolution byte, unit int64, packets []Packet) []byte {
	b := slices.Concat(sectionOf(o), interfaceOf(o, packets[0].Link, resolution))
	for i, p := range packets {
		if i == 2 {
			b = slices.Concat(b, sectionOf(o), blockOf(o, 0x0bad, []byte("unknown")), interfaceOf(o, packets[0].Link,
				resolution))
		}
		b = append(b, enhancedOf(o, 0, uint64(p.Time/unit), p)...)
	}
	return b
}

func compressed(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// readAll reads until the first error.
func readAll(from io.Reader) (all []Packet, err error) {
	r, err := NewReader(from)
	if err != nil {
		return nil, err
	}
	for {
		var p Packet
		if err := r.Next(&p); err != nil {
			return all, err
		}
		p.Data = slices.Clone(p.Data)
		all = append(all, p)
	}
}

// files are the samples in every form.
func files(t testing.TB) map[string][]byte {
	all := make(map[string][]byte)
	for name, o := range orders() {
		all["pcap, "+name] = pcapOf(o, false, samples())
		all["pcap in nanoseconds, "+name] = pcapOf(o, true, samples())
		all["pcapng, "+name] = pcapngOf(o, 0, 1000, samples())
		all["pcapng in nanoseconds, "+name] = pcapngOf(o, 9, 1, samples())
	}
	for name, b := range all {
		all[name+", gzip"] = compressed(t, b)
	}
	return all
}

func TestReader(t *testing.T) {
	t.Parallel()
	for name, b := range files(t) {
		got, err := readAll(bytes.NewReader(b))
		if err != io.EOF || !reflect.DeepEqual(got, samples()) {
			t.Errorf("%s: %d packets, %v", name, len(got), err)
		}
	}
}

// TestCut ends every file at many places: what is whole is read, and the end is named.
func TestCut(t *testing.T) {
	t.Parallel()
	for name, b := range files(t) {
		for n := 0; n < len(b); n += 1 + n/10 {
			got, err := readAll(bytes.NewReader(b[:n]))
			if err == nil || len(got) > len(samples()) || len(got) > 0 && !reflect.DeepEqual(got, samples()[:len(got)]) {
				t.Fatalf("%s cut to %d bytes: %d packets, %v", name, n, len(got), err)
			}
			whole := err == io.EOF || err == ErrCut || errors.Is(err, ErrFormat)
			if !whole && !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
				t.Errorf("%s cut to %d bytes: %v", name, n, err)
			}
		}
	}
}

// TestWriter: gopacket's reader reads what is written, and so does this one.
func TestWriter(t *testing.T) {
	t.Parallel()
	packets := samples()
	packets[1].Time += 7 // nanoseconds
	packets[3].Link = LinkSLL2
	var file bytes.Buffer
	w, err := NewWriter(&file)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packets {
		if err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readAll(bytes.NewReader(file.Bytes()))
	packets[3].Via = 1
	if err != io.EOF || !reflect.DeepEqual(got, packets) {
		t.Errorf("%v\n%v", err, got)
	}
	if err := w.End(packets[3].Time+1, 417); err != nil {
		t.Fatal(err)
	}
	again, err := NewReader(bytes.NewReader(file.Bytes()))
	for p := (Packet{}); err == nil; {
		err = again.Next(&p)
	}
	if err != io.EOF || again.Ended() != packets[3].Time+1 || again.Lost() != 417 {
		t.Errorf("%v: ended at %d, %d lost", err, again.Ended(), again.Lost())
	}
	r, err := pcapgo.NewNgReader(&file, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packets {
		data, info, err := r.ReadPacketData()
		if err != nil || !bytes.Equal(data, p.Data) || info.Length != p.Size || info.Timestamp.UnixNano() != p.Time ||
			info.AncillaryData[0] != layers.LinkType(p.Link) {
			t.Errorf("%v %+v, want %+v", err, info, p)
		}
	}
}

// TestGopacketWrites: what gopacket's writers write is read.
func TestGopacketWrites(t *testing.T) {
	t.Parallel()
	var plain, next bytes.Buffer
	a := pcapgo.NewWriterNanos(&plain)
	b, err := pcapgo.NewNgWriter(&next, layers.LinkTypeEthernet)
	if err := errors.Join(err, a.WriteFileHeader(1<<18, layers.LinkTypeEthernet)); err != nil {
		t.Fatal(err)
	}
	for _, p := range samples() {
		info := gopacket.CaptureInfo{Timestamp: time.Unix(0, p.Time), CaptureLength: len(p.Data), Length: p.Size}
		if err := errors.Join(a.WritePacket(info, p.Data), b.WritePacket(info, p.Data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []*bytes.Buffer{&plain, &next} {
		if got, err := readAll(file); err != io.EOF || !reflect.DeepEqual(got, samples()) {
			t.Errorf("%d packets, %v", len(got), err)
		}
	}
}

// TestHostile: lengths that are not true, and what else no program writes.
func TestHostile(t *testing.T) {
	t.Parallel()
	o := binary.LittleEndian
	pcap := func(captured, sent uint32) []byte {
		b := pcapOf(o, false, samples()[:1])
		return append(o.AppendUint32(o.AppendUint32(append(b, make([]byte, 8)...), captured), sent), "data"...)
	}
	begin := slices.Concat(sectionOf(o), interfaceOf(o, LinkEthernet, 0))
	raw := func(kind, size uint32) []byte {
		return append(slices.Clone(begin), append(o.AppendUint32(o.AppendUint32(nil, kind), size), make([]byte, 64)...)...)
	}
	lying := enhancedOf(o, 0, 1, Packet{Data: []byte("data")})
	o.PutUint32(lying[8+12:], 1<<30)
	differ := enhancedOf(o, 0, 1, Packet{Data: []byte("data")})
	differ[len(differ)-4]++
	for name, c := range map[string]struct {
		file    []byte
		packets int
	}{
		"4 GB captured":               {pcap(1<<32-1, 1<<32-1), 1},
		"4 GB captured of 1":          {pcap(1<<32-1, 1), 1},
		"more than is possible":       {pcap(MaxPacket+1, MaxPacket+1), 1},
		"a block of no bytes":         {raw(blockEnhanced, 0), 0},
		"a block of 8 bytes":          {raw(blockEnhanced, 8), 0},
		"a block of 13 bytes":         {raw(blockEnhanced, 13), 0},
		"a block of 4 GB":             {raw(blockEnhanced, 1<<32-4), 0},
		"a block of 16 bytes":         {append(begin[:len(begin):len(begin)], blockOf(o, blockEnhanced, []byte{1})...), 0},
		"a packet beyond its block":   {append(begin[:len(begin):len(begin)], lying...), 0},
		"a block with two lengths":    {append(begin[:len(begin):len(begin)], differ...), 0},
		"an interface that is none":   {append(begin[:len(begin):len(begin)], enhancedOf(o, 7, 1, samples()[0])...), 0},
		"a packet without interface":  {append(sectionOf(o), blockOf(o, blockSimple, []byte("abcdefgh"))...), 0},
		"times of 10^-100 seconds":    {append(sectionOf(o), interfaceOf(o, LinkEthernet, 100)...), 0},
		"a section without order":     {blockOf(o, magicSection, make([]byte, 16)), 0},
		"an interface of three bytes": {append(sectionOf(o), blockOf(o, blockInterface, []byte{1})...), 0},
	} {
		got, err := readAll(bytes.NewReader(c.file))
		if damage := (*DamageError)(nil); !errors.As(err, &damage) || len(got) != c.packets ||
			damage.Packets != uint64(c.packets) {
			t.Errorf("%s: %d packets, %v", name, len(got), err)
		}
	}
	for name, file := range map[string][]byte{
		"nothing": nil, "three bytes": []byte("abc"), "text": []byte("no capture at all\n"), "a magic": {0xa1, 0xb2, 0xc3,
			0xd4},
	} {
		if _, err := readAll(bytes.NewReader(file)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	huge := blockOf(o, 0x0bad, nil)
	o.PutUint32(huge[4:], 1<<32-4)
	if _, err := readAll(bytes.NewReader(append(begin, huge...))); err != ErrCut {
		t.Errorf("an unknown block of 4 GB: %v", err)
	}
}

// TestManyInterfaces: a file cannot make the reader keep more than so many.
func TestManyInterfaces(t *testing.T) {
	t.Parallel()
	one := interfaceOf(binary.LittleEndian, LinkEthernet, 0)
	from := io.MultiReader(bytes.NewReader(sectionOf(binary.LittleEndian)), &endless{piece: one})
	if _, err := readAll(from); !errors.As(err, new(*DamageError)) {
		t.Error(err)
	}
}

// endless repeats a piece for ever.
type endless struct {
	piece []byte
	at    int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.piece[e.at:])
	e.at = (e.at + n) % len(e.piece)
	return n, nil
}

// TestBomb: a compressed file that only costs time is not read to its end.
func TestBomb(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z, _ := gzip.NewWriterLevel(&bomb, gzip.BestCompression)
	head := pcapOf(binary.LittleEndian, false, samples()[:1])
	_, err := z.Write(head)
	zeros := make([]byte, 1<<20)
	for range 2 * freeBytes / len(zeros) {
		_, more := z.Write(zeros)
		err = errors.Join(err, more)
	}
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(&bomb)
	var p Packet
	n := 0
	for ; err == nil; n++ {
		err = r.Next(&p)
	}
	if !errors.Is(err, errBomb) {
		t.Errorf("%v after %d packets", err, n)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d     device
		ticks uint64
		want  int64
	}{
		{device{unit: 1}, 5, 5e9}, {device{unit: 1e6}, 5_000_001, 5_000_001_000}, {device{unit: 1 << 32}, 3 << 31,
			1_500_000_000},
		{device{unit: 1e19}, 15e18, 1_500_000_000}, {device{unit: 1 << 63}, 3 << 62, 1_500_000_000},
		{device{unit: 1, offset: -3}, 5, 2e9}, {device{unit: 1, offset: -6}, 5, 0}, {device{unit: 1}, 1 << 63, 0},
		{device{unit: 1, offset: -1 << 63}, 1, 0},
	} {
		if got := c.d.time(c.ticks); got != c.want {
			t.Errorf("%+v: %d ticks are %d, want %d", c.d, c.ticks, got, c.want)
		}
	}
}

func TestLost(t *testing.T) {
	t.Parallel()
	o := binary.BigEndian
	stats := func(dropped uint64) []byte {
		body := append(o.AppendUint32(nil, 0), make([]byte, 8)...)
		body = o.AppendUint64(o.AppendUint16(o.AppendUint16(body, optionIfDrop), 8), dropped)
		return blockOf(o, blockStatistics, body)
	}
	file := slices.Concat(sectionOf(o), interfaceOf(o, LinkEthernet, 0), stats(3), stats(5), sectionOf(o),
		interfaceOf(o, LinkEthernet, 0), stats(2))
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var p Packet
	if err := r.Next(&p); err != io.EOF || r.Lost() != 7 {
		t.Errorf("%v, %d lost", err, r.Lost())
	}
}

func FuzzReader(f *testing.F) {
	for _, b := range files(f) {
		if len(b) < 4<<10 {
			f.Add(b)
		}
	}
	small := samples()[:2]
	for _, o := range orders() {
		f.Add(pcapOf(o, false, small))
		f.Add(pcapngOf(o, 9, 1, small))
		f.Add(append(pcapngOf(o, 0, 1000, small), blockOf(o, blockSimple, []byte("12345678"))...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		var p Packet
		for n := 0; ; n++ {
			if err := r.Next(&p); err != nil {
				return
			}
			if len(p.Data) > p.Size && p.Size != 0 || len(p.Data) > len(b) && !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) ||
				p.Time < 0 {
				t.Fatalf("packet %d: %d bytes of %d at %d", n, len(p.Data), p.Size, p.Time)
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	packet := Packet{Data: make([]byte, 100), Size: 100, Time: 1, Link: LinkEthernet}
	packets := slices.Repeat([]Packet{packet}, 10000)
	for name, file := range map[string][]byte{
		"pcap": pcapOf(binary.LittleEndian, false, packets), "pcapng": pcapngOf(binary.LittleEndian, 9, 1, packets),
	} {
		b.Run(name, func(b *testing.B) {
			var p Packet
			for b.Loop() {
				r, err := NewReader(bytes.NewReader(file))
				for err == nil {
					err = r.Next(&p)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(packets)), "ns/packet")
		})
	}
}
