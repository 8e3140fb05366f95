// Package checkpoint keeps what a scan knows on disk, so that another process can
// go on with it: the file's format, reading it as untrusted input, writing it
// while the scan goes on, and replacing it atomically from time to time.
package checkpoint
