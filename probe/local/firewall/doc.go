// Package firewall finds what becomes of new connections to a port on their way to a
// socket, out of what package ruleset read: whether they are accepted, dropped or
// rejected, for which of them, and by which rule. Where a rule depends on something
// that is not known, so is the outcome, with the condition.
package firewall
