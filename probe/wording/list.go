package wording

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxNamed bounds how many of one kind a sentence names; it counts the others.
const MaxNamed = 3

// Some joins the first few parts and counts the others.
func Some(parts []string, between, one, many string) string {
	if n := len(parts) - MaxNamed; n > 0 {
		return strings.Join(parts[:MaxNamed], between) + between + Count(n, one, many)
	}
	return strings.Join(parts, between)
}

// Printable quotes a name that would break a line of text.
func Printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// Few lists the first of n names and counts the rest: "a, b, c and 2 more", "a and b".
func Few(names []string, n int) string {
	names = names[:min(len(names), MaxNamed)]
	if more := n - len(names); more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names, ", "), more)
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}
