//go:build !linux

package watch

// destroyed receives nothing: these systems do not report the end of sockets.
type destroyed struct{}

func listenDestroyed() *destroyed { return nil }

func (*destroyed) events() <-chan []uint64 { return nil }

func (*destroyed) close() {}
