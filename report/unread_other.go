//go:build !unix

package report

import "io"

// WhenUnread waits for nothing: writing fails once nobody reads.
func WhenUnread(io.Writer, func()) (stop func()) { return func() {} }
