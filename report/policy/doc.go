// Package policy reads, runs and judges policies: files of rules about ports of this
// machine, remote endpoints and networks. A rule becomes expectations, which package expect
// judges like those of the command line. The commands that find things out are passed in.
// Errors about a file name the line and column.
package policy
