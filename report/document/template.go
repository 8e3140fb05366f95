package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/template"

	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// Template is a Go template (text/template) that is executed for each finding. A
// record's fields are those of its JSON object, by its names or as Go writes them:
// {{.rtt_ms}} and {{.RttMs}} are the same. A field that the record does not have, but
// may have, or a record of another kind, is empty; what none has is an error of the
// template. Control characters of strings are escaped. A range is a line for each of its
// addresses, unless the template has a field that only ranges have.
type Template struct {
	encoder
	parsed *template.Template
	fields fields
	ranges bool // are lines of their own
	out    bytes.Buffer
}

// ofRanges matches the fields by which a template is about ranges.
var ofRanges = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\.([Ff]irst|[Ll]ast|[Cc]ount)\b`) })

// ParseTemplate reads a template, and tries it with a record of empty fields.
func ParseTemplate(text string) (*Template, error) {
	t := &Template{fields: newFields(), ranges: ofRanges().MatchString(text)}
	var err error
	if t.parsed, err = template.New("--format").Option("missingkey=error").Parse(text); err != nil {
		return nil, plainError(err)
	}
	if err := t.parsed.Execute(io.Discard, t.fields.empty()); err != nil {
		return nil, plainError(err)
	}
	return t, nil
}

// plainError is a template's error without its name and position in it.
func plainError(err error) error {
	text := strings.TrimPrefix(err.Error(), "template: ")
	if _, what, ok := strings.Cut(text, ">: "); ok {
		text = what
	} else if _, what, ok := strings.Cut(text, ": "); ok {
		text = what
	}
	return fmt.Errorf("%s", phrase.Visible(text))
}

// Write writes what the template makes of a finding, a line in each call of write; nothing
// makes no line. It is not safe for concurrent use.
func (t *Template) Write(f record.Finding, write func([]byte) error) error {
	r, isRange := f.(scan.Range)
	if isRange = isRange && !t.ranges; isRange {
		f = record.At(r, r.First)
	}
	b, err := t.record(f)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return err
	}
	fields := t.fields.complete(object)
	if err := t.line(fields, write); err != nil || !isRange {
		return err
	}
	for a := r.First; a.Less(r.Last); {
		a = a.Next()
		fields["address"], fields["Address"] = a.String(), a.String()
		if err := t.line(fields, write); err != nil {
			return err
		}
	}
	return nil
}

// line writes what the template makes of a record's fields.
func (t *Template) line(fields map[string]any, write func([]byte) error) error {
	t.out.Reset()
	if err := t.parsed.Execute(&t.out, fields); err != nil {
		return fmt.Errorf("--format: %w", plainError(err))
	}
	if t.out.Len() == 0 {
		return nil
	}
	t.out.WriteByte('\n')
	return write(t.out.Bytes())
}

// templated writes what a template makes of each finding.
type templated struct {
	record.Func
}

// NewTemplate writes by the template of the options.
func NewTemplate(w io.Writer, o record.Options) record.Handler {
	return &templated{Func: func(f record.Finding) error {
		return o.Template(f, func(line []byte) error {
			_, err := w.Write(line)
			return err
		})
	}}
}

// Start writes nothing.
func (t *templated) Start(record.Start) error { return nil }

// Violation writes nothing: it is about a finding that has its line.
func (t *templated) Violation(record.Violation) error { return nil }

// End writes nothing.
func (t *templated) End(record.End) error { return nil }

// maxNesting bounds how deep absent fields are filled in.
const maxNesting = 6

// fields are the fields that a record may have, of whatever kind, as the schema has them.
type fields struct {
	defs map[string]any // the schema's
	all  map[string]any // properties of all kinds of records
}

func newFields() fields {
	var s struct {
		Defs map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		panic(err) // it is part of the program
	}
	f := fields{s.Defs, make(map[string]any)}
	for kind := range s.Defs {
		properties, _ := f.resolve(kind)["properties"].(map[string]any)
		if kind, _ := properties["type"].(map[string]any); kind["const"] != nil { // it is a record
			maps.Copy(f.all, properties)
		}
	}
	return f
}

// resolve is a definition of the schema.
func (f fields) resolve(name string) map[string]any {
	node, _ := f.defs[name].(map[string]any)
	return node
}

// complete is a record with its absent fields, each also by its Go name.
func (f fields) complete(object map[string]any) map[string]any {
	return f.value(map[string]any{"properties": f.all}, object, maxNesting, "").(map[string]any)
}

// empty is a record that has every field: numbers are 0, texts are empty.
func (f fields) empty() any {
	return f.value(map[string]any{"properties": f.all}, map[string]any{}, maxNesting, 0)
}

// value is v with the fields that the schema node allows; number stands for
// absent numbers.
func (f fields) value(node map[string]any, v any, depth int, number any) any {
	for {
		ref, ok := node["$ref"].(string)
		if !ok {
			break
		}
		node = f.resolve(strings.TrimPrefix(ref, "#/$defs/"))
	}
	properties, isObject := node["properties"].(map[string]any)
	switch v := v.(type) {
	case string:
		return phrase.Visible(v)
	case json.Number:
		if n, err := v.Int64(); err == nil && node["type"] != "number" {
			return n
		}
		n, _ := v.Float64() // JSON has no others
		return n
	case bool:
		return v
	case []any:
		items, _ := node["items"].(map[string]any)
		out := make([]any, len(v))
		for i := range v {
			out[i] = f.value(items, v[i], depth-1, number)
		}
		return out
	case map[string]any:
		out := make(map[string]any, 2*len(properties))
		for name, value := range v {
			p, _ := properties[name].(map[string]any)
			out[name] = f.value(p, value, depth-1, number)
		}
		return f.absent(out, properties, depth, number)
	}
	switch {
	case node["type"] == "array":
		return []any{}
	case node["type"] == "integer", node["type"] == "number" && number != 0:
		return number
	case node["type"] == "number":
		return 0.0
	case isObject && depth > 0:
		return f.absent(make(map[string]any), properties, depth, number)
	}
	return ""
}

// absent adds the properties that out does not have, and the Go names of all.
func (f fields) absent(out, properties map[string]any, depth int, number any) map[string]any {
	for name, p := range properties {
		if _, ok := out[name]; !ok {
			node, _ := p.(map[string]any)
			out[name] = f.value(node, nil, depth-1, number)
		}
	}
	for _, name := range slices.Collect(maps.Keys(out)) {
		out[goName(name)] = out[name]
	}
	return out
}

// goName is RttMs for rtt_ms.
func goName(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}
