package probe

import "context"

// Dial is the portable attempt, which tests run on every system.
func Dial(ctx context.Context, e Endpoint, o Options) (Result, error) {
	if e.Proto == TCP {
		return attempt(ctx, e, o, dialTCP)
	}
	return attempt(ctx, e, o, dialUDP)
}
