package checkpoint

import (
	"onmux/probe"
	"onmux/scan/verdict"
)

// A checkpoint holds cells condensed: an endpoint that has not answered is zero.
// Whether it was asked, and how often, follows from its position in the order, so
// that silence, which is most of most networks, makes long runs of zeros in the
// order of addresses too.

// Derivable reports whether the position of a cell's endpoint in the order, and
// where the pass stands, determine the cell.
func Derivable(c verdict.Cell) bool {
	switch c.Class() {
	case verdict.Unanswered: // after two tries: the first never left
		return c.Tries() <= 1
	case verdict.Silence:
		return true
	}
	return c == verdict.CellOf(verdict.LocalError, 0) // given up for lack of resources: asked when it is resumed
}

// Condense is the cell as a checkpoint holds it.
func Condense(c verdict.Cell) verdict.Cell {
	if Derivable(c) {
		return 0
	}
	return c
}

// SilentCell is the cell of an endpoint that was asked so often without an answer.
func SilentCell(tries int) verdict.Cell {
	if tries > 1 {
		return verdict.CellOf(verdict.Silence, tries)
	}
	return verdict.CellOf(verdict.Unanswered, tries)
}

// possible reports whether a scan can make that condensed cell of an endpoint of
// protocol p in so many passes.
func possible(c verdict.Cell, p probe.Proto, passes int) bool {
	if c == 0 {
		return true
	}
	switch k := c.Class(); {
	case Derivable(c), c.Tries() < 1, c.Tries() > passes:
		return false
	case p == probe.TCP:
		return k != verdict.UDPResponse
	default:
		return k != verdict.SynAck && k != verdict.Reset
	}
}
