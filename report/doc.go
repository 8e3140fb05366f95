// Package report brings a command's findings to its outputs. A Run does a job and
// sends its records as one stream to the Sinks, which write it in each format that
// was asked for; Replay sends a saved report instead. The formats are packages
// below this one. Nothing here decides an exit code, and nothing from outside
// reaches a terminal before its control characters were made visible.
package report
