// Package interrupt ends a run by signals: the first lets it write its report, the second ends it at once.
package interrupt
