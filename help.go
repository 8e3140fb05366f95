package main

const appHelp = `onmux - {{.Usage}}

usage: onmux COMMAND [FLAGS] [ARGUMENTS]
{{range .VisibleCommands}}
  {{.Name}} {{.ArgsUsage}}{{"\t"}}{{.Usage}}{{end}}
  help COMMAND{{"\t"}}all flags of a command
  --version{{"\t"}}print the version

examples:
  onmux check                        what holds port 417 here, and who owns it
  onmux probe db1:5432/tcp           everything about one endpoint
  onmux scan 10.0.0.0/24             a verdict for every address
  onmux check 8080 --expect free     exit code 1 if it is not
  onmux explain 417                  what the port is, with sources

exit codes: 0 done, 1 an expectation does not hold, 2 usage, 3 could not tell,
124 --wait or --deadline ran out
`

const commandHelp = `{{.HelpName}} - {{.Usage}}

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
