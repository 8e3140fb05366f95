//go:build ignore

// Picture turns what a program wrote to a terminal into a picture:
//
//	picture light|dark <output >picture.svg
package main

import (
	"fmt"
	"html"
	"io"
	"os"
	"regexp"
	"strings"
)

// Pixels of a character and around the text.
const (
	charWidth  = 8.4
	lineHeight = 19
	margin     = 16
	columns    = 80
)

// theme has the colours of a terminal: paper, ink, and those of SGR 31 to 36.
type theme struct {
	paper, ink, faint string
	colors            map[string]string
}

var themes = map[string]theme{
	"light": {"#fbfbf9", "#1d2024", "#5b6269", map[string]string{"31": "#b8352a", "32": "#176f30", "33": "#8a5a00",
		"35": "#7a4bb3", "36": "#0b6e7f"}},
	"dark": {"#14161a", "#e6e7e3", "#a3a9b0", map[string]string{"31": "#f0776a", "32": "#4cc26b", "33": "#d99a3d",
		"35": "#b692e6", "36": "#62c5d6"}},
}

var sgr = regexp.MustCompile(`\x1b\[([0-9;]*)m`)

func main() {
	t, ok := themes[strings.Join(os.Args[1:], " ")]
	text, err := io.ReadAll(os.Stdin)
	if !ok || err != nil {
		fmt.Fprintln(os.Stderr, "usage: picture light|dark <output >picture.svg")
		os.Exit(2)
	}
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(string(text), "\r", ""), "\n"), "\n")
	width, height := columns*charWidth+2*margin, len(lines)*lineHeight+2*margin
	fmt.Printf(`<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" viewBox="0 0 %.0f %d">
<rect width="100%%" height="100%%" rx="8" fill="%s"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" fill="%s">
`, width, height, width, height, t.paper, t.ink)
	style := ""
	for i, line := range lines {
		fmt.Printf(`<text x="%d" y="%d">`, margin, margin+(i+1)*lineHeight-5)
		at := 0
		for _, m := range append(sgr.FindAllStringSubmatchIndex(line, -1), []int{len(line), len(line), 0, 0}) {
			// Spaces that are not broken are not joined, either.
			if piece := strings.ReplaceAll(html.EscapeString(line[at:m[0]]), " ", "\u00a0"); piece != "" {
				fmt.Printf("<tspan%s>%s</tspan>", style, piece)
			}
			at = m[1]
			if m[1] > m[0] {
				style = t.style(style, line[m[2]:m[3]])
			}
		}
		fmt.Println("</text>")
	}
	fmt.Println("</g>\n</svg>")
}

// style is the attributes after a sequence of SGR parameters.
func (t theme) style(style, parameters string) string {
	for p := range strings.SplitSeq(parameters, ";") {
		switch {
		case p == "" || p == "0":
			style = ""
		case p == "1":
			style += ` font-weight="bold"`
		case p == "2":
			style += fmt.Sprintf(` fill="%s"`, t.faint)
		case p == "22":
			style = strings.ReplaceAll(style, ` font-weight="bold"`, "")
			style = strings.ReplaceAll(style, fmt.Sprintf(` fill="%s"`, t.faint), "")
		case t.colors[p] != "":
			style += fmt.Sprintf(` fill="%s"`, t.colors[p])
		}
	}
	return style
}
