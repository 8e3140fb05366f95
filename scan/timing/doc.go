// Package timing is when the probes of a scan leave and how long their answers are
// waited for: the rate (Pacer), the round trips (Estimator), and when each position
// of the order was asked (SendTimes).
package timing
