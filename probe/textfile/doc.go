// Package textfile answers which lines are in a text file that people, spreadsheets and
// other programs write: in UTF-8 or UTF-16, with any line ends, blanks and comments.
package textfile
