package policy

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// MaxFile bounds a policy file, in bytes.
const MaxFile = 1 << 20

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
	if len(text) > MaxFile {
		return nil, file{}, fmt.Errorf("%s: a policy of more than %d bytes is none", name, MaxFile)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // as some editors begin a file
	if at := tooDeep(text); at >= 0 {
		return nil, file{}, fmt.Errorf("%s: no policy nests more than %d brackets, as at byte %d", name, maxDepth, at)
	}
	d := &document{name: name}
	var err error
	if d.tree, err = parser.ParseBytes(text, 0); err != nil {
		return nil, file{}, d.syntax(err)
	}
	if len(d.tree.Docs) > 1 {
		return nil, file{}, d.at(d.tree.Docs[1].Body, errors.New("a policy is one document: nothing may follow ---"))
	}
	if len(d.tree.Docs) == 0 || d.tree.Docs[0].Body == nil {
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
	switch m := n.(type) { // which begin with their first key, and whose token is the colon behind it
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
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

// validate holds the file against the schema.
func (d *document) validate() error {
	var s rules
	if err := json.Unmarshal(schema, &s); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(d.json))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return &Error{d.name, 1, 1, err}
	}
	m := s.hold(value, s.Defs)
	if m == nil {
		return nil
	}
	n := d.node(m.path)
	if m.key != "" {
		n = keyNode(n, m.key)
	}
	return d.at(n, errors.New(where(m.path)+m.what))
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

// maxDepth bounds how deep brackets nest: the parser's memory grows with the square.
const maxDepth = 100

// tooDeep is where they nest deeper, or -1. It takes no notice of quotes: no policy has so
// many there either.
func tooDeep(text []byte) int {
	depth := 0
	for i, c := range text {
		switch c {
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		}
		if depth > maxDepth {
			return i
		}
	}
	return -1
}
