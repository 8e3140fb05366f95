package phrase

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/probe/local/trace"
	"onmux/probe/wording"
	"onmux/report/phrase/packets"
)

// Complete writes the sentences of the records of a check, several at a time.
func Complete(r *local.Report) {
	const few = 512 // take no longer than a goroutine does to start
	n := min(runtime.GOMAXPROCS(0), 1+len(r.Verdicts)/few)
	var workers sync.WaitGroup
	for part := range slices.Chunk(r.Verdicts, max(1, (len(r.Verdicts)+n-1)/n)) {
		workers.Go(func() {
			for i := range part {
				completeVerdict(&part[i])
			}
		})
	}
	workers.Wait()
	for i := range r.Listeners {
		r.Listeners[i].ProxyFor = proxyTarget(r.Listeners[i].Proxy)
	}
}

// completeVerdict writes the sentences of a verdict from its facts.
func completeVerdict(v *local.Verdict) {
	if v.Facts == nil {
		return // it was read back, and has them
	}
	f := *v.Facts
	for i := range v.Redirects {
		packets.CompleteRedirect(&v.Redirects[i])
	}
	for i := range v.Firewall {
		packets.CompleteOutcome(&v.Firewall[i])
	}
	for i, a := range f.Answers {
		v.Trace[i].Text = answer(a)
	}
	for _, c := range written(f.Caveats) {
		v.Caveats = append(v.Caveats, caveat(c, f))
	}
	tried := trials(f.Bind, f.Port)
	v.Bind, v.Tried = append(obstacles(f), tried...), len(tried)
	v.Why = why(v.Cause, f) + alsoElsewhere(v.Verdict, f) + rulesBeside(v.Verdict, f) + firewallBeside(v.Verdict, f)
	v.Error = verdictError(v.Cause, f)
	v.Release = release(f.Release, f.Port)
}

// why is what a verdict was concluded from, and what might make another one.
func why(c local.Cause, f local.Facts) string {
	text := cause(c, f)
	for _, unseen := range written(f.Caveats) {
		if unseen != local.BoundUnseen || !namesUnseen(c) {
			text += "; " + caveat(unseen, f)
		}
	}
	return text
}

// written is the caveats that have a sentence of their own: that about rules and
// programs is one.
func written(all []local.Caveat) []local.Caveat {
	if !slices.Contains(all, local.RulesUnread) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(c local.Caveat) bool { return c == local.ProgramsUnread })
}

func cause(c local.Cause, f local.Facts) string {
	switch c {
	case local.SeenSocket:
		switch {
		case len(groups(f.Listeners, local.Listening)) > 0:
			return listening(f)
		case len(groups(f.Listeners, local.Bound)) > 0:
			return bound(f)
		}
		return "nothing listens" + connections(f)
	case local.Appeared:
		return "nothing listened at first, and then something did: " + answered(f)
	case local.UnseenSocket:
		return "held by a socket that cannot be seen, but that prevents binding"
	case local.SentOn:
		how := "sent on " + packets.Redirects(f.NAT.Redirects) + behindRules(f.NAT.Redirects)
		if len(f.NAT.Redirects) == 0 {
			how = answered(f) + "; something sends it on, NAT or the like"
		}
		return fmt.Sprintf("%s; nothing listens on %d itself%s", how, f.Port.Number, connections(f))
	case local.OtherNamespace:
		return inOtherNamespaces(f)
	case local.NotRead, local.Interrupted, local.TimedOut:
		return "could not look"
	}
	return unused(f)
}

// verdictError is why a verdict is unknown; "" of others.
func verdictError(c local.Cause, f local.Facts) string {
	switch c {
	case local.NotRead:
		return f.Source.Err.Error()
	case local.Interrupted:
		return "it was interrupted"
	case local.TimedOut:
		return "the time ran out"
	case local.BoundNotListed:
		return boundUnseen
	case local.LostConnections:
		return "connections get no answer here, and not every NAT rule could be read: one may send them on"
	}
	return ""
}

const boundUnseen = "one that is bound and does not listen cannot be seen"

func caveat(c local.Caveat, f local.Facts) string {
	switch c {
	case local.BoundUnseen:
		return boundUnseen
	case local.NamespacesUnseen:
		return "not every other network namespace could be looked at"
	case local.RulesUnread:
		if slices.Contains(f.Caveats, local.ProgramsUnread) {
			return "not every NAT rule and BPF program could be read, and one may send arrivals on"
		}
		return "not every NAT rule could be read, and one may send arrivals on"
	case local.ProgramsUnread:
		return "BPF programs could not be listed, and one may send arrivals on"
	case local.ProgramsUnknown:
		return packets.UnknownPrograms(f.Programs.Unknown)
	case local.ServicesUnknown:
		return "IPVS, the kernel's load balancer, may send arrivals on"
	case local.RawSockets:
		return "a raw socket receives what comes for every port of " + strings.ToUpper(f.Port.Proto.String()) +
			", and may answer"
	case local.RulesUnknown:
		return packets.UnknownRules(f.NAT.Unknown)
	}
	return string(c)
}

// namesUnseen reports whether the cause has the caveat about bound sockets.
func namesUnseen(c local.Cause) bool {
	return c == local.NothingFound
}

// unused is about a port that no socket uses here.
func unused(f local.Facts) string {
	text := fmt.Sprintf("no socket %s uses %s", here(f), f.Port)
	if f.BoundUnseen() {
		text += "; " + boundUnseen
	}
	return text
}

func here(f local.Facts) string {
	if f.NetNS != "" {
		return "in this network namespace"
	}
	return "on this machine"
}

// inOtherNamespaces is about a port that is held in other namespaces alone. It goes on
// behind "free here; ".
func inOtherNamespaces(f local.Facts) string {
	var parts []string
	for _, n := range f.Elsewhere.Namespaces {
		parts = append(parts, namespace(n))
	}
	return "in use " + wording.Some(parts, "; ", "more network namespace", "more network namespaces") + connections(f)
}

// namespace names who holds the port in a namespace, and how far that reaches: its
// addresses are not this machine's.
func namespace(n local.Namespace) string {
	var parts []string
	for _, g := range slices.Concat(groups(n.Listeners, local.Listening), groups(n.Listeners, local.Bound)) {
		part := g.holder + " on " + g.addresses()
		switch {
		case g.sockets[0].State == local.Bound:
			part += ", not listening"
		case g.reach() == "any":
			part += ", every address of that namespace"
		case g.reach() == "loopback":
			part += ", reachable from that namespace only"
		}
		parts = append(parts, part)
	}
	return "in network namespace " + wording.Printable(
		n.Name,
	) + ": " + wording.Some(
		parts,
		" and ",
		"more holder",
		"more holders",
	)
}

// alsoElsewhere is about a port that is held, or may be, in the caller's own
// namespace too.
func alsoElsewhere(word local.Word, f local.Facts) string {
	var names []string
	for _, n := range f.Elsewhere.Namespaces {
		names = append(names, wording.Printable(n.Name))
	}
	if len(names) == 0 || word == local.Elsewhere {
		return ""
	}
	verb := "also"
	if word == local.Unknown {
		verb = "held"
	}
	return fmt.Sprintf("; %s in %s (%s)", verb,
		wording.Count(len(names), "other network namespace", "other network namespaces"),
		wording.Some(names, ", ", "more", "more"))
}

// answered is about a port on which nothing listens and which answers.
func answered(f local.Facts) string {
	var parts []string
	for _, a := range f.Answers {
		if a.Answered() {
			parts = append(parts, answer(a))
		}
	}
	return strings.Join(parts, "; ")
}

// answer is what came of a connection.
func answer(a local.Answer) string {
	at := ""
	if a.Backend.IsValid() && a.Backend != a.To {
		at = " on " + a.Backend.String()
	}
	text := outcome(a, holder(a.Listener), at)
	if a.Behind != nil {
		text += "; behind it: " + behind(*a.Behind)
	}
	return text
}

// outcome states what came of a connection that somebody answered at an address.
func outcome(a local.Answer, by, at string) string {
	although := ""
	if a.Listening {
		although = ", although a socket listens there"
	}
	switch a.Outcome {
	case trace.Accepted:
		return fmt.Sprintf("%s is answered by %s%s", a.To, by, at)
	case trace.Waiting:
		return fmt.Sprintf("%s: the kernel accepted%s, the application has not: %s", a.To, at, by)
	case trace.Closed:
		return fmt.Sprintf("%s is answered by %s%s, which closes the connection at once", a.To, by, at)
	case trace.Reset:
		return fmt.Sprintf("%s is answered by %s%s, which resets the connection at once", a.To, by, at)
	case trace.Outside:
		return fmt.Sprintf("%s answers from outside this network namespace, or from behind source NAT", a.To)
	case trace.Answered:
		return fmt.Sprintf("%s is answered; by which socket could not be seen: %v", a.To, a.Err)
	case trace.Refused:
		if a.Listening {
			although += ": a firewall resets them, most likely"
		}
		return fmt.Sprintf("%s refuses connections%s", a.To, although)
	case trace.Rejected:
		return fmt.Sprintf("%s: a firewall rejects connections (%v)%s", a.To, a.Err, although)
	case trace.Silent:
		if a.Listening {
			although += ": a firewall drops them, or the accept queue is full"
		}
		return fmt.Sprintf("%s does not answer within %s%s", a.To, trace.ConnectTimeout, although)
	}
	return fmt.Sprintf("%s was not connected to: %v", a.To, a.Err)
}

// behind is "nginx (pid 12, root) on 172.17.0.2:80 in network namespace web".
func behind(b owner.Behind) string {
	text := holder(local.Listener{Owners: b.Owners}) + " on " + b.Address
	if b.NetNS != "" && b.NetNS != local.OwnNetNS {
		text += " in network namespace " + wording.Printable(b.NetNS)
	}
	return text
}
