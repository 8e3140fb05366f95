package phrase

import (
	"fmt"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/trace"
)

// obstacles is what is in the way of binding a port.
func obstacles(f local.Facts) []string {
	var all []string
	for _, o := range f.Bind.Obstacles {
		all = append(all, obstacle(o, f.Port.Proto))
	}
	return all
}

func obstacle(o local.Obstacle, proto probe.Proto) string {
	switch o.Kind {
	case local.NeedsPrivilege:
		return fmt.Sprintf("root or CAP_NET_BIND_SERVICE is needed below %d, and you have neither", o.Below)
	case local.HeldBySocket:
		return "the socket that holds it has to be closed first, unless both share it (SO_REUSEADDR, SO_REUSEPORT)"
	case local.HeldByPeer:
		if proto == probe.UDP {
			return "a connected socket uses the number: it has to be closed first"
		}
		return "a connection uses the number: a server that does not set SO_REUSEADDR is refused, " +
			"and so is one that does if the connection's own end did not"
	case local.HeldByTimeWait:
		return "what remains of a connection may prevent, until it ends within a minute, " +
			"a server that does not set SO_REUSEADDR"
	case local.EphemeralPort:
		return fmt.Sprintf("connections take their own ports from %d-%d, so one may come first; "+
			"net.ipv4.ip_local_reserved_ports keeps a port out of that", o.Range.First, o.Range.Last)
	case local.NoIPv6:
		return "IPv6: not available on this machine: binding [::] fails"
	case local.NoIPv6Address:
		return "IPv6: no interface has an address: binding [::1] fails, and [::] takes IPv4 only"
	case local.NoIPv6Loopback:
		return "IPv6: loopback has no ::1: binding [::1] fails"
	}
	return string(o.Kind)
}

// trials puts trials that came out alike into one sentence.
func trials(b local.Bind, p probe.Port) []string {
	var order []string
	where := make(map[string][]string)
	for _, t := range b.Trials {
		outcome := trialOutcome(t, b, p)
		if where[outcome] == nil {
			order = append(order, outcome)
		}
		where[outcome] = append(where[outcome], trialAddress(t.Family, p.Number))
	}
	var all []string
	for _, outcome := range order {
		all = append(all, fmt.Sprintf("binding %s %s", strings.Join(where[outcome], ", "), outcome))
	}
	return all
}

func trialAddress(family trace.BindFamily, port uint16) string {
	switch family {
	case trace.IPv4:
		return fmt.Sprintf("0.0.0.0:%d", port)
	case trace.Dual:
		return fmt.Sprintf("[::]:%d with IPv4", port)
	}
	return fmt.Sprintf("[::]:%d", port)
}

func trialOutcome(t trace.BindTrial, b local.Bind, p probe.Port) string {
	switch {
	case t.Outcome == trace.Bound:
		return "worked"
	case t.Outcome == trace.BoundShared && p.Proto == probe.UDP:
		return "worked only with SO_REUSEADDR, which shares it"
	case t.Outcome == trace.BoundShared:
		return "worked only with SO_REUSEADDR, which most servers set"
	case t.Outcome == trace.NoIPv6:
		return "was refused: this machine has no IPv6"
	case t.Privileged && int(p.Number) < b.Below:
		return fmt.Sprintf("was refused: %v (port below net.ipv4.ip_unprivileged_port_start %d)", t.Err, b.Below)
	}
	return fmt.Sprintf("was refused: %v", t.Err)
}
