package scan

import (
	"strconv"
	"strings"
	"unicode"
)

// clip quotes what a user wrote so that it fits a line, whatever it holds.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}

// plain is a file's name, quoted only where a line could not hold it as it is.
func plain(name string) string {
	if name == "" || len(name) > 200 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return clip(name)
	}
	return name
}
