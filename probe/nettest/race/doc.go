// Package race answers whether a test has the race detector, which makes it ten times slower.
// Many cases of one kind, or large sizes, find no more races: where a test has them for another
// reason, it takes one in so many then, and all without the detector.
package race
