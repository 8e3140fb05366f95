// Package target turns what a user names (addresses, networks, ranges, host
// names, files of them) into a Plan: a numbered list of endpoints, addresses ×
// ports, that is never written out. NewPlan reads and resolves targets and cuts
// out what is excluded or must not be scanned; an Order permutes the numbers, a
// Shard takes a part of that order, and a Fingerprint compares plans.
package target
