package ci

import (
	"fmt"
	"io"
	"strings"

	"onmux/report/phrase"
	"onmux/report/record"
)

// junit writes the XML that JUnit's Ant task made a habit of, in the shape that
// both GitLab and the schema of Jenkins' xUnit plugin (junit-10.xsd) take: one
// suite, a test case for everything that was looked at. The counts stand
// before the cases, so they wait for the end.
type junit struct {
	w     io.Writer
	began record.Start
	cases
	all    []*testCase
	byName map[string]*testCase
}

func NewJUnit(w io.Writer, _ record.Options) record.Handler {
	j := &junit{w: w, byName: make(map[string]*testCase)}
	j.write = j.add
	return j
}

// Start keeps the command and the time.
func (j *junit) Start(s record.Start) error {
	j.began = s
	j.start(s)
	j.joins = true
	return nil
}

// add takes a case. Names are unique: a violation of what was written before is
// put there, and a second finding of the same name gets a number.
func (j *junit) add(c testCase) error {
	if old := j.byName[c.name]; old != nil {
		if c.text == "" && c.unsure == "" {
			if old.fails {
				old.fails, old.violations = false, nil
			}
			old.violations = append(old.violations, c.violations...)
			return nil
		}
		name := c.name
		for n := 2; j.byName[c.name] != nil; n++ {
			c.name = fmt.Sprintf("%s (%d)", name, n)
		}
	}
	j.all = append(j.all, &c)
	j.byName[c.name] = &c
	return nil
}

// End writes the suite.
func (j *junit) End(e record.End) error {
	if err := j.end(e); err != nil {
		return err
	}
	var failures, errors int
	for _, c := range j.all {
		if len(c.violations) > 0 {
			failures++
		} else if c.unsure != "" {
			errors++
		}
	}
	class := "onmux." + j.began.Command
	var b strings.Builder
	b.WriteString(phrase.XmlHeader)
	fmt.Fprintf(&b, "<testsuites>\n<testsuite name=%s tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"0\" time=\"%s\" timestamp=\"%s\">\n",
		phrase.XmlAttr(class), len(j.all), failures, errors, phrase.Seconds(e.Summary.Duration), j.began.Started.UTC().Format("2006-01-02T15:04:05"))
	for _, c := range j.all {
		writeCase(&b, class, c)
		if b.Len() > 64<<10 {
			if _, err := io.WriteString(j.w, b.String()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	fmt.Fprintf(&b, "<system-out>%s</system-out>\n</testsuite>\n</testsuites>\n", phrase.XmlText(strings.Join(e.Coverage, "\n")))
	_, err := io.WriteString(j.w, b.String())
	return err
}

func writeCase(b *strings.Builder, class string, c *testCase) {
	fmt.Fprintf(b, "<testcase classname=%s name=%s", phrase.XmlAttr(class), phrase.XmlAttr(c.name))
	if c.text == "" && c.unsure == "" && len(c.violations) == 0 {
		b.WriteString("/>\n")
		return
	}
	b.WriteString(">")
	switch {
	case len(c.violations) > 0:
		v := c.violations[0]
		fmt.Fprintf(b, "\n<failure message=%s type=\"violation\">", phrase.XmlAttr(fmt.Sprintf("expected %s, found %s", v.Expected, v.Actual)))
		for _, v := range c.violations {
			b.WriteString(phrase.XmlText(phrase.Breach(v)) + "\n")
		}
		b.WriteString("</failure>")
	case c.unsure != "":
		fmt.Fprintf(b, "\n<error message=%s type=\"unknown\">%s</error>", phrase.XmlAttr(c.unsure), phrase.XmlText(c.unsure))
	}
	if c.text != "" {
		fmt.Fprintf(b, "\n<system-out>%s</system-out>\n", phrase.XmlText(c.text))
	}
	b.WriteString("</testcase>\n")
}
