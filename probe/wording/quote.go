package wording

import "strconv"

// Quote quotes what a user wrote so that it fits a line, whatever it holds.
func Quote(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
