package ports

import "strings"

// Nearest is the registered name that name was most likely meant to be: the nearest,
// at most two edits away, and of those with the lowest port. It is "" if there is none.
func Nearest(name string) string {
	name = strings.ToLower(name)
	if len(name) < 3 || len(name) > maxName {
		return ""
	}
	best, distance := "", min(2, len(name)/2)+1
	for r := range lines(0) {
		candidate := strings.ToLower(r.name)
		if d := EditDistance(name, candidate, distance); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// EditDistance is how many bytes must be inserted, removed, replaced or swapped with
// their neighbour to make b of a (Damerau 1964, Levenshtein 1966), or something
// above most if it is more than that.
func EditDistance(a, b string, most int) int {
	if len(a) > maxName || len(b) > maxName || len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	var rows [3][maxName + 1]int
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, up, upup := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
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
