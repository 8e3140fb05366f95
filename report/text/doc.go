// Package text writes reports for people: what is worth a line as soon as it is
// known, tables and totals at the end, within the width of the terminal and in
// colours if it has them.
package text
