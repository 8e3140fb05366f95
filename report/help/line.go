package help

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Syntax is what must be known of a flag to read a command line.
type Syntax struct {
	Value bool // a value belongs to it
	Time  bool // … which is a duration
}

// Line is a command line split into flags and arguments.
type Line struct {
	Flags []string // each whole: "--name" or "--name=value"
	Args  []string
	First int    // index of Args[0] in the line
	Err   error  // the first thing wrong
	Wrong string // the unknown flag that Err is about, if it is about one, as it was typed
}

func (w *Line) arg(at int, args ...string) {
	if len(w.Args) == 0 {
		w.First = at
	}
	w.Args = append(w.Args, args...)
}

// Split separates flags from arguments. It understands --name value, --name=value, the
// same with one dash, -p80, and -qv for -q -v.
func Split(line []string, known map[string]Syntax) Line {
	var w Line
	for i := 0; i < len(line); i++ {
		if line[i] == "--" {
			w.arg(i+1, line[i+1:]...)
			break
		}
		if len(line[i]) < 2 || line[i][0] != '-' {
			w.arg(i, line[i])
			continue
		}
		flags := expandCluster(line[i], known)
		if written, _, _ := strings.Cut(line[i], "="); len(flags) != 1 || flags[0] != line[i] {
			if strings.HasPrefix(written, "-o") && Foreign("", written) != "" { // -oX is no -o X
				flags = line[i : i+1]
			}
		}
		for _, flag := range flags {
			name, given := FlagName(flag), strings.Contains(flag, "=")
			f, ok := known[name]
			switch {
			case !ok && w.Err == nil:
				w.Wrong, _, _ = strings.Cut(flag, "=")
				w.Err = fmt.Errorf("unknown flag %s", w.Wrong)
			case ok && f.Value && !given && (i+1 == len(line) || strings.HasPrefix(line[i+1], "--")):
				if w.Err == nil {
					w.Err = fmt.Errorf("%s needs a value", Dashed(name))
				}
			case ok && f.Value && !given:
				i++
				flag += "=" + line[i]
			}
			if f.Time {
				flag = inSeconds(flag)
			}
			w.Flags = append(w.Flags, flag)
		}
	}
	return w
}

// FlagName is the name of a flag as it is written: of "--name" and "--name=value" it is name.
func FlagName(word string) string {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	return name
}

// inSeconds adds the unit to a duration that is a number: --wait=5 is --wait=5s.
func inSeconds(flag string) string {
	_, value, _ := strings.Cut(flag, "=")
	if n, err := strconv.ParseFloat(value, 64); err != nil || math.IsInf(n, 0) || math.IsNaN(n) ||
		strings.Trim(value, "0123456789.") != "" {
		return flag
	}
	return flag + "s"
}

// expandCluster turns a cluster of short flags into single ones: -qp80 into -q -p=80.
func expandCluster(word string, known map[string]Syntax) []string {
	name, _, _ := strings.Cut(word[1:], "=")
	if _, whole := known[name]; whole || word[1] == '-' {
		return []string{word}
	}
	var out []string
	for i := 1; i < len(word); i++ {
		short := word[i : i+1]
		f, ok := known[short]
		if !ok {
			return []string{word}
		}
		if f.Value && i+1 < len(word) {
			return append(out, "-"+short+"="+strings.TrimPrefix(word[i+1:], "="))
		}
		out = append(out, "-"+short)
	}
	return out
}
