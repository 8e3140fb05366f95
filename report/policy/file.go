package policy

import (
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"onmux/report/record"
)

const maxName = 200 // characters

// file is a policy as it is written in its file; schema.json describes it to editors.
type file struct {
	Version version         `yaml:"version,omitempty"`
	Check   list[checkRule] `yaml:"check,omitempty"`
	Probe   list[probeRule] `yaml:"probe,omitempty"`
	Scan    list[scanRule]  `yaml:"scan,omitempty"`

	node ast.Node // nil in a snapshot, here and below
}

type checkRule struct {
	Name       ruleName      `yaml:"name,omitempty"`
	Port       portSpec      `yaml:"port"`
	Expect     verdicts      `yaml:"expect,omitempty"`
	Address    text          `yaml:"address,omitempty"`
	Process    text          `yaml:"process,omitempty"`
	User       textOrInteger `yaml:"user,omitempty"`
	Unit       text          `yaml:"unit,omitempty"`
	MaxBacklog *connections  `yaml:"max-backlog,omitempty"`

	node ast.Node
}

type probeRule struct {
	Name            ruleName     `yaml:"name,omitempty"`
	Endpoint        text         `yaml:"endpoint"`
	Expect          states       `yaml:"expect,omitempty"`
	Service         text         `yaml:"service,omitempty"`
	Product         text         `yaml:"product,omitempty"`
	Version         textOrNumber `yaml:"version,omitempty"`
	CertificateDays days         `yaml:"certificate-days,omitempty"`
	MaxRTT          textOrNumber `yaml:"max-rtt,omitempty"` // a number has no unit, which the rule states

	node ast.Node
}

type scanRule struct {
	Name    ruleName        `yaml:"name,omitempty"`
	Targets texts           `yaml:"targets"`
	Exclude texts           `yaml:"exclude,omitempty"`
	Port    textOrInteger   `yaml:"port,omitempty"`
	Expect  states          `yaml:"expect,omitempty"`
	Count   texts           `yaml:"count,omitempty"`
	Except  list[exception] `yaml:"except,omitempty"`

	node ast.Node
}

type exception struct {
	Endpoint text   `yaml:"endpoint"`
	Expect   states `yaml:"expect"`
}

func (f *file) UnmarshalYAML(n ast.Node) error {
	type plain file
	f.node = n
	return object(n, (*plain)(f))
}

func (r *checkRule) UnmarshalYAML(n ast.Node) error {
	type plain checkRule
	r.node = n
	return object(n, (*plain)(r), "port")
}

func (r *probeRule) UnmarshalYAML(n ast.Node) error {
	type plain probeRule
	r.node = n
	return object(n, (*plain)(r), "endpoint")
}

func (r *scanRule) UnmarshalYAML(n ast.Node) error {
	type plain scanRule
	r.node = n
	return object(n, (*plain)(r), "targets", "expect or count")
}

func (x *exception) UnmarshalYAML(n ast.Node) error {
	type plain exception
	return object(n, (*plain)(x), "endpoint", "expect")
}

// list is a list of mappings.
type list[T any] []T

func (l *list[T]) UnmarshalYAML(n ast.Node) error {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		return wrongf(n, " is %s, not %s", kindOf(n), aList)
	}
	*l = make(list[T], len(s.Values))
	for i, entry := range s.Values {
		if err := any(&(*l)[i]).(yaml.NodeUnmarshaler).UnmarshalYAML(entry); err != nil {
			return err
		}
	}
	return nil
}

// Scalars keep the text as it is written. Texts are not empty, and names not long.
type (
	ruleName      string
	text          string
	portSpec      string
	textOrInteger string
	textOrNumber  string
)

func (t *ruleName) UnmarshalYAML(n ast.Node) error {
	s, err := nonEmpty(n, aText)
	if *t = ruleName(s); utf8.RuneCountInString(s) > maxName {
		err = wrongf(n, " has more than %d characters", maxName)
	}
	return err
}

func (t *text) UnmarshalYAML(n ast.Node) error {
	s, err := nonEmpty(n, aText)
	*t = text(s)
	return err
}

func (p *portSpec) UnmarshalYAML(n ast.Node) error {
	s, err := scalar(n, aText, anInteger)
	if kindOf(n) == anInteger { // -5 would be a range
		_, err = number(n, 1, math.MaxInt64)
	}
	*p = portSpec(s)
	return err
}

func (t *textOrInteger) UnmarshalYAML(n ast.Node) error {
	s, err := scalar(n, aText, anInteger)
	*t = textOrInteger(s)
	return err
}

func (t *textOrNumber) UnmarshalYAML(n ast.Node) error {
	s, err := scalar(n, aText, aNumber, anInteger)
	*t = textOrNumber(s)
	return err
}

func (t ruleName) MarshalYAML() ([]byte, error)      { return quoted(string(t)), nil }
func (t text) MarshalYAML() ([]byte, error)          { return quoted(string(t)), nil }
func (p portSpec) MarshalYAML() ([]byte, error)      { return quoted(string(p)), nil }
func (t textOrInteger) MarshalYAML() ([]byte, error) { return quoted(string(t)), nil }
func (t textOrNumber) MarshalYAML() ([]byte, error)  { return quoted(string(t)), nil }

// quoted leaves a text as it is if nothing else can be meant by it, and puts any other in
// double quotes, with escapes.
func quoted(s string) []byte {
	if plainText().MatchString(s) && !slices.Contains(notTexts, strings.ToLower(s)) {
		return []byte(s)
	}
	return strconv.AppendQuoteToASCII(nil, strings.ToValidUTF8(s, "\ufffd"))
}

var (
	plainText = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:[A-Za-z]|[0-9.]+/)[A-Za-z0-9._/-]*(?: [A-Za-z0-9._/-]+)*$`)
	})
	notTexts = []string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
)

// Lists of texts may be written as one text, with commas.
type (
	texts    []string
	states   []string
	verdicts []string
)

func (t *texts) UnmarshalYAML(n ast.Node) (err error) {
	*t, err = textList(n, nil)
	return err
}

func (s *states) UnmarshalYAML(n ast.Node) (err error) {
	*s, err = textList(n, record.Words("scan"))
	return err
}

func (v *verdicts) UnmarshalYAML(n ast.Node) (err error) {
	*v, err = textList(n, record.Words("check"))
	return err
}

func (t texts) MarshalYAML() (any, error)    { return shortest(t), nil }
func (s states) MarshalYAML() (any, error)   { return shortest(s), nil }
func (v verdicts) MarshalYAML() (any, error) { return shortest(v), nil }

// shortest writes a list of one as that one.
func shortest(list []string) any {
	if len(list) == 1 && !strings.Contains(list[0], ",") {
		return text(list[0])
	}
	var all []text
	for _, s := range list {
		all = append(all, text(s))
	}
	return all
}

// version is the version of the format of the file.
type version int

func (v *version) UnmarshalYAML(n ast.Node) error {
	i, err := number(n, 0, math.MaxInt32)
	if *v = version(i); err == nil && i != 1 {
		err = wrongf(n, " is %d: this onmux reads 1", i)
	}
	return err
}

// connections is the length of a queue.
type connections uint32

func (c *connections) UnmarshalYAML(n ast.Node) error {
	i, err := number(n, 0, math.MaxUint32)
	*c = connections(i)
	return err
}

type days int

func (d *days) UnmarshalYAML(n ast.Node) error {
	i, err := number(n, 0, 36_500)
	*d = days(i)
	return err
}

// Error is what is wrong with a policy file, and where. Line and Column count
// from 1.
type Error struct {
	File         string
	Line, Column int
	Err          error
}

func (e *Error) Error() string {
	return e.File + ":" + strconv.Itoa(e.Line) + ":" + strconv.Itoa(e.Column) + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

var (
	errEmpty      = errors.New("the policy has no rules: write what must hold under check, probe or scan")
	errIncomplete = errors.New("not everything could be found out, so no policy was written")
)
