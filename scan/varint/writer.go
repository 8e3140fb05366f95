package varint

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"net/netip"
)

// Writer writes numbers and texts. Its errors are bufio's: the first stays, and
// Flush returns it.
type Writer struct{ *bufio.Writer }

// Uint writes a number.
func (w Writer) Uint(v uint64) {
	var b [binary.MaxVarintLen64]byte
	w.Write(b[:binary.PutUvarint(b[:], v)])
}

// Flag writes true as 1 and false as 0.
func (w Writer) Flag(b bool) {
	v := uint64(0)
	if b {
		v = 1
	}
	w.Uint(v)
}

// Text writes a length and that many bytes.
func (w Writer) Text(s string) {
	w.Uint(uint64(len(s)))
	w.WriteString(s)
}

// JSON writes a value as a text. Its error is that of encoding/json.
func (w Writer) JSON(v any) error {
	b, err := json.Marshal(v)
	w.Text(string(b))
	return err
}

// Addr writes an address as a text: its binary form, with its zone.
func (w Writer) Addr(a netip.Addr) {
	b, _ := a.MarshalBinary() // never fails
	w.Text(string(b))
}
