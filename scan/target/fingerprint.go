package target

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
)

// Fingerprint is the same for two plans if, and but for chance only if, they
// have the same endpoints with the same numbers.
func (p *Plan) Fingerprint() string {
	h := sha256.New()
	var line []byte
	for i := range p.runs() {
		line = append(p.At(p.start(i)).Addr.AppendTo(line[:0]), ' ')
		line = append(strconv.AppendUint(line, p.start(i+1)-p.start(i), 10), '\n')
		h.Write(line)
	}
	for _, port := range p.ports {
		fmt.Fprintln(h, port)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
