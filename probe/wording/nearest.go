package wording

import "strings"

// Nearest is the first of the words that need the fewest edits to become s, if those are
// at most two and at most half of s; or "". Case does not matter.
func Nearest(s string, words []string) string {
	s = strings.ToLower(s)
	best, limit := "", min(2, len(s)/2)
	for _, w := range words {
		if d := edits(s, strings.ToLower(w), limit); d <= limit && d < len(w) {
			best, limit = w, d-1
		}
	}
	return best
}

// DidYouMean asks after the nearest word, to go on after an error; "" if none is near.
func DidYouMean(s string, words []string) string {
	if near := Nearest(s, words); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// edits is how many bytes must be inserted, removed, replaced or swapped with their
// neighbor to make b of a (Damerau 1964, Levenshtein 1966; no byte twice), or something
// above limit if it is more than that.
func edits(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	var rows [3][]int
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, up, upup := rows[i%3], rows[(i+2)%3], rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := up[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, up[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], upup[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
