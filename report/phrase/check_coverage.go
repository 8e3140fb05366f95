package phrase

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/netns"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
	"onmux/probe/wording"
	"onmux/report/phrase/packets"
)

// CheckCoverage is what was and was not looked at, a sentence each.
func CheckCoverage(c local.Coverage) []string {
	if len(c.Sources) == 0 {
		return nil // it ended before
	}
	all := slices.Concat(
		sources(c),
		notReported(c),
		otherProtocols(c),
		namespacesCoverage(c.Namespaces),
		packets.Coverage(c.Rules),
		programsCoverage(c),
	)
	if c.AllPorts {
		all = append(all, packets.Wide(c.Wide)...)
	}
	return slices.Concat(all, traceCoverage(c.Trace), ownersCoverage(c))
}

// otherProtocols is what else has ports and was not looked at.
func otherProtocols(c local.Coverage) []string {
	if !c.NetNS {
		return []string{"protocols other than TCP and UDP, and ranges in which the system lets nobody bind: not looked at"}
	}
	return []string{"packet, SCTP, DCCP and UDP-Lite sockets: not looked at"}
}

// CheckHints is what more privileges or a newer kernel would report.
func CheckHints(c local.Coverage) []string {
	var all []string
	for _, s := range c.Sources {
		hint := ""
		switch {
		case s.From == socket.FromKernel && s.NoBound && s.BoundErr == nil:
			hint = "Linux 6.8 and newer list sockets that are bound and do not listen"
		case s.Err == socket.ErrOwnOnly:
			hint = "run as root to see the sockets of every user"
		}
		if hint != "" && !slices.Contains(all, hint) {
			all = append(all, hint)
		}
	}
	if c.Trace.WouldDecide {
		all = append(all, "--trace binds the port for a moment, which fails if a socket that cannot be seen holds it")
	}
	if c.Namespaces.Denied && !c.Can(local.CapSysAdmin) {
		all = append(all, privilege(c, "CAP_SYS_ADMIN")+" is needed to look at every network namespace")
	}
	all = append(all, packets.Hints(c.Rules, !c.Trace.Asked && c.Trace.TCP)...)
	if o := c.Owners; o.Asked && o.Found < o.All && (o.Unreadable > 0 || o.Hidden || !c.Root) &&
		!c.Can(local.CapSysPtrace) {
		all = append(all, privilege(c, "CAP_SYS_PTRACE")+" is needed to see every owner")
	}
	if errors.Is(c.Owners.Err, fs.ErrNotExist) {
		all = append(all, "/proc is not there, by which owners of sockets and other network namespaces are found")
	}
	if c.Owners.Masked {
		all = append(all, "secrets in command lines are masked: --unmask shows them")
	}
	return all
}

// privilege is what is needed: of root in a container a capability is missing.
func privilege(c local.Coverage, capability string) string {
	if c.Root {
		return capability
	}
	return "root"
}

// sources is where the sockets of each protocol were read, protocols alike in one
// sentence, and which family was not asked for.
func sources(c local.Coverage) []string {
	var order []string
	protos := make(map[string][]string) // by the rest of the sentence
	for _, s := range c.Sources {
		what := from(s)
		if protos[what] == nil {
			order = append(order, what)
		}
		protos[what] = append(protos[what], strings.ToUpper(s.Proto.String()))
	}
	var all []string
	for _, what := range order {
		all = append(all, strings.Join(protos[what], " and ")+" sockets"+what)
	}
	switch {
	case !c.IPv6:
		all = append(all, "IPv6 not looked at (-4)")
	case !c.IPv4:
		all = append(all, "IPv4 not looked at (-6)")
	}
	return all
}

// sourceNames has the name of each place that sockets are read from.
var sourceNames = map[socket.From]string{
	socket.FromKernel: "the kernel (sock_diag)", socket.FromProc: "/proc/net",
	socket.FromTable: "the kernel", socket.FromLsof: "lsof",
}

// from continues a sentence that begins with the protocol's sockets.
func from(s socket.Source) string {
	families := "IPv4 and IPv6"
	switch {
	case !s.IPv6:
		families = "IPv4"
	case !s.IPv4:
		families = "IPv6"
	}
	switch name := sourceNames[s.From]; {
	case s.From == "":
		return fmt.Sprintf(", %s: not read: %v", families, s.Err)
	case s.Err != nil:
		return fmt.Sprintf(", %s, from %s: not all read: %v", families, name, s.Err)
	case s.Fallback != nil:
		return fmt.Sprintf(", %s, from %s because of: %v", families, name, s.Fallback)
	default:
		return fmt.Sprintf(", %s, from %s", families, name)
	}
}

// notReported is what the sources do not report.
func notReported(c local.Coverage) []string {
	var all []string
	if c.NoIPv6 {
		all = append(all, "IPv6: not available in this kernel")
	}
	if !c.NetNS {
		all = append(all, "whether an IPv6 socket takes IPv4 too, devices and accept queues: not reported by this system",
			"NAT redirects and firewalls: not looked at")
	}
	const bound = "TCP sockets that are bound and do not listen: "
	for _, s := range c.Sources {
		switch {
		case s.From == socket.FromProc && s.Proto == probe.TCP:
			all = append(all, "TCP: not in /proc/net: sockets that are bound and do not listen, "+
				"whether [::] takes IPv4, devices and accept queues")
		case s.From == socket.FromProc:
			all = append(all, strings.ToUpper(s.Proto.String())+": not in /proc/net: whether [::] takes IPv4 and devices")
		case !s.NoBound:
		case s.From != socket.FromKernel:
			all = append(all, bound+"not listed by this system")
		case s.BoundErr != nil:
			all = append(all, fmt.Sprintf("%snot known if this kernel lists them (%v)", bound, s.BoundErr))
		default:
			all = append(all, bound+"not listed by this kernel")
		}
	}
	if c.Settled {
		all = append(all, "other network namespaces and NAT rules: not looked at, because something listens on every port")
	}
	return all
}

// namespacesCoverage is which other network namespaces were looked at.
func namespacesCoverage(c netns.Coverage) []string {
	if !c.Looked {
		return nil
	}
	var all []string
	add := func(format string, args ...any) {
		all = append(all, "other network namespaces: "+fmt.Sprintf(format, args...))
	}
	if c.Err != nil {
		add("not looked at: %v", c.Err)
		return all
	}
	// A socket, a descriptor or a bind in another mount namespace keeps one alive too.
	const by = "found by the processes that can be seen here and the names in /run/netns and /run/docker/netns; " +
		"one that neither has is not found"
	if c.Read == 0 {
		add("none %s", by)
	} else {
		add("%s looked at, %s", wording.Number(c.Read), by)
	}
	if c.ByProc > 0 {
		add("%s of them through /proc/net, which does not list sockets that are bound and do not listen, "+
			"devices and accept queues", wording.Number(c.ByProc))
	}
	if c.Failed > 0 {
		add("%s not read, or not wholly: %v", wording.Number(c.Failed), c.FailedErr)
	}
	if c.Unknown > 0 {
		add("those of %s not known: %v", wording.Count(c.Unknown, "process", "processes"), c.UnknownErr)
	}
	if len(c.Closed) > 0 {
		var names []string
		for _, name := range c.Closed {
			names = append(names, wording.Printable(name))
		}
		add("%s not entered: %v", wording.Some(names, ", ", "more", "more"), c.ClosedErr)
	}
	if c.Hidden {
		add("those of processes that /proc hides (hidepid) not seen")
	}
	if c.Beyond > 0 {
		add("%s more than %s not looked at", wording.Number(c.Beyond), wording.Number(netns.MaxNamespaces))
	}
	return all
}

// traceCoverage is what was connected to and bound.
func traceCoverage(t local.TraceCoverage) []string {
	switch {
	case !t.Asked:
		return nil
	case t.Unsupported:
		return []string{"--trace: not done on this system"}
	}
	var all []string
	if t.Made > 0 {
		all = append(all, fmt.Sprintf(
			"traced by %s from this machine, which NAT rules for what comes from outside do not touch",
			wording.Count(t.Made, "TCP connection", "TCP connections")))
	}
	if t.Left > 0 {
		all = append(all, fmt.Sprintf(
			"not traced: %s of %s addresses; %d is the most", wording.Number(t.Left), wording.Number(t.Made+t.Left),
			trace.MaxAttempts))
	}
	if t.UDP {
		all = append(all, "UDP: not traced, because nothing answers a connection there")
	}
	if t.TooMany {
		all = append(all, fmt.Sprintf(
			"binding was tried for the first %d ports on which nothing listens", trace.MaxTrials))
	}
	return all
}

// ownersCoverage is how many owners were found.
func ownersCoverage(c local.Coverage) []string {
	o := c.Owners
	if !o.Asked {
		return []string{"owners: not looked for"}
	}
	line := fmt.Sprintf("owners of %s of %s", wording.Number(o.Found),
		wording.Count(o.All, "socket", "sockets"))
	switch {
	case o.Err != nil:
		line += ": " + o.Err.Error()
	case o.Found < o.All && o.Unreadable > 0 && c.Can(local.CapSysPtrace):
		line += fmt.Sprintf(": %s not readable", wording.Count(o.Unreadable, "process", "processes"))
	case o.Found < o.All && o.Unreadable > 0:
		line += fmt.Sprintf(": %s not readable without %s",
			wording.Count(o.Unreadable, "process", "processes"), privilege(c, "CAP_SYS_PTRACE"))
	case o.Found < o.All && o.Hidden:
		line += ": /proc hides the processes of others (hidepid), which cannot be read without " +
			privilege(c, "CAP_SYS_PTRACE")
	}
	if o.Candidates {
		return []string{line, "candidates: processes in the cgroup in which a socket was made, or of its user; " +
			"none is known to hold it"}
	}
	return []string{line}
}
