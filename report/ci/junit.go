package ci

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
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
	kept keptCases
}

func NewJUnit(w io.Writer, _ record.Options) record.Handler {
	j := &junit{w: w}
	j.write = j.add
	return j
}

// Start keeps the command and the time.
func (j *junit) Start(s record.Start) error {
	j.began = s
	j.start(s)
	return nil
}

// add takes a case. Names are unique: a violation of what was written before is
// put there, and a second finding of the same name gets a number.
func (j *junit) add(c testCase) error {
	old, err := j.kept.find(c.name)
	if err != nil {
		return err
	}
	if old >= 0 {
		if c.text == "" && c.unsure == "" {
			j.kept.violate(old, c.violations)
			return nil
		}
		name := c.name
		for n := 2; old >= 0; n++ {
			c.name = fmt.Sprintf("%s (%d)", name, n)
			if old, err = j.kept.find(c.name); err != nil {
				return err
			}
		}
	}
	j.kept.add(c)
	return nil
}

// End writes the suite.
func (j *junit) End(e record.End) error {
	defer j.kept.text.Close()
	if err := j.end(e); err != nil {
		return err
	}
	failures, errors, skipped := j.kept.problems()
	class := "onmux." + j.began.Command
	suite := junitSuite{
		Name: class, Tests: len(j.kept.all), Failures: failures, Errors: errors, Skipped: skipped,
		Time: junitSeconds(e.Summary.Duration), Timestamp: j.began.Started.UTC().Format("2006-01-02T15:04:05"),
		Cases: junitCases{class, &j.kept}, Out: visibleLines(strings.Join(e.Coverage, "\n")),
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

// junitSeconds is a time as junit-10.xsd allows it: with at most three decimals.
func junitSeconds(d probe.Millis) string {
	return strconv.FormatFloat(time.Duration(d).Seconds(), 'f', 3, 64)
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
	Skipped *junitSkipped `xml:"skipped"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

// junitCases makes an element of one case at a time.
type junitCases struct {
	class string
	kept  *keptCases
}

func (l junitCases) MarshalXML(x *xml.Encoder, start xml.StartElement) error {
	for i := range l.kept.all {
		c, err := l.kept.element(i)
		if err != nil {
			return err
		}
		c.Class = l.class
		if err := x.EncodeElement(c, start); err != nil {
			return err
		}
	}
	return nil
}

// visibleLines makes the lines of a text visible, but not their ends.
func visibleLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = phrase.Visible(line)
	}
	return strings.Join(lines, "\n")
}
