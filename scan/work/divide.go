package work

import (
	"math"
	"slices"
)

const (
	// minTime is how long the slowest worker takes for the smallest segment, in seconds: the waits at
	// its end take about two.
	minTime = 20

	// maxTime is how long it takes for the largest, which is what is lost when a worker dies.
	maxTime = 300

	minSegment = 64 // endpoints

	// slack is how much longer the rest of the scan takes, at any time, than the slowest worker takes
	// for the next segment.
	slack = 1.25
)

// divide divides n endpoints among workers of these speeds, in probes a second: it returns where
// segments begin, and n. Segments become smaller towards the end, as in guided self-scheduling
// (Polychronopoulos and Kuck 1987), by the speed of the slowest worker: none of them works on its
// last segment for long when the others have ended. At most a MaxSegments-th of the endpoints is
// in the smallest.
func divide(n uint64, speeds []float64) []uint64 {
	if len(speeds) == 0 {
		speeds = []float64{1, 1, 1, 1} // nobody is there yet
	}
	slowest, sum := slices.Min(speeds), 0.0
	for _, v := range speeds {
		sum += v
	}
	share := slowest / sum / slack
	least := max(min(slowest*minTime/2, math.Ceil(float64(n)*slowest/sum)), minSegment, float64(n)/(MaxSegments/2))
	most := max(slowest*maxTime/2, least)
	cuts := []uint64{0}
	for at := uint64(0); at < n; {
		size := uint64(min(max(float64(n-at)*share, least), most))
		if n-at < size+uint64(least)/2 { // the rest is no segment of its own
			size = n - at
		}
		at += size
		cuts = append(cuts, at)
	}
	return cuts
}
