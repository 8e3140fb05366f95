package target

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
)

// Fingerprint is the same for two plans if, and but for chance only if, they
// have the same endpoints with the same numbers.
func (n *numbering) Fingerprint() string {
	h := sha256.New()
	if len(n.list) == 0 {
		n.product.write(h)
	}
	for i := range n.list {
		fmt.Fprintln(h, "block")
		n.list[i].write(h)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (p *product) write(w io.Writer) {
	var line []byte
	for i := range countRuns(&p.addrSpace) {
		line = append(p.addr(p.start(i)).AppendTo(line[:0]), ' ')
		line = append(strconv.AppendUint(line, p.start(i+1)-p.start(i), 10), '\n')
		_, _ = w.Write(line) // to a hash, which has no errors
	}
	for _, port := range p.ports {
		fmt.Fprintln(w, port)
	}
}
