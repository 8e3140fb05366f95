// Package connect is the engine that needs no privileges: it asks TCP by
// connecting and UDP from connected sockets, one attempt of probe.Do for each
// probe, many at the same time.
package connect
