//go:build !linux

package local

import "context"

// look takes what the system lists. The error is the context's.
func look(ctx context.Context, q query) (view, error) {
	s, err := Read(ctx, q.Query)
	return view{Survey: s, where: "on this machine"}, err
}
