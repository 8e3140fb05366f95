// Package routes lists which way the probes of a scan would leave this machine. It
// reads the kernel's tables and sends nothing.
package routes
