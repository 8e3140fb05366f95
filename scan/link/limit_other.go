//go:build !unix

package link

import "math"

// RaiseFileLimit returns how many sockets this process may have: other systems have
// no such limit.
func RaiseFileLimit() int { return math.MaxInt32 }
