package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
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
		{"probe:\n  - endpoint: ':80'", "2:15: probe rule 1: the endpoint has no host"},
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
		{"scan: &a\n  - *a", "1:7: a policy has no anchors and aliases: write it out"},
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

// FuzzSchema: what the types of a policy take is what the schema describes.
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
		if theirs := valid(text); yaml && (ours == nil) != (theirs == nil) {
			t.Errorf("%s: %v; the library has %v", text, ours, theirs)
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
