// Package method answers how a scan probes: by packets of its own (package raw) or by
// connections and sockets (package connect), and makes the engine that does.
package method
