// Package service answers what speaks on an open endpoint. A question draws
// bytes from the peer, every answer is held against every row of the tables of
// rules, whichever question drew it, and the most specific row wins. A peer that
// speaks in a tongue no rule knows is told as "unknown" with the shape of what
// it said. All that a peer sends is bounded in size and in time.
//
// search.go decides what is asked when, serial.go what is left so that a busy
// peer can answer, doubt.go what an answer is worth beside the others;
// questions.go and questions_udp.go are the tables of what is asked, rules*.go
// those of what is known of answers. A protocol that needs more than a row has a
// file of its own for what the rows name: a question's text or dialogue, a rule's
// matcher.
package service
