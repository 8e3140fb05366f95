// Package phrase turns records into English: the sentences that several formats
// share, numbers and durations as people read them, and the widths of text on a
// terminal. Visible makes text from outside harmless to print.
package phrase
