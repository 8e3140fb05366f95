// Package farend lets two machines prove to each other that the path between them works: one
// asks, and the other, which holds the same key, answers. An answer with a valid code comes
// from that machine and from nothing in between; it states how the question arrived.
//
// Over UDP many questions measure loss, reordering and duplicates for each direction, and
// questions that must not be fragmented the size that passes. Answers are never longer than
// questions, and only questions with a valid code are answered, so nobody without the key can
// make a far end send anything.
package farend
