package help

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Pages are the names of all manual pages: that of onmux, one for each command, one for each
// topic.
func Pages(p Program) []string {
	names := []string{"onmux"}
	for _, c := range p.Commands {
		names = append(names, c.Name)
	}
	for _, t := range Topics() {
		names = append(names, t.Name)
	}
	return names
}

// PageFile is the name of the file of a page, as man(1) looks for it: "onmux-check.1".
func PageFile(page string) string {
	switch _, topic := TopicOf(page); {
	case page == "onmux":
		return "onmux.1"
	case topic:
		return "onmux-" + page + ".7"
	}
	return "onmux-" + page + ".1"
}

// WriteManual writes one of Pages in the macros of man(7).
func WriteManual(w io.Writer, p Program, page string) error {
	m := &manual{}
	if t, ok := TopicOf(page); ok {
		m.topicPage(p, t)
	} else if i := slices.IndexFunc(p.Commands, func(c Command) bool { return c.Name == page }); i >= 0 {
		m.commandPage(p, p.Commands[i])
	} else if page == "onmux" {
		m.mainPage(p)
	} else {
		return fmt.Errorf("%q is not a page: %s", page, strings.Join(Pages(p), ", "))
	}
	_, err := io.WriteString(w, m.tidy())
	return err
}

// WritePages writes all pages to the folders of a MANPATH.
func WritePages(dir string, p Program) error {
	for _, name := range Pages(p) {
		var page bytes.Buffer
		if err := WriteManual(&page, p, name); err != nil {
			return err
		}
		file := PageFile(name)
		section := filepath.Join(dir, "man"+strings.TrimPrefix(filepath.Ext(file), "."))
		if err := os.MkdirAll(section, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(section, file), page.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (m *manual) mainPage(p Program) {
	m.title(p, "ONMUX", 1)
	m.section("NAME")
	m.text("onmux - " + p.Usage)
	m.section("SYNOPSIS")
	for i, c := range p.Commands {
		if i > 0 {
			m.line(".br")
		}
		m.synopsis(c)
	}
	m.section("DESCRIPTION")
	m.text("Flags may stand before or after arguments; -- ends them. Results go to standard output; " +
		"progress, notes and errors to standard error.")
	for _, c := range p.Commands {
		m.section("onmux " + c.Name)
		m.command(c)
	}
	m.section("TOPICS")
	for _, t := range Topics() {
		m.line(".TP")
		m.line(".BR onmux\\-" + roff(t.Name) + " (7)")
		m.text(t.Title)
	}
	m.exitStatus(p)
	m.section("ENVIRONMENT")
	m.line(".TP")
	m.line(".B NO_COLOR, CLICOLOR_FORCE, TERM=dumb")
	m.text("decide about colours where --color is auto.")
	m.line(".TP")
	m.line(".B LC_ALL, LC_CTYPE, LANG")
	m.text("where the first that is set is C or POSIX, text is ASCII alone.")
	m.section("SEE ALSO")
	m.text("ss(8), lsof(8), nmap(1), services(5)")
}

func (m *manual) commandPage(p Program, c Command) {
	m.title(p, "ONMUX-"+strings.ToUpper(c.Name), 1)
	m.section("NAME")
	m.text("onmux-" + c.Name + " - " + c.Usage)
	m.section("SYNOPSIS")
	m.synopsis(c)
	m.section("DESCRIPTION")
	m.command(c)
	m.exitStatus(p)
	m.section("SEE ALSO")
	m.line(".BR onmux (1),")
	m.line(".BR onmux\\-exit\\-codes (7)")
}

func (m *manual) topicPage(p Program, t Topic) {
	m.title(p, "ONMUX-"+strings.ToUpper(t.Name), 7)
	m.section("NAME")
	m.text("onmux-" + t.Name + " - " + t.Title)
	m.section("DESCRIPTION")
	m.blocks(blocks(t.text))
	m.section("SEE ALSO")
	m.line(".BR onmux (1)")
}

// tidy is the page without breaks of paragraphs behind headings and before others, which
// mean nothing.
func (m *manual) tidy() string {
	var out []string
	breaks := func(line string, macros ...string) bool {
		name, _, _ := strings.Cut(line, " ")
		return slices.Contains(macros, name)
	}
	for line := range strings.Lines(m.String()) {
		line = strings.TrimSuffix(line, "\n")
		if n := len(out); n > 0 {
			if line == ".PP" && breaks(out[n-1], ".SH", ".SS", ".PP") {
				continue
			}
			if out[n-1] == ".PP" && breaks(line, ".TP", ".IP", ".SH", ".SS") {
				out = out[:n-1]
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n") + "\n"
}

// manual is roff in the making.
type manual struct{ strings.Builder }

func (m *manual) line(s string)       { m.WriteString(s + "\n") }
func (m *manual) section(name string) { m.line(`.SH "` + roff(name) + `"`) }

func (m *manual) title(p Program, name string, section int) {
	m.line(fmt.Sprintf(".TH %s %d %q %q", roff(name), section, p.Date, "onmux "+p.Version))
}

func (m *manual) synopsis(c Command) {
	m.line(".B onmux " + roff(c.Name))
	m.text(strings.TrimSpace("[FLAGS] " + c.Args))
}

// command writes what a command does, its flags and its examples.
func (m *manual) command(c Command) {
	m.text(strings.ToUpper(c.Usage[:1]) + c.Usage[1:] + ".")
	if c.Description != "" {
		m.line(".PP")
		m.text(c.Description)
	}
	for _, f := range c.Flags {
		m.line(".TP")
		m.line(".B " + roff(strings.TrimSpace(f.Spelling())))
		m.text(f.Description())
	}
	if c.Examples != "" {
		m.line(".PP\nExamples:")
		m.code(c.Examples)
	}
}

func (m *manual) exitStatus(p Program) {
	m.section("EXIT STATUS")
	for _, e := range p.ExitCodes {
		m.line(".TP")
		m.line(".B " + fmt.Sprint(e.Code))
		m.text(e.Meaning)
	}
}

// blocks writes the blocks of a topic.
func (m *manual) blocks(all []block) {
	var head []string // of the table
	for i, k := range all {
		switch k.kind {
		case paragraph:
			if i > 0 && all[i-1].kind != heading {
				m.line(".PP")
			}
			m.text(k.text)
		case heading:
			m.line(`.SS "` + roff(k.text) + `"`)
		case item:
			m.line(".IP \\(bu 2")
			m.text(k.text)
		case code:
			m.code(k.text)
		case tableRow:
			if k.first {
				head = k.cells
				continue
			}
			m.line(".TP")
			m.line(".B " + roff(k.cells[0]))
			for n, cell := range k.cells[1:] {
				if cell == "" {
					continue
				}
				if n > 0 {
					m.line(".br")
				}
				if len(k.cells) > 2 && n+1 < len(head) {
					cell = head[n+1] + ": " + cell
				}
				m.text(cell)
			}
		}
	}
}

// code writes lines as they are.
func (m *manual) code(s string) {
	m.line(".PP\n.nf\n.RS 4")
	for l := range strings.SplitSeq(s, "\n") {
		if l == "" {
			m.line(`\&`)
			continue
		}
		m.text(l)
	}
	m.line(".RE\n.fi")
}

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

// roff escapes what the formatter would take for its own, and what is not ASCII
// (groff_char(7)).
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		}
	}
	return b.String()
}
