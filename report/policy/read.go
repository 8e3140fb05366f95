package policy

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"onmux/report"
)

// maxFile bounds a policy file, in bytes.
const maxFile = 1 << 20

//go:embed schema.json
var schema []byte

// SchemaJSON is the JSON Schema (draft 2020-12) of a policy file.
func SchemaJSON() []byte { return slices.Clone(schema) }

// document is a file that was parsed: what it says, and where.
type document struct {
	name string
	tree *ast.File
	json []byte
}

// parse reads YAML, of which JSON is a part, and holds it against the schema.
// Anchors are refused: a few lines of them make a file of any size.
func parse(name string, text []byte) (*document, file, error) {
	if len(text) > maxFile {
		return nil, file{}, fmt.Errorf("%s: a policy of more than %d bytes is none", name, maxFile)
	}
	d := &document{name: name}
	var err error
	if d.tree, err = parser.ParseBytes(text, 0); err != nil {
		return nil, file{}, d.syntax(err)
	}
	if len(d.tree.Docs) != 1 || d.tree.Docs[0].Body == nil {
		return nil, file{}, &Error{name, 1, 1, errEmpty}
	}
	if n := anchors(d.tree); n != nil {
		return nil, file{}, d.at(n, errors.New("anchors and aliases are not for policies: write it out"))
	}
	var value any
	if err := yaml.Unmarshal(text, &value); err != nil {
		return nil, file{}, d.syntax(err)
	}
	if d.json, err = json.Marshal(value); err != nil { // a key that is no text, a number that is none
		return nil, file{}, &Error{name, 1, 1, fmt.Errorf("this has no place in a policy: %w", err)}
	}
	if err := d.validate(); err != nil {
		return nil, file{}, err
	}
	var f file
	if err := json.Unmarshal(d.json, &f); err != nil {
		return nil, file{}, &Error{name, 1, 1, err}
	}
	return d, f, nil
}

// syntax is an error of the YAML parser, on one line.
func (d *document) syntax(err error) error {
	var y yaml.Error
	if errors.As(err, &y) && y.GetToken() != nil {
		at := y.GetToken().Position
		return &Error{d.name, at.Line, at.Column, errors.New(y.GetMessage())}
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return &Error{d.name, 1, 1, errors.New(first)}
}

func (d *document) at(n ast.Node, err error) error {
	line, column := 1, 1
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		line, column = n.GetToken().Position.Line, n.GetToken().Position.Column
	}
	return &Error{d.name, line, column, err}
}

// anchors finds the first anchor, alias or merge key.
func anchors(tree *ast.File) (found ast.Node) {
	for _, doc := range tree.Docs {
		ast.Walk(visitor(func(n ast.Node) bool {
			switch n.Type() {
			case ast.AnchorType, ast.AliasType, ast.MergeKeyType:
				found = n
			}
			return found == nil
		}), doc)
	}
	return found
}

type visitor func(ast.Node) bool

func (v visitor) Visit(n ast.Node) ast.Visitor {
	if v(n) {
		return v
	}
	return nil
}

func (d *document) validate() error {
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("policy.json", raw); err != nil {
		return err
	}
	s, err := c.Compile("policy.json")
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(d.json))
	if err != nil {
		return &Error{d.name, 1, 1, err}
	}
	var invalid *jsonschema.ValidationError
	if err := s.Validate(value); errors.As(err, &invalid) {
		return d.explain(leaf(invalid))
	} else if err != nil {
		return err
	}
	return nil
}

// leaf is the deepest cause, which says most.
func leaf(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	if _, ok := e.ErrorKind.(*kind.AnyOf); ok {
		return e
	}
	best := e
	for _, c := range e.Causes {
		if l := leaf(c); best == e || len(l.InstanceLocation) > len(best.InstanceLocation) {
			best = l
		}
	}
	return best
}

// explain puts an error of the schema in words.
func (d *document) explain(e *jsonschema.ValidationError) error {
	n := d.node(e.InstanceLocation)
	what := where(e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		key := k.Properties[0]
		return d.at(keyNode(n, key), fmt.Errorf("%s has no %q%s", what, key, didYouMean(key, e.InstanceLocation)))
	case *kind.Required:
		return d.at(n, fmt.Errorf("%s needs %s", what, strings.Join(k.Missing, " and ")))
	case *kind.AnyOf:
		return d.at(n, fmt.Errorf("%s needs expect or count", what))
	case *kind.Type:
		var want []string
		for _, w := range k.Want {
			want = append(want, article(w))
		}
		return d.at(n, fmt.Errorf("%s is %s, not %s", what, article(k.Got), strings.Join(want, " or ")))
	case *kind.Minimum:
		return d.at(n, fmt.Errorf("%s: %s is less than %s", what, k.Got.RatString(), k.Want.RatString()))
	case *kind.Maximum:
		return d.at(n, fmt.Errorf("%s: %s is more than %s", what, k.Got.RatString(), k.Want.RatString()))
	case *kind.Enum:
		var words []string
		for _, w := range k.Want {
			words = append(words, fmt.Sprint(w))
		}
		return d.at(n, fmt.Errorf("%s: %v is not among %s", what, k.Got, strings.Join(words, ", ")))
	case *kind.Const:
		return d.at(n, fmt.Errorf("%s is %v: this onmux reads version %v", what, k.Got, k.Want))
	}
	text := e.Error()
	return d.at(n, fmt.Errorf("%s: %s", what, text[strings.LastIndex(text, ": ")+2:]))
}

func article(got string) string {
	return map[string]string{"null": "empty", "array": "a list", "object": "a mapping", "string": "a text", "number": "a number", "integer": "a whole number", "boolean": "true or false"}[got]
}

// where names a place: "check rule 2, expect".
func where(path []string) string {
	if len(path) == 0 {
		return "the policy"
	}
	s := path[0]
	rest := path[1:]
	if len(rest) > 0 {
		n, _ := strconv.Atoi(rest[0])
		s = fmt.Sprintf("%s rule %d", s, n+1)
		rest = rest[1:]
	}
	for _, p := range rest {
		if n, err := strconv.Atoi(p); err == nil {
			p = fmt.Sprintf("entry %d", n+1)
		}
		s += ", " + p
	}
	return s
}

// node is where in the file a place is; the nearest that there is.
func (d *document) node(path []string) ast.Node {
	n := d.tree.Docs[0].Body
	for _, p := range path {
		next := child(n, p)
		if next == nil {
			break
		}
		n = next
	}
	return n
}

func child(n ast.Node, key string) ast.Node {
	switch n := n.(type) {
	case *ast.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i < len(n.Values) {
			return n.Values[i]
		}
	case *ast.MappingNode:
		for _, v := range n.Values {
			if keyOf(v) == key {
				return v.Value
			}
		}
	case *ast.MappingValueNode:
		if keyOf(n) == key {
			return n.Value
		}
	}
	return nil
}

func keyOf(v *ast.MappingValueNode) string { return v.Key.GetToken().Value }

// keyNode is the key itself in a mapping.
func keyNode(n ast.Node, key string) ast.Node {
	if m, ok := n.(*ast.MappingNode); ok {
		for _, v := range m.Values {
			if keyOf(v) == key {
				return v.Key
			}
		}
	}
	if v, ok := n.(*ast.MappingValueNode); ok {
		return v.Key
	}
	return n
}

// didYouMean names the nearest key that the schema has at a place.
func didYouMean(key string, path []string) string {
	var at map[string]any
	if json.Unmarshal(schema, &at) != nil {
		return ""
	}
	for _, p := range path {
		if _, err := strconv.Atoi(p); err == nil {
			at, _ = at["items"].(map[string]any)
		} else {
			properties, _ := at["properties"].(map[string]any)
			at, _ = properties[p].(map[string]any)
		}
	}
	properties, _ := at["properties"].(map[string]any)
	return report.Nearest(key, slices.Sorted(maps.Keys(properties)))
}
