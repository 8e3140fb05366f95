package verdict

// Unsent has which tries at silent endpoints never left this machine, by index: bit n for try n.
// It can take longer to find that out than a pass lasts, and longer for the first try than for
// the second, so that their answers come in any order.
type Unsent map[uint64]uint16

// Add adds a try at an endpoint whose cell is of Silence. It returns the cell without the silence
// that was none, and whether all tries never left. At most MaxDetails endpoints are remembered.
func (u Unsent) Add(i uint64, try int, c Cell) (_ Cell, all bool) {
	tries := u[i] | 1<<try
	last := uint16(1) << c.Tries()
	earlier := last - 2
	switch {
	case tries == earlier|last:
		delete(u, i)
		return CellOf(Unanswered, c.Tries()), true
	case tries == earlier:
		c = CellOf(Unanswered, c.Tries())
	}
	if len(u) < MaxDetails || u[i] != 0 {
		u[i] = tries
	}
	return c, false
}
