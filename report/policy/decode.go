package policy

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"onmux/probe/wording"
)

// Limits of a policy file.
const (
	MaxFile = 1 << 20 // bytes

	// maxDepth limits the nesting of lists and mappings: the memory that the parser needs
	// grows with its square.
	maxDepth = 100
)

// decode reads YAML, of which JSON is a part. An error about a place in the file is an *Error or a nodeError.
func decode(name string, text []byte) (file, error) {
	var f file
	if len(text) > MaxFile {
		return f, fmt.Errorf("%s: a policy has at most %d bytes", name, MaxFile)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // as some editors begin a file
	if line := tooDeep(text); line > 0 {
		return f, &Error{name, line, 1, fmt.Errorf("this nests more than %d lists or mappings", maxDepth)}
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return f, syntax(name, err)
	}
	if len(tree.Docs) > 1 {
		return f, nodeError{tree.Docs[1].Body, errors.New("a policy is one document: remove what follows ---")}
	}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		return f, &Error{name, 1, 1, errEmpty}
	}
	a := anchors{named: make(map[string]ast.Node), open: make(map[string]bool)}
	if f.node, err = a.resolve(tree.Docs[0].Body); err != nil {
		return f, err
	}
	if err := yaml.NodeToValue(f.node, &f); err != nil {
		var at nodeError
		if errors.As(err, &at) {
			return f, at
		}
		return f, syntax(name, err)
	}
	return f, nil
}

// tooDeep returns the line at which the text nests too deeply, or 0. It ignores quotes and
// block texts: no policy has so many brackets, or so much indentation, there either.
func tooDeep(text []byte) int {
	depth, n := 0, 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimRight(line, " \t\r\n")
		if len(line)-len(bytes.TrimLeft(line, " -?")) > 2*maxDepth {
			return n
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			}
			if depth > maxDepth {
				return n
			}
		}
	}
	return 0
}

// syntax is an error of the YAML library, on one line.
func syntax(name string, err error) error {
	var y yaml.Error
	if errors.As(err, &y) && y.GetToken() != nil {
		at := y.GetToken().Position
		return &Error{name, at.Line, at.Column, errors.New(y.GetMessage())}
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return &Error{name, 1, 1, errors.New(first)}
}

// nodeError is an error about one node of the file.
type nodeError struct {
	node ast.Node
	err  error
}

func (e nodeError) Error() string { return e.err.Error() }

// wrongf is an error about a node. The format continues a sentence that begins with its place.
func wrongf(n ast.Node, format string, args ...any) error {
	return nodeError{n, errors.New(where(n.GetPath()) + fmt.Sprintf(format, args...))}
}

// in adds the file and the position.
func (e nodeError) in(name string) *Error {
	line, column := position(e.node)
	return &Error{name, line, column, e.err}
}

// position is where a node begins, from 1.
func position(n ast.Node) (line, column int) {
	switch m := n.(type) { // which begin with their first key, and whose token is the colon behind it
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 1, 1
	}
	return n.GetToken().Position.Line, n.GetToken().Position.Column
}

var step = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\.([^.\[]+)|\[(\d+)\]`) })

// where names the place of a path such as $.check[1].expect[0]: "check rule 2, expect, entry 1".
func where(path string) string {
	var s string
	for _, m := range step().FindAllStringSubmatch(path, -1) {
		index, _ := strconv.Atoi(m[2])
		switch {
		case s == "":
			s = m[1]
		case m[2] == "":
			s += ", " + m[1]
		case !strings.Contains(s, " "):
			s += fmt.Sprintf(" rule %d", index+1)
		default:
			s += fmt.Sprintf(", entry %d", index+1)
		}
	}
	if s == "" {
		return "the policy"
	}
	return s
}

// wrong is an error about a part of a rule.
func wrong(rule ast.Node, err error, path ...any) error {
	at := rule
	for _, key := range path {
		at = child(at, key)
	}
	return nodeError{at, fmt.Errorf("%s: %w", where(rule.GetPath()), err)}
}

// child is the value of a key, or the entry of a list with that index; n if there is none.
func child(n ast.Node, key any) ast.Node {
	switch n := n.(type) {
	case *ast.SequenceNode:
		if i, ok := key.(int); ok && i < len(n.Values) {
			return n.Values[i]
		}
	case ast.MapNode:
		for i := n.MapRange(); i.Next(); {
			if keyOf(i) == key {
				return i.Value()
			}
		}
	}
	return n
}

func keyOf(i *ast.MapNodeIter) string {
	if k, ok := i.Key().(*ast.MappingKeyNode); ok { // written as "? key"
		return k.Value.GetToken().Value
	}
	return i.Key().GetToken().Value
}

// object decodes a mapping into a struct, which has a field for every key that there may
// be. Of the required keys, each of which may be alternatives ("a or b"), none may be missing.
func object(n ast.Node, to any, required ...string) error {
	m, ok := n.(ast.MapNode)
	if !ok {
		return wrongf(n, " is %s, not a mapping", kindOf(n))
	}
	var known, keys []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(to).Elem()) {
		if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "" {
			known = append(known, name)
		}
	}
	for i := m.MapRange(); i.Next(); {
		key := keyOf(i)
		if strings.HasPrefix(key, "x-") {
			continue // the writer's own
		}
		if !slices.Contains(known, key) {
			return nodeError{i.Key(), fmt.Errorf("%s has no %q%s", where(n.GetPath()), key, meant(key, known))}
		}
		if kind := kindOf(i.Value()); kind == empty {
			return nodeError{i.Key(), fmt.Errorf("%s is %s", where(i.Value().GetPath()), kind)}
		}
		keys = append(keys, key)
	}
	for _, r := range required {
		found := func(key string) bool { return slices.Contains(keys, key) }
		if !slices.ContainsFunc(strings.Split(r, " or "), found) {
			return wrongf(n, " needs %s", r)
		}
	}
	return yaml.NodeToValue(n, to)
}

// otherNames are what keys may be called instead, as in the flags of commands.
var otherNames = map[string]string{
	"host": "endpoint", "address": "endpoint", "target": "targets", "hosts": "targets", "addr": "address",
	"ports": "port", "state": "expect", "states": "expect", "verdict": "expect", "rtt": "max-rtt",
	"backlog": "max-backlog", "cert-days": "certificate-days", "days": "certificate-days", "exceptions": "except",
	"owner": "user", "proc": "process", "command": "process", "title": "name",
}

// meant is a hint to the key that is meant by an unknown one.
func meant(key string, known []string) string {
	if other := otherNames[key]; slices.Contains(known, other) {
		return "; did you mean " + other + "?"
	}
	return wording.DidYouMean(key, known)
}

// The kinds of values in messages.
const (
	empty     = "empty"
	aText     = "a text"
	anInteger = "a whole number"
	aNumber   = "a number"
	aList     = "a list"
)

func kindOf(n ast.Node) string {
	switch n := n.(type) {
	case *ast.TagNode:
		if _, ok := n.Value.(ast.ScalarNode); ok && n.Start.Value == string(token.StringTag) {
			return aText
		}
		return kindOf(n.Value)
	case *ast.StringNode, *ast.LiteralNode:
		return aText
	case *ast.IntegerNode:
		return anInteger
	case *ast.FloatNode:
		if n.Value == float64(int64(n.Value)) {
			return anInteger
		}
		return aNumber
	case *ast.BoolNode:
		return "true or false"
	case *ast.SequenceNode:
		return aList
	case ast.MapNode:
		return "a mapping"
	case *ast.NullNode:
		return empty
	}
	return "not a value for a policy"
}

// scalar decodes a value of one of the kinds as it is written.
func scalar(n ast.Node, kinds ...string) (string, error) {
	kind := kindOf(n)
	if !slices.Contains(kinds, kind) {
		return "", wrongf(n, " is %s, not %s", kind, strings.Join(kinds, " or "))
	}
	if t, ok := n.(*ast.TagNode); ok {
		n = t.Value
	}
	switch n := n.(type) {
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.IntegerNode: // also 0x1A1
		return fmt.Sprint(n.Value), nil
	}
	return n.GetToken().Value, nil
}

// number decodes a whole number.
func number(n ast.Node, least, most uint64) (uint64, error) {
	s, err := scalar(n, anInteger)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseFloat(s, 64) // exact up to 1<<53
	switch {
	case err != nil:
		return 0, wrongf(n, ": %.40s is too large a number", s)
	case v < float64(least):
		return 0, wrongf(n, ": %.40s is less than %d", s, least)
	case v > float64(most):
		return 0, wrongf(n, ": %.40s is more than %d", s, most)
	}
	return uint64(v), nil
}

// textList decodes a text with commas or a list of texts, which are among the words if there are any.
func textList(n ast.Node, words []string) ([]string, error) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		one, err := nonEmpty(n, aText, aList)
		parts := strings.Split(one, ",")
		for i, p := range parts {
			parts[i] = strings.TrimSpace(p)
		}
		return parts, err
	}
	if len(s.Values) == 0 {
		return nil, wrongf(n, " is an empty list")
	}
	var all []string
	for _, entry := range s.Values {
		w, err := nonEmpty(entry, aText)
		if err != nil {
			return nil, err
		}
		if words != nil && !slices.Contains(words, w) {
			return nil, wrongf(entry, ": %.40s is not among %s%s", w, strings.Join(words, ", "), wording.DidYouMean(w, words))
		}
		all = append(all, w)
	}
	return all, nil
}

func nonEmpty(n ast.Node, kinds ...string) (string, error) {
	s, err := scalar(n, kinds...)
	if err == nil && s == "" {
		err = wrongf(n, " is empty")
	}
	return s, err
}
