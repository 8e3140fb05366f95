package answer

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// readSMB recognises the answer to NEGOTIATE (MS-SMB2, section 2.2.4).
func readSMB(a *Answer) (Facts, bool) {
	b := a.Bytes
	if len(b) < 4+64+64 || b[0] != 0 || string(b[4:10]) != "\xfeSMB\x40\x00" || b[16] != 0 || b[17] != 0 || b[20]&1 == 0 {
		return Facts{}, false
	}
	dialect := binary.LittleEndian.Uint16(b[4+64+4:])
	f := Facts{Info: fmt.Sprintf("dialect %d.%d.%d", dialect>>8, dialect>>4&15, dialect&15)}
	if b[4+64+2]&2 != 0 {
		f.Info += ", signing required"
	}
	// Samba shows its name where others have a random number.
	if name, rest, _ := bytes.Cut(b[4+64+8:4+64+24], []byte{0}); len(name) > 0 && len(bytes.Trim(rest, "\x00")) == 0 &&
		len(name) < 16 && printable(name) {
		f.Product = "Samba"
		f.Info += ", called " + string(name)
	}
	return f, true
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
