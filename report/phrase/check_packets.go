package phrase

import (
	"fmt"
	"slices"

	"onmux/probe/local"
	"onmux/probe/local/bpf"
	"onmux/probe/local/firewall"
	"onmux/probe/local/nat"
	"onmux/probe/wording"
	"onmux/report/phrase/packets"
)

// rulesBeside is what NAT rules do beside the verdict.
func rulesBeside(word local.Word, f local.Facts) string {
	text := ""
	if len(f.NAT.Redirects) > 0 && word != local.Redirected {
		text += "; but first, arrivals are sent on " + packets.Redirects(f.NAT.Redirects) + behindRules(f.NAT.Redirects)
	}
	if len(f.NAT.Unknown) > 0 && !slices.Contains(f.Caveats, local.RulesUnknown) {
		text += "; " + packets.UnknownRules(f.NAT.Unknown)
	}
	return text
}

// behindRules names who listens where rules send packets to.
func behindRules(all []nat.Redirect) string {
	var parts []string
	for _, r := range all {
		if r.Behind == nil {
			continue
		}
		if part := behind(*r.Behind); !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "; behind it: " + wording.Some(parts, " and ", "other", "others")
}

// firewalled continues a sentence about how far sockets can be reached with what the
// firewall does, to what comes from other machines or, where those cannot reach them,
// from this one.
func firewalled(f local.Facts, g group) string {
	scope, family := firewall.Outside, g.family()
	if g.reach() == "loopback" {
		scope = firewall.Inside
	}
	all := packets.Outcomes(f.Firewall, scope, family)
	text := packets.Clauses(all)
	switch {
	case text == "":
		return ""
	case !packets.Blocking(all):
		return ", and the firewall " + text
	}
	return ", but the firewall " + text
}

// family is the one of which all sockets of a group are; "" if they take both.
func (g group) family() string {
	family := g.sockets[0].Family
	for _, l := range g.sockets {
		if l.Family != family || l.Family == "dual" {
			return ""
		}
	}
	return family
}

// firewallBeside is what the firewall does with what is sent on, unless it accepts it.
func firewallBeside(word local.Word, f local.Facts) string {
	all := packets.Outcomes(f.Firewall, firewall.Outside, "")
	if word != local.Redirected || !packets.Blocking(all) {
		return ""
	}
	return "; but the firewall " + packets.Clauses(all)
}

// programsCoverage states which programs of BPF, and services of IPVS, were found.
func programsCoverage(c local.Coverage) []string {
	var all []string
	switch r := c.Programs; {
	case r.Status == bpf.NotPermitted:
		all = append(all, "BPF programs: not readable without "+privilege(c, "CAP_SYS_ADMIN and CAP_NET_ADMIN"))
	case r.Status == bpf.Failed:
		all = append(all, fmt.Sprintf("BPF programs: not all listed: %v", r.Err))
	case r.Status == bpf.Unsupported:
		all = append(all, "BPF programs: this kernel has none")
	}
	if len(c.Programs.Attached) > 0 {
		all = append(all, "BPF programs that may decide where packets go: "+packets.Programs(c.Programs.Attached))
	}
	switch {
	case c.ServicesErr != nil:
		all = append(all, "IPVS services: not read: "+c.ServicesErr.Error())
	case c.Services > 0:
		all = append(all, fmt.Sprintf("IPVS services of this machine: %d", c.Services))
	}
	return all
}
