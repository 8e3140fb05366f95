// Package service identifies the service on an open endpoint. A request (package
// request) makes the peer answer, every answer is compared with every row of the
// tables of rules, whichever request it answers, and the most specific row wins. A peer
// that no rule knows is reported as "unknown", with the kind of bytes that it sent. All
// that a peer sends is bounded in size and in time.
//
// identify.go is the whole of an identification; search.go decides what is sent when,
// busy.go what is closed so that a busy peer can answer, findings.go what an answer is
// worth beside the others; rules*.go are the tables of what is known of answers. A
// protocol that needs more than a row has a file of its own for what the row names.
package service
