package schematest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"onmux/report/document"
)

const url = "urn:onmux:report:1"

// The schema of each format is compiled once in a process.
var (
	whole  = compiled("")
	dryRun = compiled("#/$defs/dryRun")
	line   = compiled("#/$defs/line")
)

func compiled(fragment string) func() (*jsonschema.Schema, error) {
	return sync.OnceValues(func() (*jsonschema.Schema, error) { return compile(fragment) })
}

// Validate reads a document of the format "json", "jsonl" or "dry-run" (what scan
// writes with --dry-run --json) and returns what in it
// does not fit the schema; for jsonl it names the line.
func Validate(format string, r io.Reader) error {
	switch format {
	case "json", "dry-run":
		s, err := whole()
		if format == "dry-run" {
			s, err = dryRun()
		}
		if err != nil {
			return err
		}
		v, err := jsonschema.UnmarshalJSON(r)
		if err != nil {
			return err
		}
		return s.Validate(v)
	case "jsonl":
		return lines(r)
	}
	return fmt.Errorf("%q has no schema", format)
}

func compile(fragment string) (*jsonschema.Schema, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document.SchemaJSON()))
	if err != nil {
		return nil, err
	}
	closeObjects(v)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.AssertContent()
	if err := c.AddResource(url, v); err != nil {
		return nil, err
	}
	return c.Compile(url + fragment)
}

// closeObjects refuses properties that the schema does not have: it is open for readers of
// later versions, but what this version writes has to be in it.
func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["properties"]; ok && v["type"] == "object" && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
		for _, inside := range v {
			closeObjects(inside)
		}
	case []any:
		for _, inside := range v {
			closeObjects(inside)
		}
	}
}

func lines(r io.Reader) error {
	s, err := line()
	if err != nil {
		return err
	}
	last := ""
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		switch {
		case err == io.EOF && len(line) == 0 && last == "summary":
			return nil
		case err == io.EOF && len(line) == 0:
			return errors.New("the last line is not a summary")
		case err != nil:
			return fmt.Errorf("line %d has no end: %w", n, err)
		case last == "summary":
			return fmt.Errorf("line %d follows the summary", n)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
		if err == nil {
			err = s.Validate(v)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		kind := v.(map[string]any)["type"].(string)
		if (kind == "start") != (n == 1) {
			return fmt.Errorf("line %d is a %s: the first line, and no other, is the start", n, kind)
		}
		last = kind
	}
}
