// Package policy reads what must hold: a file of rules about ports of this
// machine, remote endpoints and networks. A rule becomes expectations, which
// report judges like those of the command line; the package finds nothing out
// by itself. Errors name the line and column at which the file is wrong.
package policy
