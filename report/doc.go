// Package report answers how findings are told. A command opens the handlers
// that its outputs ask for, sends them one stream (a start, findings, an end),
// and every format says the same in its own way. Expectations are held against
// the same stream. Nothing here decides an exit code, and nothing from outside
// reaches a terminal before its control characters were made visible.
package report
