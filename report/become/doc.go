// Package become answers how this process becomes another command when what was expected of
// a port holds: with its process ID, environment and standard streams, as of an image
// without a shell.
package become
