// Package forecast predicts what a scan would do, before anything is sent.
package forecast
