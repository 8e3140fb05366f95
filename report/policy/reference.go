package policy

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

//go:embed schema.json
var schema []byte

// SchemaJSON is the JSON Schema (draft 2020-12) of a policy file.
func SchemaJSON() []byte { return slices.Clone(schema) }

// property is a key of a policy, in the schema.
type property struct {
	Description string
	Required    []string
	Properties  properties
	Items       *property
}

// properties are keys in the order in which the schema has them.
type properties []struct {
	name string
	property
}

func (p *properties) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var one property
		if err := d.Decode(&one); err != nil {
			return err
		}
		*p = append(*p, struct {
			name string
			property
		}{fmt.Sprint(name), one})
	}
	return nil
}

// columns bounds a line of the reference.
const columns = 80

// Reference is every key that a policy may have, with what it means: a text for the terminal.
func Reference() string {
	var all property
	if err := json.Unmarshal(schema, &all); err != nil {
		panic(err) // it is part of the program
	}
	var b strings.Builder
	for _, section := range all.Properties {
		if section.Items == nil {
			continue
		}
		fmt.Fprintf(&b, "\n%s: %s\n", section.name, section.Description)
		keys(&b, section.Items, "  ")
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// keys writes the keys of an object, a line or more each.
func keys(b *strings.Builder, of *property, indent string) {
	width := 0
	for _, p := range of.Properties {
		width = max(width, len(p.name))
	}
	for _, p := range of.Properties {
		about := p.Description
		if slices.Contains(of.Required, p.name) {
			about = "(required) " + about
		}
		line := fmt.Sprintf("%s%-*s ", indent, width+1, p.name)
		empty := true
		for word := range strings.FieldsSeq(about) {
			if !empty && len(line)+1+len(word) > columns {
				b.WriteString(line + "\n")
				line = strings.Repeat(" ", len(indent)+width+2)
			}
			line, empty = line+" "+word, false
		}
		b.WriteString(line + "\n")
		if p.Items != nil && p.Items.Properties != nil {
			keys(b, p.Items, indent+strings.Repeat(" ", width+3))
		}
	}
}
