package ports

import "onmux/probe/wording"

// Nearest is the registered name that name was most likely meant to be: the nearest,
// at most two edits away, and of those with the lowest port. It is "" if there is none.
func Nearest(name string) string {
	if len(name) < 3 || len(name) > maxName {
		return ""
	}
	var names []string
	for r := range lines(registry()) {
		names = append(names, r.name)
	}
	return wording.Nearest(name, names)
}
