package help

import (
	"fmt"
	"io"
	"strings"
)

// Shells are those that Complete writes for.
func Shells() []string { return []string{"bash", "zsh", "fish"} }

// Complete writes a script that completes commands and flags of a program in one of Shells.
func Complete(w io.Writer, shell string, p Program) error {
	switch shell {
	case "bash":
		return completeBash(w, p)
	case "zsh":
		return completeZsh(w, p)
	case "fish":
		return completeFish(w, p)
	}
	return fmt.Errorf("%q is not a shell that completion is written for: %s", shell, strings.Join(Shells(), ", "))
}

// bashFiles completes file names, which may have spaces. Only these are file names: a folder
// that is called as a command is must not add a slash to it.
const bashFiles = `local IFS=$'\n'; compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"))`

// bashWords completes one of words, also behind a comma.
func bashWords(words []string) string {
	return `local head=; case $cur in *,*) head=${cur%,*}, ;; esac; ` +
		"COMPREPLY=($(compgen -P \"$head\" -W " + Quote(strings.Join(words, " ")) + ` -- "${cur##*,}"))`
}

func completeBash(w io.Writer, p Program) error {
	var b strings.Builder
	var names []string
	for _, c := range p.Commands {
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
`, bashFiles, bashFiles, Quote(strings.Join(append(names, "help", "--help", "--version"), " ")))
	for _, c := range p.Commands {
		fmt.Fprintf(&b, "\t%s)\n\t\tcase $prev in\n", c.Name)
		var all []string
		for _, f := range c.Flags {
			all = append(all, f.Dashed()...)
			if f.Value == "" {
				continue
			}
			reply := "return" // a time, a number or a name: nothing to offer
			if f.TakesFile {
				reply = bashFiles
			}
			if v := f.Values; v != nil {
				reply = bashWords(v)
			}
			fmt.Fprintf(&b, "\t\t%s) %s; return ;;\n", strings.Join(f.Dashed(), "|"), reply)
		}
		fmt.Fprintf(&b, "\t\tesac\n\t\tcase $cur in -*) COMPREPLY=($(compgen -W %s -- \"$cur\")); return ;; esac\n",
			Quote(strings.Join(all, " ")))
		switch {
		case c.TakesFiles():
			b.WriteString("\t\t" + bashFiles + "\n")
		case c.Name == "completion":
			fmt.Fprintf(&b, "\t\tCOMPREPLY=($(compgen -W %s -- \"$cur\"))\n", Quote(strings.Join(Shells(), " ")))
		}
		b.WriteString("\t\t;;\n")
	}
	fmt.Fprintf(
		&b, "\thelp) COMPREPLY=($(compgen -W %s -- \"$cur\")) ;;\n\tesac\n}\ncomplete -F _onmux onmux\n",
		Quote(strings.Join(append(names, topicNames()...), " ")),
	)
	_, err := io.WriteString(w, b.String())
	return err
}

// topicNames are what onmux help takes beside commands.
func topicNames() []string {
	var names []string
	for _, t := range Topics() {
		names = append(names, t.Name)
	}
	return names
}

func completeZsh(w io.Writer, p Program) error {
	var b strings.Builder
	b.WriteString(`#compdef onmux
_onmux_output() {
	if compset -P '*='; then _files; else compadd -S '' - "$@"; fi
}
_onmux_target() {
	if compset -P '@'; then _files; else _hosts; fi
}
`)
	b.WriteString("_onmux() {\n\tlocal -a commands\n\tcommands=(\n")
	for _, c := range p.Commands {
		fmt.Fprintf(&b, "\t\t%s\n", Quote(c.Name+":"+c.Usage))
	}
	b.WriteString(
		"\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n" +
			"\tlocal cmd=$words[2]\n\tshift words; (( CURRENT-- ))\n\tcase $cmd in\n",
	)
	for _, c := range p.Commands {
		fmt.Fprintf(&b, "\t%s)\n\t\t_arguments -s", c.Name)
		for _, f := range c.Flags {
			names := f.Dashed()
			for _, n := range names {
				joined := n // with its value: --name=value, -nvalue
				if f.Value != "" {
					joined += map[bool]string{true: "=", false: "+"}[len(n) > 2]
				}
				spec := fmt.Sprintf("(%s)%s[%s]", strings.Join(names, " "), joined, zshText(f.About()))
				if f.Value != "" {
					action := " "
					if f.TakesFile {
						action = "_files"
					}
					if v := f.Values; v != nil {
						words := strings.ReplaceAll(strings.Join(v, " "), "|", `\|`)
						if action = "_sequence compadd - " + words; strings.HasPrefix(f.Value, "FORMAT") {
							action = "_onmux_output " + words
						}
					}
					spec += ":value:" + action
				}
				b.WriteString(" \\\n\t\t\t" + Quote(spec))
			}
		}
		rest := "*:argument:_onmux_target"
		switch {
		case c.TakesFiles():
			rest = "*:file:_files"
		case c.Name == "completion":
			rest = "1:shell:(" + strings.Join(Shells(), " ") + ")"
		}
		b.WriteString(" \\\n\t\t\t" + Quote(rest) + "\n\t\t;;\n")
	}
	fmt.Fprintf(&b, "\thelp)\n\t\t_describe command commands\n\t\t;;\n")
	b.WriteString("\tesac\n}\nif [[ $funcstack[1] == _onmux ]]; then\n\t_onmux \"$@\"\nelse\n\tcompdef _onmux onmux\nfi\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func completeFish(w io.Writer, p Program) error {
	var b strings.Builder
	b.WriteString(`# fish completion for onmux
function __onmux_words
	set -l cur (string replace -r '^--?[^=]*=' '' -- (commandline -ct))
	set -l head (string replace -r '[^,]*$' '' -- $cur)
	for word in $argv; echo "$head$word"; end
end
function __onmux_output
	set -l cur (string replace -r '^--?output=|^-o' '' -- (commandline -ct))
	if string match -q '*=*' -- $cur
		set -l format (string replace -r '=.*$' '' -- $cur)
		for file in (__fish_complete_path (string replace -r '^[^=]*=' '' -- $cur)); echo "$format=$file"; end
	else
		for word in $argv; echo $word; end
	end
end
function __onmux_target
	if string match -q '@*' -- (commandline -ct)
		for file in (__fish_complete_path (string replace -r '^@' '' -- (commandline -ct))); echo "@$file"; end
	else
		__fish_print_hostnames
	end
end
complete -c onmux -f
`)
	var names []string
	for _, c := range p.Commands {
		fmt.Fprintf(&b, "complete -c onmux -n __fish_use_subcommand -a %s -d %s\n", c.Name, fishQuote(c.Usage))
		in := fishQuote("__fish_seen_subcommand_from " + c.Name)
		for _, f := range c.Flags {
			fmt.Fprintf(&b, "complete -c onmux -n %s", in)
			for _, n := range f.Names {
				if len(n) == 1 {
					b.WriteString(" -s " + n)
				} else {
					b.WriteString(" -l " + n)
				}
			}
			if v := f.Values; v != nil {
				source := "__onmux_words "
				if strings.HasPrefix(f.Value, "FORMAT") {
					source = "__onmux_output "
				}
				fmt.Fprintf(&b, " -x -a %s", fishQuote("("+source+strings.ReplaceAll(strings.Join(v, " "), "|", `\|`)+")"))
			} else if f.TakesFile {
				b.WriteString(" -r -F")
			} else if f.Value != "" {
				b.WriteString(" -x")
			}
			fmt.Fprintf(&b, " -d %s\n", fishQuote(f.About()))
		}
		switch {
		case c.TakesFiles():
			fmt.Fprintf(&b, "complete -c onmux -n %s -F\n", in)
		case strings.Contains(c.Args, "HOST") || strings.Contains(c.Args, "TARGET"):
			fmt.Fprintf(&b, "complete -c onmux -n %s -a '(__onmux_target)'\n", in)
		}
		if c.Name == "completion" {
			fmt.Fprintf(&b, "complete -c onmux -n %s -a %s\n", in, fishWords(Shells()))
		}
		names = append(names, c.Name)
	}
	b.WriteString("complete -c onmux -n __fish_use_subcommand -a help -d 'about a command'\n")
	fmt.Fprintf(
		&b,
		"complete -c onmux -n '__fish_seen_subcommand_from help' -a %s\n",
		fishWords(append(names, topicNames()...)),
	)
	_, err := io.WriteString(w, b.String())
	return err
}

// Quote returns s as one word of a POSIX shell, in quotes where it needs them.
func Quote(s string) string {
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
