//go:build !linux

package probe

import "context"

// hasHopLimit: sockets do not receive the ICMP messages of routers.
const hasHopLimit = false

func connectTCP(ctx context.Context, e Endpoint, o Options) (Result, error) {
	return dialTCP(ctx, e, o)
}

func exchangeUDP(ctx context.Context, e Endpoint, o Options) (Result, error) {
	return dialUDP(ctx, e, o)
}
