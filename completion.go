package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"onmux/report"
	"onmux/report/record"
)

// shells are those that completion writes for.
var shells = []string{"bash", "zsh", "fish"}

func completionCommand() *cli.Command {
	return commandWith(cli.Command{
		Name:        "completion",
		Usage:       "complete commands and flags in bash, zsh or fish",
		ArgsUsage:   "SHELL",
		Description: "Prints a script that knows the commands, their flags and the words they take.",
		UsageText: `  source <(onmux completion bash)     in ~/.bashrc
  source <(onmux completion zsh)      in ~/.zshrc, after compinit
  onmux completion fish | source      in ~/.config/fish/config.fish`,
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 || !slices.Contains(shells, c.Args().First()) {
				return usageError(fmt.Errorf("completion needs the name of a shell"), strings.Join(shells, ", "))
			}
			write := map[string]func(io.Writer, []*cli.Command) error{
				"bash": completeBash,
				"zsh":  completeZsh,
				"fish": completeFish,
			}
			return failure(write[c.Args().First()](c.App.Writer, c.App.VisibleCommands()))
		},
	})
}

// values are the words that a flag of a command takes, if they are few.
func values(command string, f cli.Flag) []string {
	switch f.Names()[0] {
	case "proto":
		return []string{"tcp", "udp", "both"}
	case "output":
		return report.Formats()
	case "color":
		return []string{"auto", "always", "never"}
	case "method":
		return []string{"auto", "syn", "connect"}
	case "exit-style":
		return exitStyles
	case "expect":
		return record.Words(command)
	case "addr":
		return []string{"loopback", "any"}
	}
	return nil
}

// takesFile reports whether a flag's value is a file or a folder.
func takesFile(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && (strings.HasPrefix(d.GetUsage(), "`FILE`") || strings.HasPrefix(d.GetUsage(), "`DIR`"))
}

// takesFiles reports whether arguments of a command are files.
func takesFiles(c *cli.Command) bool {
	return strings.Contains(c.ArgsUsage, "FILE") || strings.Contains(c.ArgsUsage, "OLD")
}

// spellings are a flag's names with their dashes.
func dashedNames(f cli.Flag) []string {
	var out []string
	for _, n := range f.Names() {
		out = append(out, dashed(n))
	}
	return out
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

// about is the help text of a flag, without the marks of its value.
func about(f cli.Flag) string {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	return strings.ReplaceAll(d.GetUsage(), "`", "")
}

// bashFiles completes file names, which may have spaces.
const bashFiles = `local IFS=$'\n'; COMPREPLY=($(compgen -f -- "$cur"))`

func completeBash(w io.Writer, commands []*cli.Command) error {
	var b strings.Builder
	var names []string
	for _, c := range commands {
		names = append(names, c.Name)
	}
	fmt.Fprintf(&b, `# bash completion for onmux
_onmux() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd= word
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in -*) ;; *) cmd=$word; break ;; esac
	done
	COMPREPLY=()
	# bash takes words apart at = and @.
	case $cur in =|@) prev=$cur cur= ;; esac
	case $prev in
	=)	local at=$((COMP_CWORD - 1))
		[[ ${COMP_WORDS[COMP_CWORD]} == "=" ]] && at=$COMP_CWORD
		prev=${COMP_WORDS[at-1]}
		case $prev in -*) ;; *) %s; return ;; esac ;;
	@)	%s; return ;;
	esac
	case $cmd in
	"") COMPREPLY=($(compgen -W %s -- "$cur")); return ;;
`, bashFiles, bashFiles, shellQuote(strings.Join(append(names, "help", "--help", "--version"), " ")))
	for _, c := range commands {
		fmt.Fprintf(&b, "\t%s)\n\t\tcase $prev in\n", c.Name)
		var all []string
		for _, f := range c.VisibleFlags() {
			all = append(all, dashedNames(f)...)
			if !takesValue(f) {
				continue
			}
			reply := "return" // a time, a number or a name: nothing to offer
			if takesFile(f) {
				reply = bashFiles
			}
			if v := values(c.Name, f); v != nil {
				reply = "COMPREPLY=($(compgen -W " + shellQuote(strings.Join(v, " ")) + ` -- "$cur"))`
			}
			fmt.Fprintf(&b, "\t\t%s) %s; return ;;\n", strings.Join(dashedNames(f), "|"), reply)
		}
		fmt.Fprintf(&b, "\t\tesac\n\t\tcase $cur in -*) COMPREPLY=($(compgen -W %s -- \"$cur\")); return ;; esac\n",
			shellQuote(strings.Join(all, " ")))
		switch {
		case takesFiles(c):
			b.WriteString("\t\t" + bashFiles + "\n")
		case c.Name == "completion":
			fmt.Fprintf(&b, "\t\tCOMPREPLY=($(compgen -W %s -- \"$cur\"))\n", shellQuote(strings.Join(shells, " ")))
		}
		b.WriteString("\t\t;;\n")
	}
	fmt.Fprintf(
		&b, "\thelp) COMPREPLY=($(compgen -W %s -- \"$cur\")) ;;\n\tesac\n}\ncomplete -o filenames -F _onmux onmux\n",
		shellQuote(strings.Join(names, " ")),
	)
	_, err := io.WriteString(w, b.String())
	return err
}

func completeZsh(w io.Writer, commands []*cli.Command) error {
	var b strings.Builder
	b.WriteString("#compdef onmux\n_onmux() {\n\tlocal -a commands\n\tcommands=(\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "\t\t%s\n", shellQuote(c.Name+":"+c.Usage))
	}
	b.WriteString(
		"\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n" +
			"\tlocal cmd=$words[2]\n\tshift words; (( CURRENT-- ))\n\tcase $cmd in\n",
	)
	for _, c := range commands {
		fmt.Fprintf(&b, "\t%s)\n\t\t_arguments -s", c.Name)
		for _, f := range c.VisibleFlags() {
			names := dashedNames(f)
			for _, n := range names {
				spec := fmt.Sprintf("(%s)%s[%s]", strings.Join(names, " "), n, zshText(about(f)))
				if takesValue(f) {
					action := " "
					if takesFile(f) {
						action = "_files"
					}
					if v := values(c.Name, f); v != nil {
						action = "(" + strings.ReplaceAll(strings.Join(v, " "), "|", `\|`) + ")"
					}
					spec += ":value:" + action
				}
				b.WriteString(" \\\n\t\t\t" + shellQuote(spec))
			}
		}
		rest := "*:argument:_hosts"
		switch {
		case takesFiles(c):
			rest = "*:file:_files"
		case c.Name == "completion":
			rest = "1:shell:(" + strings.Join(shells, " ") + ")"
		}
		b.WriteString(" \\\n\t\t\t" + shellQuote(rest) + "\n\t\t;;\n")
	}
	fmt.Fprintf(&b, "\thelp)\n\t\t_describe command commands\n\t\t;;\n")
	b.WriteString("\tesac\n}\nif [[ $funcstack[1] == _onmux ]]; then\n\t_onmux \"$@\"\nelse\n\tcompdef _onmux onmux\nfi\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func completeFish(w io.Writer, commands []*cli.Command) error {
	var b strings.Builder
	b.WriteString("# fish completion for onmux\ncomplete -c onmux -f\n")
	var names []string
	for _, c := range commands {
		fmt.Fprintf(&b, "complete -c onmux -n __fish_use_subcommand -a %s -d %s\n", c.Name, fishQuote(c.Usage))
		in := fishQuote("__fish_seen_subcommand_from " + c.Name)
		for _, f := range c.VisibleFlags() {
			fmt.Fprintf(&b, "complete -c onmux -n %s", in)
			for _, n := range f.Names() {
				if len(n) == 1 {
					b.WriteString(" -s " + n)
				} else {
					b.WriteString(" -l " + n)
				}
			}
			if v := values(c.Name, f); v != nil {
				fmt.Fprintf(&b, " -x -a %s", fishWords(v))
			} else if takesFile(f) {
				b.WriteString(" -r -F")
			} else if takesValue(f) {
				b.WriteString(" -x")
			}
			fmt.Fprintf(&b, " -d %s\n", fishQuote(about(f)))
		}
		if takesFiles(c) {
			fmt.Fprintf(&b, "complete -c onmux -n %s -F\n", in)
		}
		if c.Name == "completion" {
			fmt.Fprintf(&b, "complete -c onmux -n %s -a %s\n", in, fishWords(shells))
		}
		names = append(names, c.Name)
	}
	b.WriteString("complete -c onmux -n __fish_use_subcommand -a help -d 'about a command'\n")
	fmt.Fprintf(&b, "complete -c onmux -n '__fish_seen_subcommand_from help' -a %s\n", fishWords(names))
	_, err := io.WriteString(w, b.String())
	return err
}

// shellQuote is s as one word of a POSIX shell, in quotes where it needs them.
func shellQuote(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("-_./=,:+@%", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !safe(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// fishQuote is s as one word of fish, where a backslash escapes in quotes.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

// fishWords are words to choose from, which fish reads as it reads a command.
func fishWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fishQuote(w)
	}
	return fishQuote(strings.Join(quoted, " "))
}

// zshText is s inside of the brackets of _arguments.
func zshText(s string) string {
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`).Replace(s)
}
