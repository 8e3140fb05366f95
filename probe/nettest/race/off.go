//go:build !race

package race

// Nth is how many cases there are for one that is tested.
const Nth = 1
