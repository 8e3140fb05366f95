// Package files opens what a command line names: files and standard input to read,
// and files to replace as a whole or not at all, such as reports and checkpoints.
package files
