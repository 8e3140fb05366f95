package local

import "context"

// ownership is who holds which socket.
type ownership struct {
	of map[uint64][]Owner // by socket.holder
	//lint:ignore U1000 only Linux asks
	listed []int // processes that were looked at, sorted
	unread []int // those of them whose descriptors could not be read, sorted
	hidden bool  // there are processes that are not listed
}

// owners is what is known of the owners; the zero value: nobody asked.
type owners struct {
	ownership
	origins map[uint64]Origin // by socket.holder
	asked   bool
	users   users // names of the users of sockets
	err     error // why no owner could be found
}

// askOwners finds the owners of the sockets. The error is the context's.
func askOwners(ctx context.Context, sockets []socket) (owners, error) {
	holders := make([]uint64, len(sockets))
	for i, s := range sockets {
		holders[i] = s.holder
	}
	found, err := findOwners(ctx, holders)
	o := owners{ownership: found, asked: true, err: err, users: make(users)}
	if ctx.Err() == nil {
		o.origins = findOrigins(ctx, sockets, found)
	}
	return o, ctx.Err()
}

// blind reports whether there are processes that could not be looked at.
func (o ownership) blind() bool { return len(o.unread) > 0 || o.hidden }
