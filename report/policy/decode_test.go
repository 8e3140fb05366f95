package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"onmux/probe"
	. "onmux/report/policy"
	"onmux/report/record"
)

// TestErrors: errors are one line, with the position.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "1:1: the policy has no rules: write what must hold under check, probe or scan"},
		{"version: 1", "1:1: the policy has no rules: write what must hold under check, probe or scan"},
		{"check: []", "1:1: the policy has no rules: write what must hold under check, probe or scan"},
		{"version: 2", "1:10: version is 2: this onmux reads 1"},
		{"check: 5", "1:8: check is a whole number, not a list"},
		{"check:\n  - port: [1]", "2:11: check rule 1, port is a list, not a text or a whole number"},
		{"chek: []", `1:1: the policy has no "chek"; did you mean check?`},
		{"check:\n  - port: 417\n    proces: x", `3:5: check rule 1 has no "proces"; did you mean process?`},
		{"check:\n  - name: x", "2:5: check rule 1 needs port"},
		{
			"check:\n  - port: 417\n    expect: [free, fre]",
			"3:20: check rule 1, expect, entry 2: fre is not among listening, bound, redirected, elsewhere, connected, " +
				"free, unknown; did you mean free?",
		},
		{
			"check:\n  - port: 417\n    expect: fre",
			`3:13: check rule 1: "fre" is not among the words: listening, bound, redirected, elsewhere, connected, free, ` +
				`unknown; did you mean free?`,
		},
		{"check:\n  - port: 70000", "2:11: check rule 1: port 70000 is out of range: ports are 1 to 65535"},
		{
			"check:\n  - port: 1\n    address: here",
			`3:14: check rule 1: "here" is not an address to expect: loopback, any, inside, outside or an IP address`,
		},
		{"check:\n  - port: 1\n  - port: 1", `3:5: two rules are named "check 1": rename one`},
		{
			"check:\n  - {name: a, port: 1}\nprobe:\n  - {name: a, endpoint: 'b:1'}",
			`4:12: two rules are named "a": rename one`,
		},
		{"check:\n  - port: 1\n    port: 2", `3:5: mapping key "port" already defined at [2:5]`},
		{"check:\n  - port: 417\n    process: 7", "3:14: check rule 1, process is a whole number, not a text"},
		{"check:\n  - port: 417\n    user:", "3:5: check rule 1, user is empty"},
		{"check:\n  - port: 417\n  -", "3:5: check rule 2 is empty, not a mapping"},
		{"check:\n  - port: 417\n    unit: \"\"", "3:11: check rule 1, unit is empty"},
		{
			"check:\n  - port: 417\n    name: " + strings.Repeat("é", 201),
			"3:11: check rule 1, name has more than 200 characters",
		},
		{"check:\n  - port: 417\n    expect: []", "3:13: check rule 1, expect is an empty list"},
		{"check:\n  - port: 417\n    expect: [free, [free]]", "3:20: check rule 1, expect, entry 2 is a list, not a text"},
		{"check: [{prot: 1, exect: free}]", `1:10: check rule 1 has no "prot"; did you mean port?`},
		{
			"check:\n  - port: 1\n    max-backlog: 4294967296",
			"3:18: check rule 1, max-backlog: 4294967296 is more than 4294967295",
		},
		{"check:\n  - port: 1\n    max-backlog: 1.5", "3:18: check rule 1, max-backlog is a number, not a whole number"},
		{"check:\n  - port: true", "2:11: check rule 1, port is true or false, not a text or a whole number"},
		{
			"scan:\n  - targets: a\n    expect: open\n    except: [{endpoint: 10.0.0.1}]",
			"4:14: scan rule 1, except, entry 1 needs expect",
		},
		{
			"scan:\n  - targets: a\n    expect: open\n    except: {endpoint: 10.0.0.1, expect: open}",
			"4:13: scan rule 1, except is a mapping, not a list",
		},
		{"check:\n  - port: -5", "2:11: check rule 1, port: -5 is less than 1"},
		{"check:\n  - port: 1\n---\ncheck:\n  - port: 2", "4:1: a policy is one document: remove what follows ---"},
		{"probe:\n  - endpoint: ':80'", `2:15: probe rule 1: ":80" has no host before its port`},
		{
			"probe:\n  - endpoint: 10.0.0.0/24:80",
			`2:15: probe rule 1: "10.0.0.0/24" is not one host: networks belong under scan`,
		},
		{
			"scan:\n  - targets: 10.0.0.0/33\n    count: open=0",
			`2:14: scan rule 1: "10.0.0.0/33" is not a network: the prefix length of IPv4 is 0 to 32`,
		},
		{
			"scan:\n  - targets: [db1, 10.0.0.0/x]\n    count: open=0",
			`2:20: scan rule 1: "10.0.0.0/x" is not a network: "x" is not a prefix length, 0 to 32`,
		},
		{
			"scan:\n  - targets: 10.0.0.1\n    exclude: 10.0.0.0/8\n    count: open=0",
			"2:14: scan rule 1: no targets: everything named is excluded",
		},
		{
			"scan:\n  - targets: 10.0.0.1\n    exclude: [db1, '10.0.0.1-']\n    count: open=0",
			`3:20: scan rule 1: "10.0.0.1-" is not a target: "" is not a number from 0 to 255`,
		},
		{"probe:\n  - endpoint: db1", `2:15: probe rule 1: "db1" has no port`},
		{"probe:\n  - endpoint: a:80\n    max-rtt: soon", `3:14: probe rule 1: "soon" is not a duration: write 50ms or 1.5s`},
		{"probe:\n  - endpoint: a:80\n    certificate-days: -1", "3:23: probe rule 1, certificate-days: -1 is less than 0"},
		{"scan:\n  - expect: open", "2:5: scan rule 1 needs targets"},
		{"scan:\n  - targets: 127.0.0.1", "2:5: scan rule 1 needs expect or count"},
		{
			"scan:\n  - targets: 127.0.0.1\n    count: open",
			`3:12: scan rule 1: "open" is not a count: write open=0, open>=1 or open<3`,
		},
		{
			"scan:\n  - targets: a\n    expect: open\n    except: [{endpoint: a, expect: open}]",
			`4:25: scan rule 1: "a" is not an address`,
		},
		{
			"scan:\n  - targets: 10.0.0.0/30\n    expect: closed\n    except:\n      - endpoint: 10.0.0.4\n" +
				"        expect: open",
			"5:19: scan rule 1: 10.0.0.4 cannot be an exception: it is not among the targets",
		},
		{
			"scan:\n  - targets: 10.0.0.0/30\n    expect: closed\n    except:\n      - endpoint: 10.0.0.1:22\n" +
				"        expect: open",
			"5:19: scan rule 1: 10.0.0.1:22 cannot be an exception: it is not among the targets",
		},
		{
			"scan:\n  - targets: 10.0.0.0/30\n    expect: closed\n" +
				"    except: [{endpoint: 10.0.0.1, expect: open}, {endpoint: '::ffff:10.0.0.1', expect: open}]",
			"4:61: scan rule 1: two exceptions are for ::ffff:10.0.0.1",
		},
		{
			"scan:\n  - targets: 10.0.0.0/30\n    expect: closed\n    except: [{endpoint: 10.0.0.1, expect: opn}]",
			`4:43: scan rule 1: "opn" is not among the words: open, closed, filtered, open|filtered, unreachable, ` +
				`unknown; did you mean open?`,
		},
		{"scan:\n  - {targets: 10.0.0.0/30}", "2:5: scan rule 1 needs expect or count"},
		{"scan: [", "1:7: sequence end token ']' not found"},
		{"scan: &a\n  - *a", "2:5: the anchor a is inside of itself"},
		{strings.Repeat("#", 2<<20), "a policy has at most 1048576 bytes"},
	} {
		_, err := Parse("policy", []byte(c.text), noon)
		if err == nil {
			t.Errorf("%.60q: no error", c.text)
			continue
		}
		got := strings.TrimLeft(strings.TrimPrefix(err.Error(), "policy:"), " ")
		if got != c.want {
			t.Errorf("%.60q:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// schema is the JSON Schema of policies, for editors.
func schema(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// library validates policies by the schema.
func library(t testing.TB) func(string) error {
	t.Helper()
	var doc any
	if err := json.Unmarshal(schema(t), &doc); err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("x", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("x")
	if err != nil {
		t.Fatal(err)
	}
	return func(text string) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
}

// FuzzSchema: what the schema takes the types of a policy take, and a policy is what the schema
// describes.
func FuzzSchema(f *testing.F) {
	for _, s := range []string{
		`{"version":1}`, `{"version":1.0}`, `{"version":2}`, `{"check":[{"port":1}]}`, `{"check":[{"port":1.5}]}`,
		`{"check":[{"port":"","max-backlog":-1}]}`, `{"check":[{"port":1,"expect":[]}]}`,
		`{"check":[{"port":1,"expect":["x"]}]}`, `{"check":[{"port":1,"expect":""}]}`,
		`{"check":[{"port":1,"max-backlog":4294967296}]}`, `{"check":[{"port":1,"max-backlog":4294967295}]}`,
		`{"check":[{"port":true,"name":""}]}`, `{"check":[{"port":0}]}`, `{"check":[{"port":-1}]}`, `{"check":{}}`,
		`{"check":[null]}`, `{"check":null}`, `{"check":[[]]}`, `{"check":[{}]}`, `{"check":[{"port":{"a":1}}]}`,
		`{"check":[{"port":1,"user":0}]}`, `{"check":[{"port":1,"user":""}]}`, `{"check":[{"port":1,"process":7}]}`,
		`{"check":[{"port":1,"address":null}]}`, `{"check":[{"port":1,"unit":""}]}`,
		`{"check":[{"port":1,"name":"` + strings.Repeat("é", 200) + `"}]}`,
		`{"check":[{"port":1,"name":"` + strings.Repeat("é", 201) + `"}]}`,
		`{"probe":[{"endpoint":"a","version":1000.0,"certificate-days":10.0}]}`, `{"probe":[{"endpoint":null}]}`,
		`{"probe":[{"endpoint":"a","version":true}]}`, `{"probe":[{"endpoint":"a","certificate-days":36501}]}`,
		`{"probe":[{"endpoint":"a","certificate-days":1.5}]}`, `{"probe":[{"endpoint":"a","max-rtt":5}]}`,
		`{"scan":[{"targets":["a"]}]}`, `{"scan":[{"targets":["a",""],"count":"x"}]}`, `{"scan":[{"count":"x"}]}`,
		`{"scan":[{"targets":["a",5],"count":"x"}]}`, `{"scan":[{"targets":["a"],"count":["x"],"exclude":[]}]}`,
		`{"scan":[{"targets":"a","expect":["open"],"except":[{"endpoint":"a","expect":"open","x":1}]}]}`,
		`{"scan":[{"targets":"a","expect":["open"],"except":[{"endpoint":"a"}]}]}`,
		`{"scan":[{"targets":"a","expect":["open","listening"]}]}`, `[]`, `5`, `null`, `{"x":1}`, `{"Check":[]}`,
	} {
		f.Add(s)
	}
	valid := library(f)
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) || exponent.MatchString(text) {
			return
		}
		yaml, ours := Decode(text)
		theirs := valid(text)
		if yaml && theirs == nil && ours != nil {
			t.Errorf("%s: %v; the schema takes it", text, ours)
		}
		// The schema also has words, ranges and units, which rules are held against.
		if _, err := Parse("p", []byte(text), noon); err == nil && theirs != nil {
			t.Errorf("%s is a policy; the schema has %v", text, theirs)
		}
	})
}

// exponent begins one, without which numbers are the same in JSON and YAML.
var exponent = regexp.MustCompile(`[0-9][eE]`)

func FuzzParse(f *testing.F) {
	f.Add("check:\n  - port: 417\n    expect: [free]\nprobe:\n  - {endpoint: a:80, max-rtt: 1s}\n" +
		"scan:\n  - targets: [a]\n    count: open=0\n    except: [{endpoint: 10.0.0.1, expect: open}]")
	f.Add("{\"version\": 1, \"check\": [{\"port\": 1}]}")
	f.Add("a: &a [*a, *a]")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse("policy", []byte(text), noon)
		var at *Error
		if errors.As(err, &at) && (at.Line < 1 || at.Column < 0 || strings.Contains(at.Err.Error(), "\n")) {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && len(p.Rules) == 0 {
			t.Errorf("%q: no rules", text)
		}
	})
}

// TestReadingIsBounded: a byte order mark is skipped, and what nests without end is refused
// before the parser reads it.
func TestReadingIsBounded(t *testing.T) {
	p, err := Parse("p", []byte("\ufeffcheck: [{port: 80/tcp, expect: free}]"), noon)
	if err != nil || len(p.Rules) != 1 {
		t.Errorf("a byte order mark: %v", err)
	}
	var indented strings.Builder
	for i := range 300 {
		indented.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for _, text := range []string{
		strings.Repeat("[", 100_000), strings.Repeat("{a: ", 50_000), strings.Repeat("- ", 300_000),
		strings.Repeat("? ", 300_000), indented.String(),
	} {
		if _, err := Parse("p", []byte(text), noon); err == nil || !strings.Contains(err.Error(), "nests") {
			t.Errorf("%.8q…: %v", text, err)
		}
	}
}

// TestScalars: values are taken as they are written.
func TestScalars(t *testing.T) {
	p := parse(t, `
check: [{port: 0x1bb, name: !!str 7}]
probe: [{endpoint: "a:80", service: x, version: 1.20}]
`)
	rule, _ := verify(t, Policy{p.Rules[1:]}, found{end: whole, findings: []record.Finding{probe.Result{
		State: probe.Open, Details: probe.Details{Service: &probe.Service{Name: "x", Version: "1.20"}},
	}}})
	if fmt.Sprint(p.Rules[0].Check.Ports) != "[443/tcp]" || p.Rules[0].Name != "7" || rule.Outcome != record.Holds {
		t.Errorf("%v %s, %+v", p.Rules[0].Check.Ports, p.Rules[0].Name, rule)
	}
}

// TestSchema: the schema is valid, and has the fields of the types and no others.
func TestSchema(t *testing.T) {
	library(t)
	var doc map[string]any
	if err := json.Unmarshal(schema(t), &doc); err != nil {
		t.Fatal(err)
	}
	for section, fields := range Fields() {
		item := doc["properties"].(map[string]any)[section].(map[string]any)["items"].(map[string]any)
		var got []string
		for k := range item["properties"].(map[string]any) {
			got = append(got, k)
		}
		slices.Sort(got)
		slices.Sort(fields)
		if !reflect.DeepEqual(got, fields) {
			t.Errorf("%s: the schema has %v, the struct %v", section, got, fields)
		}
	}
}

// TestAnchors: anchors, aliases, merge keys and keys that begin with x- may be used, and make
// no file of any size.
func TestAnchors(t *testing.T) {
	p, err := Parse("p", []byte(`x-both: &both
  expect: [closed, filtered]
  port: 22/tcp
scan:
  - &first
    <<: *both
    name: first
    targets: &nets [192.0.2.0/28, 192.0.2.64/28]
  - <<: [*first]
    x-why: because
    name: second
    targets: *nets
    port: 23/tcp
`), noon)
	if err != nil || len(p.Rules) != 2 || p.Rules[0].Scan.Ports[0].Number != 22 || p.Rules[1].Scan.Ports[0].Number != 23 ||
		len(p.Rules[1].Scan.Targets) != 2 {
		t.Errorf("%v %+v", err, p)
	}
	bomb := "x-0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
	for i := 1; i < 20; i++ {
		bomb += fmt.Sprintf(
			"x-%d: &a%d [%s]\n",
			i,
			i,
			strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "),
		)
	}
	if _, err := Parse("p", []byte(bomb), noon); err == nil || !strings.Contains(err.Error(), "more than 65536 values") {
		t.Errorf("a file of any size: %v", err)
	}
	for text, want := range map[string]string{
		"check: [*a]": "1:9: no anchor before this is named a", "check:\n  - <<: 5\n    port: 1": "2:5: a merge key takes",
		"probe:\n  - host: a\n":                        `probe rule 1 has no "host"; did you mean endpoint?`,
		"probe: [{endpoint: 'a:1', max-rtt: 50}]":      `"50" has no unit: write 50ms or 50s`,
		`probe: [{endpoint: "a:1", max-rtt: "1.5"}]`:   `"1.5" has no unit`,
		`probe: [{endpoint: "a:1", max-rtt: "fast"}]`:  `"fast" is not a duration`,
		"scan: [{target: 10.0.0.0/30, count: open=0}]": "did you mean targets?",
		"check: [{port: 80, addr: loopback}]":          "did you mean address?",
	} {
		if _, err := Parse("p", []byte(text), noon); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestSchemaOfWords: editors refuse words and ports that there are not.
func TestSchemaOfWords(t *testing.T) {
	valid := library(t)
	for text, want := range map[string]bool{
		`{"check":[{"port":80,"expect":"FREE"}]}`: false, `{"check":[{"port":80,"expect":"free, listening"}]}`: true,
		`{"check":[{"port":70000}]}`: false, `{"check":[{"port":"70000/tcp"}]}`: false,
		`{"check":[{"port":"80,65535/tcp"}]}`: true,
		`{"check":[{"port":"8000-66000"}]}`:   false, `{"probe":[{"endpoint":"a:1","expect":["opn"]}]}`: false,
		`{"probe":[{"endpoint":"a:1","max-rtt":"50"}]}`: false, `{"probe":[{"endpoint":"a:1","max-rtt":"1.5s"}]}`: true,
		`{"x-a":1,"check":[{"port":80,"x-b":[]}]}`: true,
	} {
		if err := valid(text); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestReference has every key of the schema, and fits a terminal.
func TestReference(t *testing.T) {
	text := Reference()
	for section, fields := range Fields() {
		for _, f := range fields {
			if !regexp.MustCompile(`(?m)^ +` + f + ` +\S`).MatchString(text) {
				t.Errorf("%s has no %s", section, f)
			}
		}
	}
	pages, err := filepath.Glob("../help/topics/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var reference []byte
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		reference = append(reference, text...)
	}
	for section, fields := range Fields() {
		for _, f := range fields {
			if !strings.Contains(string(reference), "`"+f+"`") {
				t.Errorf("the reference has no %s of %s", f, section)
			}
		}
	}
	for line := range strings.Lines(text) {
		if len([]rune(line)) > 81 || strings.TrimRight(line, " \n")+"\n" != line {
			t.Errorf("%q", line)
		}
	}
}
