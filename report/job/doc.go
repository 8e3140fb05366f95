// Package job answers what a command does between its flags and its report: which
// endpoints it probes or scans, and which records come of it.
package job
