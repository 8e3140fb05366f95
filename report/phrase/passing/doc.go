// Package passing has the sentences about packets that somebody saw pass: how much passed
// between clients and an endpoint, and what of a capture was and was not looked at.
package passing
