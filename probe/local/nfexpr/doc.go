// Package nfexpr reads of what the rules of nf_tables consist: expressions, those that
// stand for matches and targets of iptables, the elements of sets, and what a rule
// depends on. It follows nothing: package ruleset does.
package nfexpr
