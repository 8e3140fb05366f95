package phrase

import (
	"onmux/probe/local"
	"onmux/probe/local/firewall"
	"onmux/report/phrase/packets"
	"onmux/report/record"
)

// FirewallColumn is what the firewall does with connections from outside to a socket, in a
// word; "" where none come, or that is not known.
func FirewallColumn(v local.Verdict, l local.Listener) string {
	if l.Reach == "loopback" || record.Elsewhere(l) {
		return ""
	}
	family := l.Family
	if family == "dual" {
		family = ""
	}
	var word string
	for _, o := range packets.Outcomes(v.Firewall, firewall.Outside, family) {
		switch next := string(o.Verdict); {
		case word == "":
			word = next
		case word != next && (word == string(firewall.Accept) || next == string(firewall.Accept) || word == "accept some"):
			word = "accept some"
		case word != next:
			word = string(firewall.Drop) // the ways in which they do not arrive
		}
	}
	return word
}
