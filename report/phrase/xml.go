package phrase

import (
	"encoding/xml"
	"strings"
)

const XmlHeader = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// XmlText is s as character data. What XML 1.0 cannot carry at all, control
// characters first among it, is visible instead.
func XmlText(s string) string {
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		lines = append(lines, Visible(line))
	}
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(strings.Join(lines, "\n"))) // a Builder takes everything
	return strings.ReplaceAll(b.String(), "&#xA;", "\n")
}

// XmlAttr is s as an attribute's value, with its quotes.
func XmlAttr(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	_ = xml.EscapeText(&b, []byte(Visible(s)))
	b.WriteByte('"')
	return b.String()
}
