package ci

import (
	"encoding/xml"
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
	suite := junitSuite{
		Name: class, Tests: len(j.all), Failures: failures, Errors: errors,
		Time: phrase.Seconds(e.Summary.Duration), Timestamp: j.began.Started.UTC().Format("2006-01-02T15:04:05"),
		Cases: junitCases{class, j.all}, Out: visibleLines(strings.Join(e.Coverage, "\n")),
	}
	if _, err := io.WriteString(j.w, xml.Header); err != nil {
		return err
	}
	x := xml.NewEncoder(j.w)
	x.Indent("", " ")
	if err := x.Encode(junitSuites{Suite: suite}); err != nil {
		return err
	}
	_, err := io.WriteString(j.w, "\n")
	return err
}

type junitSuites struct {
	XMLName xml.Name   `xml:"testsuites"`
	Suite   junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string     `xml:"name,attr"`
	Tests     int        `xml:"tests,attr"`
	Failures  int        `xml:"failures,attr"`
	Errors    int        `xml:"errors,attr"`
	Skipped   int        `xml:"skipped,attr"`
	Time      string     `xml:"time,attr"` // seconds
	Timestamp string     `xml:"timestamp,attr"`
	Cases     junitCases `xml:"testcase"`
	Out       string     `xml:"system-out"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// junitCases makes an element of one case at a time.
type junitCases struct {
	class string
	all   []*testCase
}

func (l junitCases) MarshalXML(x *xml.Encoder, start xml.StartElement) error {
	for _, c := range l.all {
		if err := x.EncodeElement(c.junit(l.class), start); err != nil {
			return err
		}
	}
	return nil
}

func (c *testCase) junit(class string) junitCase {
	out := junitCase{Class: class, Name: phrase.Visible(c.name), Out: visibleLines(c.text)}
	switch {
	case len(c.violations) > 0:
		v := c.violations[0]
		var text strings.Builder
		for _, v := range c.violations {
			text.WriteString(phrase.Breach(v) + "\n")
		}
		message := fmt.Sprintf("expected %s, found %s", v.Expected, v.Actual)
		out.Failure = &junitProblem{phrase.Visible(message), "violation", visibleLines(text.String())}
	case c.unsure != "":
		out.Error = &junitProblem{phrase.Visible(c.unsure), "unknown", visibleLines(c.unsure)}
	}
	return out
}

// visibleLines makes the lines of a text visible, but not their ends.
func visibleLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = phrase.Visible(line)
	}
	return strings.Join(lines, "\n")
}
