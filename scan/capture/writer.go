package capture

import (
	"encoding/binary"
	"io"
	"slices"
)

// Writer writes packets as pcapng, with times in nanoseconds. Not for concurrent use.
type Writer struct {
	w     io.Writer
	links []LinkType
	block []byte
}

// NewWriter writes the head of a file.
func NewWriter(w io.Writer) (*Writer, error) {
	out := &Writer{w: w}
	head := binary.LittleEndian.AppendUint32(nil, byteOrderMagic)
	head = binary.LittleEndian.AppendUint32(head, 1)       // version 1.0
	head = binary.LittleEndian.AppendUint64(head, 1<<64-1) // the length of the section is not known
	return out, out.put(magicSection, head, nil)
}

// Write writes a packet.
func (w *Writer) Write(p Packet) error {
	via := slices.Index(w.links, p.Link.Base())
	if via < 0 {
		via = len(w.links)
		w.links = append(w.links, p.Link.Base())
		head := binary.LittleEndian.AppendUint16(nil, uint16(p.Link))
		head = append(head, 0, 0, 0, 0, 0, 0)             // no bound of a packet's length
		head = append(head, optionResolution, 0, 1, 0, 9) // nanoseconds
		head = append(head, 0, 0, 0, 0, 0, 0, 0)          // padding, and the end of the options
		if err := w.put(blockInterface, head, nil); err != nil {
			return err
		}
	}
	var head [20]byte
	binary.LittleEndian.PutUint32(head[:], uint32(via))
	binary.LittleEndian.PutUint32(head[4:], uint32(uint64(p.Time)>>32))
	binary.LittleEndian.PutUint32(head[8:], uint32(p.Time))
	binary.LittleEndian.PutUint32(head[12:], uint32(len(p.Data)))
	binary.LittleEndian.PutUint32(head[16:], uint32(max(p.Size, len(p.Data))))
	return w.put(blockEnhanced, head[:], p.Data)
}

// End states when the capture ended, in nanoseconds since 1970, and how many packets were lost.
func (w *Writer) End(at int64, lost uint64) error {
	if len(w.links) == 0 {
		return nil // nothing to have statistics of
	}
	body := binary.LittleEndian.AppendUint32(nil, 0)
	body = binary.LittleEndian.AppendUint32(body, uint32(uint64(at)>>32))
	body = binary.LittleEndian.AppendUint32(body, uint32(at))
	body = binary.LittleEndian.AppendUint16(body, optionIfDrop)
	body = binary.LittleEndian.AppendUint16(body, 8)
	body = binary.LittleEndian.AppendUint64(body, lost)
	return w.put(blockStatistics, append(body, 0, 0, 0, 0), nil)
}

// put writes a block.
func (w *Writer) put(kind uint32, head, body []byte) error {
	padding := -(len(head) + len(body)) & 3
	size := uint32(blockAround + len(head) + len(body) + padding)
	b := binary.LittleEndian.AppendUint32(w.block[:0], kind)
	b = binary.LittleEndian.AppendUint32(b, size)
	b = append(append(b, head...), body...)
	b = append(b, make([]byte, padding)...)
	w.block = binary.LittleEndian.AppendUint32(b, size)
	_, err := w.w.Write(w.block)
	return err
}
