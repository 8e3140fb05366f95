// Package service identifies the service on an open endpoint. A request (package
// request) makes the peer answer, and package answer names the service from what it
// sends. A peer that no rule knows is reported as "unknown", with the kind of bytes that
// it sent. All that a peer sends is bounded in size and in time.
//
// identify.go is the whole of an identification; plan.go decides what is sent next,
// search.go makes the connections for it, session.go is one of them, complete.go recognises
// the end of an answer, and findings.go what an answer is worth beside the others.
package service
