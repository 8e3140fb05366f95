// Package traffic answers how much passed between clients and an endpoint, when, and what
// the clients sent first: facts about packets that somebody saw pass.
package traffic
