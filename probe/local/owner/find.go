package owner

import (
	"context"

	"onmux/probe/local/socket"
)

// Scan is which processes hold which sockets.
type Scan struct {
	Of         map[uint64][]Owner // by Socket.Holder
	Listed     []int              // processes that were looked at, sorted
	Unreadable []int              // those of them whose descriptors could not be read, sorted
	Hidden     bool               // there are processes that are not listed
}

// Owners is what is known of the owners; the zero value: they were not looked for.
type Owners struct {
	Scan
	Unmask  bool              // command lines have their secrets
	Origins map[uint64]Origin // by Socket.Holder
	Asked   bool
	Users   Users // names of the users of sockets
	Err     error // why no owner could be found
	Outside bool  // owners may be outside of the caller's PID namespace
}

// Find finds the owners of the sockets, with the secrets of their command lines only if
// unmask. The error is the context's.
func Find(ctx context.Context, sockets []socket.Socket, unmask bool) (Owners, error) {
	holders := make([]uint64, len(sockets))
	for i, s := range sockets {
		holders[i] = s.Holder
	}
	found, err := scanOwners(ctx, holders, unmask)
	o := Owners{Scan: found, Unmask: unmask, Asked: true, Err: err, Users: make(Users), Outside: inPIDNamespace()}
	if ctx.Err() == nil {
		o.Origins = findOrigins(ctx, sockets, found)
	}
	return o, ctx.Err()
}

// Incomplete reports whether there are processes that could not be looked at.
func (o Scan) Incomplete() bool { return len(o.Unreadable) > 0 || o.Hidden }
