package policy

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// maxNodes bounds the values of a policy after its aliases are replaced: a few lines of them
// make a file of any size.
const maxNodes = 1 << 16

// anchors replaces the aliases and merge keys of a file by what they stand for.
type anchors struct {
	named map[string]ast.Node
	open  map[string]bool // those that are being replaced
	nodes int
	depth int
}

// resolve is the node without anchors, aliases and merge keys.
func (a *anchors) resolve(n ast.Node) (ast.Node, error) {
	if a.nodes++; a.nodes > maxNodes {
		return nil, nodeError{n, fmt.Errorf("the policy has more than %d values", maxNodes)}
	}
	if a.depth++; a.depth > maxDepth {
		return nil, nodeError{n, fmt.Errorf("this nests more than %d lists or mappings", maxDepth)}
	}
	defer func() { a.depth-- }()
	var err error
	switch n := n.(type) {
	case *ast.AnchorNode:
		name := n.Name.GetToken().Value
		a.open[name] = true
		value, err := a.resolve(n.Value)
		delete(a.open, name)
		a.named[name] = value
		return value, err
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		value, ok := a.named[name]
		if a.open[name] {
			return nil, nodeError{n, fmt.Errorf("the anchor %s is inside of itself", name)}
		}
		if !ok {
			return nil, nodeError{n, fmt.Errorf("no anchor before this is named %s", name)}
		}
		return a.resolve(value) // which counts its nodes again
	case *ast.SequenceNode:
		copied := *n
		copied.Values = make([]ast.Node, len(n.Values))
		for i, v := range n.Values {
			if copied.Values[i], err = a.resolve(v); err != nil {
				return nil, err
			}
		}
		return &copied, nil
	case *ast.MappingValueNode:
		all, err := a.pairs([]*ast.MappingValueNode{n})
		if err != nil {
			return nil, err
		}
		if len(all) == 1 {
			return all[0], nil
		}
		m := ast.Mapping(n.GetToken(), false, all...)
		m.SetPath(n.GetPath())
		return m, nil
	case *ast.MappingNode:
		copied := *n
		if copied.Values, err = a.pairs(n.Values); err != nil {
			return nil, err
		}
		return &copied, nil
	}
	return n, nil
}

var errMerge = errors.New("a merge key takes a mapping or a list of them")

// pairs are keys and values; those of a merge key (<<) come last, without those that the
// mapping has itself.
func (a *anchors) pairs(values []*ast.MappingValueNode) ([]*ast.MappingValueNode, error) {
	var own, merged []*ast.MappingValueNode
	has := make(map[string]bool)
	for _, v := range values {
		value, err := a.resolve(v.Value)
		if err != nil {
			return nil, err
		}
		if v.Key.Type() != ast.MergeKeyType {
			copied := *v
			copied.Value = value
			own = append(own, &copied)
			has[v.Key.GetToken().Value] = true
			continue
		}
		from := []ast.Node{value}
		if list, ok := value.(*ast.SequenceNode); ok {
			from = list.Values
		}
		for _, m := range from {
			switch m := m.(type) {
			case *ast.MappingNode:
				merged = append(merged, m.Values...)
			case *ast.MappingValueNode:
				merged = append(merged, m)
			default:
				return nil, nodeError{v.Key, errMerge}
			}
		}
	}
	for _, v := range merged {
		if key := v.Key.GetToken().Value; !has[key] {
			has[key] = true
			own = append(own, v)
		}
	}
	return own, nil
}
