// Package service answers what speaks on an open endpoint. A probe draws bytes
// from the peer, every answer is held against every row of one table of rules,
// and the most specific row wins. A peer that spoke in a tongue no rule knows
// is told as "unknown" with its first bytes. All that a peer sends is bounded
// in size and in time.
package service
