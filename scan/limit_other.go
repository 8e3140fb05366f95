//go:build !unix

package scan

import "math"

// descriptors is how many sockets this process may have: other systems have no
// such limit.
func descriptors() int { return math.MaxInt32 }
