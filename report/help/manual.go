package help

import (
	"fmt"
	"io"
	"strings"
)

// WriteManual writes a page in the macros of man(7).
func WriteManual(w io.Writer, p Program) error {
	m := &manual{}
	m.line(".TH ONMUX 1 \"\" \"onmux " + p.Version + "\" \"User Commands\"")
	m.section("NAME")
	m.text("onmux - " + p.Usage)
	m.section("SYNOPSIS")
	for i, c := range p.Commands {
		if i > 0 {
			m.line(".br")
		}
		m.line(".B onmux " + roff(c.Name))
		m.text("[FLAGS] " + c.Args)
	}
	m.section("DESCRIPTION")
	m.text("Flags may stand before or after arguments; -- ends them. Results go to standard output; " +
		"progress, notes and errors to standard error.")
	for _, c := range p.Commands {
		m.section("onmux " + c.Name)
		m.text(strings.ToUpper(c.Usage[:1]) + c.Usage[1:] + ".")
		if c.Description != "" {
			m.line(".PP")
			m.text(c.Description)
		}
		for _, f := range c.Flags {
			m.flag(f)
		}
		m.examples(c.Examples)
	}
	m.section("EXIT STATUS")
	for _, e := range p.ExitCodes {
		m.line(".TP")
		m.line(".B " + fmt.Sprint(e.Code))
		m.text(e.Meaning)
	}
	m.section("ENVIRONMENT")
	m.line(".TP")
	m.line(".B NO_COLOR, CLICOLOR_FORCE, TERM=dumb")
	m.text("decide about colours where --color is auto.")
	m.section("SEE ALSO")
	m.text("ss(8), lsof(8), nmap(1), services(5)")
	_, err := io.WriteString(w, m.String())
	return err
}

// manual is roff in the making.
type manual struct{ strings.Builder }

func (m *manual) line(s string)       { m.WriteString(s + "\n") }
func (m *manual) section(name string) { m.line(`.SH "` + roff(name) + `"`) }

// text writes a paragraph, or several between which a line is empty. No line of
// it is a request.
func (m *manual) text(s string) {
	for l := range strings.SplitSeq(s, "\n") {
		switch l = roff(l); {
		case l == "":
			m.line(".PP")
		case l[0] == '.' || l[0] == '\'':
			m.line(`\&` + l)
		default:
			m.line(l)
		}
	}
}

func (m *manual) flag(f Flag) {
	m.line(".TP")
	m.line(".B " + roff(strings.TrimSpace(f.Spelling())))
	m.text(f.Description())
}

func (m *manual) examples(s string) {
	if s == "" {
		return
	}
	m.line(".PP\nExamples:\n.PP\n.nf\n.RS 4")
	m.text(s)
	m.line(".RE\n.fi")
}

// roff escapes what the formatter would take for its own (groff_char(7)).
func roff(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
}
