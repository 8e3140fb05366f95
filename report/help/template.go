package help

// AppTemplate is the help of the app, for urfave/cli.
const AppTemplate = `onmux - {{.Usage}}

usage: onmux COMMAND [FLAGS] [ARGUMENTS]
{{range .VisibleCommands}}
  {{.Name}} {{.ArgsUsage}}{{"\t"}}{{.Usage}}{{end}}
  help COMMAND|TOPIC{{"\t"}}all flags of a command, or a topic
  --version{{"\t"}}print the version

examples:
  onmux check                        what holds port 417 here, and who owns it
  onmux probe db1:5432/tcp           everything about one endpoint
  onmux scan 10.0.0.0/24             a verdict for every address
  onmux check 8080 --expect free     exit code 1 if it is not
  onmux explain 417                  what the port is, with sources

topics: ci, examples, exit-codes, formats, limits, measurements, ports,
privileges, redirects, scanning, targets, words

exit codes: 0 done, 1 an expectation does not hold, 2 usage, 3 could not tell,
124 --wait or --deadline ran out
`

// CommandTemplate is the help of a command.
const CommandTemplate = `{{.HelpName}} - {{.Usage}}

usage: {{.HelpName}} [FLAGS]{{with .ArgsUsage}} {{.}}{{end}}
{{if .Description}}
{{.Description}}
{{end}}{{if .UsageText}}
examples:
{{.UsageText}}
{{end}}{{range .VisibleFlagCategories}}
{{if .Name}}{{.Name}}:{{else}}flags:{{end}}
{{range .Flags}}{{.}}
{{end}}{{end}}`
