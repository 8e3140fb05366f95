package document

import (
	_ "embed"
	"slices"
)

//go:embed schema.json
var schema []byte

// SchemaJSON is the JSON Schema (draft 2020-12) of the json document; its
// "$defs/line" is that of one line of jsonl.
func SchemaJSON() []byte { return slices.Clone(schema) }
