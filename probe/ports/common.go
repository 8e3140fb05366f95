package ports

import (
	_ "embed"
	"iter"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
)

// Common is the name that Parse takes for the ports that servers use most.
const Common = "common"

// commonPorts has a line for each, in ascending order: the port, its name, and where that
// is written down: iana for IANA's registry, or the Debian package whose default
// configuration listens there.
//
//go:embed common.txt
var commonPorts string

// common are the common ports of protos, in ascending order.
func common(protos []probe.Proto) iter.Seq[probe.Port] {
	return func(yield func(probe.Port) bool) {
		for line := range strings.Lines(commonPorts) {
			port, _, _ := strings.Cut(line, " ")
			number, proto, ok := strings.Cut(port, "/")
			n, err := strconv.ParseUint(number, 10, 16)
			if err != nil {
				continue // a comment
			}
			for _, p := range protos {
				if (!ok || p.String() == proto) && !yield(probe.Port{Number: uint16(n), Proto: p}) {
					return
				}
			}
		}
	}
}

// Exclude is ports without those in not.
func Exclude(ports, not []probe.Port) []probe.Port {
	gone := make(map[probe.Port]bool, len(not))
	for _, p := range not {
		gone[p] = true
	}
	return slices.DeleteFunc(slices.Clone(ports), func(p probe.Port) bool { return gone[p] })
}
