package target

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Fingerprint is the same for two plans if, and but for chance only if, they
// have the same endpoints with the same numbers.
func (p *Plan) Fingerprint() string {
	h := sha256.New()
	for i := range p.firsts {
		fmt.Fprintln(h, p.At(p.starts[i]).Addr, p.starts[i+1]-p.starts[i])
	}
	for _, port := range p.ports {
		fmt.Fprintln(h, port)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
