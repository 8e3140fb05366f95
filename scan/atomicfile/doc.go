// Package atomicfile replaces files as a whole or not at all, even if the machine
// stops in the middle: reports and checkpoints.
package atomicfile
