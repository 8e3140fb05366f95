package capture

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxPacket is how many bytes of a packet are read at most: what libpcap calls
// MAXIMUM_SNAPLEN.
const MaxPacket = 256 << 10

// buffer holds the longest packet with what is around it.
const buffer = 1 << 20

// Packet is one packet of a capture.
type Packet struct {
	Data []byte // as far as it was captured; valid until the next one is read
	Size int    // in bytes, as it was sent
	Time int64  // nanoseconds since 1970; 0 if it is not known
	Link LinkType
	Via  uint32 // the interface that captured it, within its section of the file
}

// Errors of files.
var (
	ErrFormat  = errors.New("it is not a capture: neither pcap nor pcapng")
	ErrCut     = errors.New("it is cut short: the last packet is not whole")
	errBomb    = errors.New("it decompresses to more than 300 times its size")
	errVersion = errors.New("its version is not known")
)

// DamageError is what is wrong with a file, and after how many packets.
type DamageError struct {
	Packets uint64
	Problem string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("it is damaged after %d packets: %s", e.Packets, e.Problem)
}

// Reader reads the packets of one file. Not for concurrent use.
type Reader struct {
	source *bufio.Reader
	format format
	order  order
	count  uint64
	behind int // bytes of the packet before, which were not consumed yet
}

// format reads the next packet, without counting it.
type format interface {
	next(r *Reader, p *Packet) error
}

// order is a byte order.
type order struct{ big bool }

func (o order) u16(b []byte) uint16 {
	if o.big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (o order) u32(b []byte) uint32 {
	if o.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (o order) u64(b []byte) uint64 {
	if o.big {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

// NewReader reads the head of a capture.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{source: bufio.NewReaderSize(from, buffer)}
	head, err := r.source.Peek(4)
	if len(head) >= 2 && head[0] == 0x1f && head[1] == 0x8b {
		if err := r.decompress(); err != nil {
			return nil, err
		}
		head, err = r.source.Peek(4)
	}
	if len(head) < 4 {
		if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		return nil, ErrFormat
	}
	switch magic := binary.BigEndian.Uint32(head); magic {
	case magicSection:
		r.format = &pcapng{}
		return r, nil
	case magicMicro, magicNano:
		r.order.big = true
		r.format, err = newPcap(r, magic == magicNano)
	case swapped(magicMicro), swapped(magicNano):
		r.format, err = newPcap(r, magic == swapped(magicNano))
	default:
		return nil, ErrFormat
	}
	return r, err
}

func swapped(v uint32) uint32 {
	return v<<24 | v>>24 | v<<8&0xff0000 | v>>8&0xff00
}

// Next reads the next packet. It returns io.EOF at the end, ErrCut where the file ends in
// the middle of a packet, and a DamageError where it is not to be believed.
func (r *Reader) Next(p *Packet) error {
	if _, err := r.source.Discard(r.behind); err != nil {
		return cut(err)
	}
	r.behind = 0
	err := r.format.next(r, p)
	if err == nil {
		r.count++
	}
	return err
}

// Lost is how many packets the program that captured had to drop, as far as the file
// states it.
func (r *Reader) Lost() uint64 {
	if f, ok := r.format.(*pcapng); ok {
		return f.lost()
	}
	return 0
}

// Ended is when the capture ended, in nanoseconds since 1970, as far as the file states it; else 0.
func (r *Reader) Ended() int64 {
	if f, ok := r.format.(*pcapng); ok {
		return f.ended
	}
	return 0
}

// peek returns the next n bytes without consuming them; io.EOF if there is none, ErrCut if
// there are fewer. There may be n = buffer at most.
func (r *Reader) peek(n int) ([]byte, error) {
	b, err := r.source.Peek(n)
	if err == nil {
		return b, nil
	}
	if len(b) == 0 && err == io.EOF {
		return nil, io.EOF
	}
	return nil, cut(err)
}

// skip consumes bytes.
func (r *Reader) skip(n int) error {
	_, err := r.source.Discard(n)
	return cut(err)
}

// cut makes ErrCut of the end of a file.
func cut(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrCut
	}
	return err
}

func (r *Reader) damaged(format string, args ...any) error {
	return &DamageError{r.count, fmt.Sprintf(format, args...)}
}

// Bounds of compressed files: DEFLATE makes at most some 1,000 bytes of one, captures 5 to 50.
const (
	maxRatio  = 300
	freeBytes = 8 << 20 // that are decompressed in any case
)

// decompress puts a decompressor before the source.
func (r *Reader) decompress() error {
	in := &counter{r: r.source}
	z, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("it is not valid gzip: %w", err)
	}
	r.source = bufio.NewReaderSize(&bounded{z: z, in: in}, buffer)
	return nil
}

// counter counts what was read of a compressed file. It is an io.ByteReader, so that
// nothing is read ahead.
type counter struct {
	r *bufio.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

// bounded stops what decompresses to far more than a capture would.
type bounded struct {
	z  io.Reader
	in *counter
	n  int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.z.Read(p)
	b.n += int64(n)
	if b.n > freeBytes && b.n/maxRatio > b.in.n {
		return 0, errBomb
	}
	return n, err
}
