package report

import (
	"slices"
	"strings"
)

// Nearest is the word that s was most likely meant to be, as a question to
// append to an error, or "" if none is near.
func Nearest(s string, words []string) string {
	best, least := "", 3 // so many changes are another word
	for _, w := range words {
		if d := distance(strings.ToLower(s), strings.ToLower(w)); d < least && d < len(w) {
			best, least = w, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is how many characters are to be inserted, left out, replaced or
// swapped with their neighbour to make a into b (Damerau and Levenshtein,
// restricted). Long strings are far from everything.
func distance(a, b string) int {
	if len(a) > 200 {
		return len(a)
	}
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last = last, slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
