package phrase

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// NoBreak is a space at which a line is not broken. Nothing from outside has one:
// Visible shows it as what it is.
const NoBreak = "\u00a0"

// Columns is how wide a string is on a terminal.
func Columns(s string) int {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return text.StringWidthWithoutEscSequences(s)
		}
	}
	return len(s)
}

// Cut takes as much of a string as fits in a number of columns.
func Cut(s string, width int) (head, rest string) {
	for i, r := range s {
		if width -= text.RuneWidth(r); width < 0 {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// Clip shortens a string to a number of columns; its last is then an ellipsis.
func Clip(s string, width int) string {
	if width < 1 || Columns(s) <= width {
		return s
	}
	head, _ := Cut(s, width-Columns("…"))
	return strings.TrimRight(head, " ") + "…"
}

// Pad fills a string up to a number of columns.
func Pad(s string, width int) string { return s + Blanks(width-Columns(s)) }

// PadLeft does so from the left, as for numbers.
func PadLeft(s string, width int) string { return Blanks(width-Columns(s)) + s }

// Blanks are n spaces, or none where n is below 0.
func Blanks(n int) string {
	const some = "                                " // nearly always enough, and free
	if n <= len(some) {
		return some[:max(n, 0)]
	}
	return strings.Repeat(" ", n)
}
