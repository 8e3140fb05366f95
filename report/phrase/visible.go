package phrase

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible makes a string from outside harmless to print: control characters,
// escapes, marks that reorder or hide text (bidi, zero-width, tags), line and
// paragraph separators, private and unassigned characters and bytes that are no
// UTF-8 come out as \x1b, \u202e and the like. A backslash stays one, so that
// paths read well; the result is for people, not for parsing back.
func Visible(s string) string {
	clean := 0
	for clean < len(s) && ' ' <= s[clean] && s[clean] < 0x7f { // nearly always all of it
		clean++
	}
	for clean < len(s) {
		r, n := utf8.DecodeRuneInString(s[clean:])
		if Hidden(r, n) {
			break
		}
		clean += n
	}
	if clean == len(s) {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:clean])
	for i := clean; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case !Hidden(r, n):
			b.WriteString(s[i : i+n])
		case r == utf8.RuneError:
			b.WriteString(`\x`)
			b.WriteByte("0123456789abcdef"[s[i]>>4])
			b.WriteByte("0123456789abcdef"[s[i]&15])
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

// Hidden reports whether a rune, decoded from n bytes, does something other
// than show itself. Variation selectors and other combining marks show.
func Hidden(r rune, n int) bool {
	switch {
	case r < utf8.RuneSelf:
		return r < ' ' || r == 0x7f
	case r == utf8.RuneError && n == 1:
		return true
	}
	return !unicode.IsPrint(r)
}

// ASCII is a string for terminals that show nothing else: what has a usual spelling gets
// that, and the rest is written as its code points. NoBreak stays.
func ASCII(s string) string {
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	if ascii {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf, string(r) == NoBreak:
			b.WriteRune(r)
		case r == 'µ':
			b.WriteByte('u')
		case r == '…':
			b.WriteString("...")
		case r == '×':
			b.WriteByte('x')
		case r == '–':
			b.WriteByte('-')
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}
