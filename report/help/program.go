package help

import (
	"slices"
	"strings"
)

// Program is what is documented.
type Program struct {
	Usage     string // what it is for, in a line
	Version   string
	Date      string // of the version, as 2006-01-02
	Commands  []Command
	ExitCodes []ExitCode
}

// ExitCode is one with its meaning.
type ExitCode struct {
	Code    int
	Meaning string
}

// Command is one command.
type Command struct {
	Name        string
	Args        string // its arguments, as "[PORT...]"
	Usage       string // what it is for, in a line
	Description string
	Examples    string // lines
	Flags       []Flag
}

// TakesFiles reports whether arguments are files.
func (c Command) TakesFiles() bool {
	return strings.Contains(c.Args, "FILE") || strings.Contains(c.Args, "OLD")
}

// Flag is a flag of a command.
type Flag struct {
	Names     []string // without dashes, the first is the long one
	Value     string   // what its value is, in capitals; "" where it takes none
	Text      string   // what it does, behind Value
	Default   string
	Values    []string // the words that it takes, if they are few
	TakesFile bool
}

// Dashed are its names with their dashes.
func (f Flag) Dashed() []string {
	var out []string
	for _, n := range f.Names {
		out = append(out, Dashed(n))
	}
	return out
}

// Spelling is "-p, --port PORTS", where the long names of flags without a short one are
// below those of others.
func (f Flag) Spelling() string {
	names := f.Dashed()
	slices.SortFunc(names, func(a, b string) int { return len(a) - len(b) })
	if len(names) == 1 && len(names[0]) > 2 {
		names[0] = "    " + names[0]
	}
	s := strings.Join(names, ", ")
	if f.Value != "" {
		s += " " + f.Value
	}
	return s
}

// Description is what it does, and its default.
func (f Flag) Description() string {
	if f.Default != "" && f.Value != "" {
		return f.Text + " (default " + f.Default + ")"
	}
	return f.Text
}

// About is what it does, with the name of its value.
func (f Flag) About() string { return strings.TrimSpace(f.Value + " " + f.Text) }

// Dashed is a flag's name with its dashes.
func Dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
