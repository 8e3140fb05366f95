package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// file is a policy as it stands in its file.
type file struct {
	Version int         `json:"version,omitempty"`
	Check   []checkRule `json:"check,omitempty"`
	Probe   []probeRule `json:"probe,omitempty"`
	Scan    []scanRule  `json:"scan,omitempty"`
}

type checkRule struct {
	Name       scalar  `json:"name,omitempty"`
	Port       scalar  `json:"port"`
	Expect     texts   `json:"expect,omitempty"`
	Address    scalar  `json:"address,omitempty"`
	Process    scalar  `json:"process,omitempty"`
	User       scalar  `json:"user,omitempty"`
	Unit       scalar  `json:"unit,omitempty"`
	MaxBacklog *uint32 `json:"max-backlog,omitempty"`
}

type probeRule struct {
	Name            scalar `json:"name,omitempty"`
	Endpoint        scalar `json:"endpoint"`
	Expect          texts  `json:"expect,omitempty"`
	Service         scalar `json:"service,omitempty"`
	Product         scalar `json:"product,omitempty"`
	Version         scalar `json:"version,omitempty"`
	CertificateDays int    `json:"certificate-days,omitempty"`
	MaxRTT          scalar `json:"max-rtt,omitempty"`
}

type scanRule struct {
	Name    scalar      `json:"name,omitempty"`
	Targets texts       `json:"targets"`
	Exclude texts       `json:"exclude,omitempty"`
	Port    scalar      `json:"port,omitempty"`
	Expect  texts       `json:"expect,omitempty"`
	Count   texts       `json:"count,omitempty"`
	Except  []exception `json:"except,omitempty"`
}

type exception struct {
	Endpoint scalar `json:"endpoint"`
	Expect   texts  `json:"expect"`
}

// scalar is a text that may stand as a number.
type scalar string

func (s *scalar) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*s = scalar(text)
		return nil
	}
	var n json.Number
	err := json.Unmarshal(b, &n)
	*s = scalar(n)
	return err
}

// texts are a list that may stand as one text, with commas.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) != nil {
		return json.Unmarshal(b, (*[]string)(t))
	}
	for part := range strings.SplitSeq(one, ",") {
		*t = append(*t, strings.TrimSpace(part))
	}
	return nil
}

// MarshalYAML writes a text that nothing can be in doubt about plainly, and any
// other in double quotes with escapes.
func (s scalar) MarshalYAML() ([]byte, error) {
	if plain.MatchString(string(s)) && !slices.Contains([]string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}, strings.ToLower(string(s))) {
		return []byte(s), nil
	}
	return strconv.AppendQuoteToASCII(nil, strings.ToValidUTF8(string(s), "\ufffd")), nil
}

var plain = regexp.MustCompile(`^(?:[A-Za-z]|[0-9.]+/)[A-Za-z0-9._/-]*(?: [A-Za-z0-9._/-]+)*$`)

// MarshalYAML writes a list of one as that one.
func (t texts) MarshalYAML() (any, error) {
	if len(t) == 1 && !strings.Contains(t[0], ",") {
		return scalar(t[0]), nil
	}
	var all []scalar
	for _, s := range t {
		all = append(all, scalar(s))
	}
	return all, nil
}

// fault is what is wrong with one part of the file.
type fault struct {
	path []string // as in a JSON pointer
	err  error
}

func (f fault) Error() string { return f.err.Error() }

func wrong(err error, path ...any) error {
	if err == nil {
		return nil
	}
	f := fault{err: err}
	for _, p := range path {
		f.path = append(f.path, fmt.Sprint(p))
	}
	return f
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

var errEmpty = errors.New("the policy has no rules: say what must hold under check, probe or scan")

var errIncomplete = errors.New("not everything could be found out, so no policy was written")
