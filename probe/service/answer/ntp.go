package answer

import (
	"bytes"
	"fmt"
	"strings"
)

// readNTP recognises the answer of a server by our time in it.
func readNTP(a *Answer) (Facts, bool) {
	b := a.Bytes
	if len(b) < 48 || b[0]&7 != 4 || !bytes.Equal(b[24:32], []byte("onmux417")) {
		return Facts{}, false
	}
	if b[1] == 0 {
		return Facts{Info: "refuses: " + strings.TrimRight(string(b[12:16]), "\x00")}, true
	}
	return Facts{Info: fmt.Sprintf("version %d, stratum %d", b[0]>>3&7, b[1])}, true
}
