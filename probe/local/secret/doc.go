// Package secret answers which parts of a command line are secrets by their form: the
// values of flags and variables with names such as password or token, the passwords in
// URLs and connection strings, and tokens that their prefixes give away. It masks them.
// A secret that has no such form stays: nobody can know it.
package secret
