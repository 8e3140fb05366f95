package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
)

// junit writes the XML that JUnit's Ant task made a habit of, in the shape that
// both GitLab and the schema of Jenkins' xUnit plugin (junit-10.xsd) take: one
// suite, a test case for everything that was looked at. The counts stand
// before the cases, so they wait for the end.
type junit struct {
	w      io.Writer
	start  Start
	cases  cases
	all    []*testCase
	byName map[string]*testCase
}

func newJUnit(w io.Writer, _ Options) Handler {
	j := &junit{w: w, byName: make(map[string]*testCase)}
	j.cases.tell = j.add
	return j
}

func (j *junit) Start(s Start) error {
	j.start = s
	j.cases.start(s)
	j.cases.joins = true
	return nil
}

func (j *junit) Finding(f Finding) error { return j.cases.finding(f) }

// add takes a case. Names are unique: a violation of what was told before goes
// there, and a second finding of the same name gets a number.
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

func (j *junit) End(e End) error {
	if err := j.cases.end(e); err != nil {
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
	class := "onmux." + j.start.Command
	var b strings.Builder
	b.WriteString(xmlHeader)
	fmt.Fprintf(&b, "<testsuites>\n<testsuite name=%s tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"0\" time=\"%s\" timestamp=\"%s\">\n",
		xmlAttr(class), len(j.all), failures, errors, seconds(e.Summary.Duration), j.start.Started.UTC().Format("2006-01-02T15:04:05"))
	for _, c := range j.all {
		writeCase(&b, class, c)
		if b.Len() > 64<<10 {
			if _, err := io.WriteString(j.w, b.String()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	fmt.Fprintf(&b, "<system-out>%s</system-out>\n</testsuite>\n</testsuites>\n", xmlText(strings.Join(e.Coverage, "\n")))
	_, err := io.WriteString(j.w, b.String())
	return err
}

func writeCase(b *strings.Builder, class string, c *testCase) {
	fmt.Fprintf(b, "<testcase classname=%s name=%s", xmlAttr(class), xmlAttr(c.name))
	if c.text == "" && c.unsure == "" && len(c.violations) == 0 {
		b.WriteString("/>\n")
		return
	}
	b.WriteString(">")
	switch {
	case len(c.violations) > 0:
		v := c.violations[0]
		fmt.Fprintf(b, "\n<failure message=%s type=\"violation\">", xmlAttr(fmt.Sprintf("expected %s, found %s", v.Expected, v.Actual)))
		for _, v := range c.violations {
			b.WriteString(xmlText(v.breach()) + "\n")
		}
		b.WriteString("</failure>")
	case c.unsure != "":
		fmt.Fprintf(b, "\n<error message=%s type=\"unknown\">%s</error>", xmlAttr(c.unsure), xmlText(c.unsure))
	}
	if c.text != "" {
		fmt.Fprintf(b, "\n<system-out>%s</system-out>\n", xmlText(c.text))
	}
	b.WriteString("</testcase>\n")
}

func seconds(m probe.Millis) string {
	return strconv.FormatFloat(time.Duration(m).Round(time.Microsecond).Seconds(), 'f', -1, 64)
}
