package phrase

import (
	"fmt"
	"unicode/utf8"
)

// EscapeJSON writes hidden characters as \u escapes, which changes how a
// document looks and not what it means: outside of strings JSON has none of
// them. So does it with U+FFFD, as encoding/json does where it stands for bytes
// that are no UTF-8; a replayed report is then the same bytes again.
func EscapeJSON(b []byte) []byte {
	escaped := func(r rune, n int) bool { return r == utf8.RuneError || Hidden(r, n) }
	var out []byte
	from := 0
	for i := 0; i < len(b); {
		if c := b[i]; ' ' <= c && c < 0x7f { // nearly every byte
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if escaped(r, n) {
			out = append(out, b[from:i]...)
			out = appendEscape(out, r)
			from = i + n
		}
		i += n
	}
	if from == 0 {
		return b
	}
	return append(out, b[from:]...)
}

func appendEscape(b []byte, r rune) []byte {
	if r > 0xffff { // a surrogate pair, RFC 8259, section 7
		r -= 0x10000
		return fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	}
	return fmt.Appendf(b, `\u%04x`, r)
}
