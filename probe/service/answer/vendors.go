package answer

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// readTNS recognises a refusal, or an acceptance, of a connection by an Oracle
// listener and the version in it: VSNNUM=318767104 is 0x13000000, 19.0.0.
func readTNS(a *Answer) (Facts, bool) {
	b := a.Bytes
	if len(b) < 12 || int(binary.BigEndian.Uint16(b)) > len(b) || b[2] != 0 || b[3] != 0 || b[4] != 4 && b[4] != 2 ||
		b[5] != 0 {
		return Facts{}, false
	}
	_, rest, ok := strings.Cut(a.Text, "(VSNNUM=")
	if !ok {
		return Facts{}, b[4] == 4 && strings.Contains(a.Text, "(DESCRIPTION=")
	}
	digits, _, _ := strings.Cut(rest, ")")
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return Facts{}, false
	}
	return Facts{Product: "Oracle TNS listener", Version: fmt.Sprintf("%d.%d.%d", n>>24, n>>20&15, n>>12&255)}, true
}

// readPrelogin recognises the answer to a TDS PRELOGIN (MS-TDS, section 2.2.6.5): a
// tabular result whose VERSION option is the server's.
func readPrelogin(a *Answer) (Facts, bool) {
	b := a.Bytes
	if len(b) < 8 || b[0] != 4 || b[1] != 1 || int(binary.BigEndian.Uint16(b[2:])) > len(b) {
		return Facts{}, false
	}
	options := b[8:]
	if len(options) < 6 || options[0] != 0 {
		return Facts{}, false
	}
	at, n := int(binary.BigEndian.Uint16(options[1:])), int(binary.BigEndian.Uint16(options[3:]))
	if n != 6 || at < 6 || at+n > len(options) {
		return Facts{}, false
	}
	v := options[at:]
	return Facts{Product: "Microsoft SQL Server", Version: fmt.Sprintf("%d.%d.%d", v[0], v[1],
		binary.BigEndian.Uint16(v[2:]))}, true
}

// readX11 recognises the answer to a connection setup (X11 protocol, section 8): the
// vendor and its release, or why not.
func readX11(a *Answer) (Facts, bool) {
	b := a.Bytes
	if len(b) < 8 || b[2] != 11 || b[3] != 0 {
		return Facts{}, false
	}
	size := 8 + 4*int(binary.LittleEndian.Uint16(b[6:]))
	switch {
	case b[0] == 0 && int(b[1]) <= size-8 && size-8-int(b[1]) < 4 && len(b) >= 8+int(b[1]):
		return Facts{Info: string(b[8 : 8+int(b[1])])}, true
	case b[0] != 1 || len(b) < 40:
		return Facts{}, false
	}
	n := int(binary.LittleEndian.Uint16(b[24:]))
	if 40+n > len(b) || 40+n > size {
		return Facts{}, false
	}
	f := Facts{Product: string(b[40 : 40+n])}
	// 12101007 is 21.1.7
	if r := binary.LittleEndian.Uint32(b[8:]); strings.Contains(f.Product, "X.Org") && r >= 10000000 {
		major, minor, patch := r/100000%100, r/1000%100, r%1000
		if f.Product = "X.Org"; major < 21 { // 12011000 is 1.20.11
			major, minor, patch = 1, major, minor
		}
		f.Version = fmt.Sprintf("%d.%d.%d", major, minor, patch)
	}
	return f, true
}
