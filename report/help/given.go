package help

import (
	"cmp"
	"slices"
	"strings"
)

// GivenValues finds the values of a flag in a command line that may otherwise be wrong; "" is
// the last.
func GivenValues(args []string, names ...string) (values []string) {
	for i, a := range args {
		if a == "--" {
			break
		}
		name, value, given := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(a, "-"), "-"), "=")
		switch {
		case !strings.HasPrefix(a, "-"):
		case slices.Contains(names, name) && given:
			values = append(values, value)
		case slices.Contains(names, name) && i+1 < len(args):
			values = append(values, args[i+1])
		case len(a) > 2 && a[1] != '-' && slices.Contains(names, a[1:2]):
			values = append(values, a[2:])
		}
	}
	return append(values, "")
}

// NagiosTitle is what the output of a plugin for Nagios begins with, and whether a command
// line that may otherwise be wrong asks for it on standard output.
func NagiosTitle(args []string) (title string, asked bool) {
	for _, v := range GivenValues(args, "output", "o") {
		format, file, _ := strings.Cut(v, "=")
		asked = asked || format == "nagios" && slices.Contains([]string{"", "-", "/dev/stdout"}, file)
	}
	return cmp.Or(GivenValues(args, "title")[0], "ONMUX"), asked
}
