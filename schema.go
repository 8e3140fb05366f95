package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/report/document"
	"onmux/report/policy"
)

// schemas are what schema prints, the default first.
var schemas = []string{"report", "policy"}

func schemaCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:      "schema",
		Usage:     "print the JSON Schema of reports or policies",
		ArgsUsage: "[" + strings.Join(schemas, "|") + "]",
		Description: "The schema (draft 2020-12) of -o json, whose $defs/line is one line of -o jsonl,\nor that of " +
			"policy files.",
		UsageText: `  onmux schema > onmux-report.json
  onmux schema policy > onmux-policy.json    for editors`,
		Action: func(c *cli.Context) error {
			text := document.SchemaJSON()
			switch name := c.Args().First(); {
			case c.NArg() > 1 || c.NArg() == 1 && name != schemas[0] && name != schemas[1]:
				return usageError(fmt.Errorf("there is no schema %q", name), strings.Join(schemas, ", "))
			case name == schemas[1]:
				text = policy.SchemaJSON()
			}
			_, err := c.App.Writer.Write(text)
			return failure(err)
		},
	})
}
