// Package nat finds to where the rules of this machine send on what comes for a port,
// out of what package ruleset read: redirects with the rule, the target and what else
// they depend on, and rules that cover a port and were not understood.
package nat
