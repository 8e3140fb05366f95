package expect

import (
	"cmp"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/firewall"
	"onmux/probe/local/owner"
	"onmux/report/phrase"
	"onmux/report/record"
)

// Holder is what must be true of every socket that listens on a port of this
// machine, or is in another state that is expected. What is zero is not asked for.
type Holder struct {
	Addr       string // "loopback", "any", "inside", "outside" or an address
	Process    string // name of an owner
	User       string // of an owner, or of the socket, by name or number
	Unit       string // systemd unit of an owner, or in which the socket was made
	MaxBacklog *uint32
	// "bound,free": the verdicts that are expected, of which a socket makes one; "" is that something listens
	States string
	Found  bool // the ports were found, not asked for: one that is held in another network namespace alone is no fault
}

// OfHolder makes an expectation of h. A port on which nothing listens does
// not meet it; an owner that could not be seen leaves it undecided.
func OfHolder(h Holder) (Expectation, error) {
	if words := []string{"", "loopback", "any", inside, outside}; !slices.Contains(words, h.Addr) {
		if _, err := netip.ParseAddr(h.Addr); err != nil {
			return Expectation{}, fmt.Errorf(
				"%q is not an address to expect: loopback, any, inside, outside or an IP address", h.Addr)
		}
	}
	return Expectation{text: "holder", holder: &h}, nil
}

// Of is h where the expectations name the verdicts: "bound" is of sockets that
// are bound. Counts name none for each port.
func (h Holder) Of(expect []Expectation) Holder {
	var words []string
	held := false
	for _, e := range expect {
		if e.op == "" {
			words = append(words, e.words...)
			held = held || slices.ContainsFunc(e.words, func(w string) bool {
				return slices.Contains([]local.Word{local.Listening, local.Bound, local.Connected}, local.Word(w))
			})
		}
	}
	if held {
		h.States = strings.Join(words, ",")
	}
	return h
}

// about reports whether a socket in that state is held against h.
func (h Holder) about(state local.Word) bool {
	if h.States == "" {
		return state == local.Listening
	}
	return slices.Contains(strings.Split(h.States, ","), string(state))
}

// NeedsOwner reports whether owners have to be found to judge it.
func (e Expectation) NeedsOwner() bool {
	h := e.holder
	return h != nil && (h.Process != "" || h.User != "" || h.Unit != "")
}

// NeedsListeners reports whether listeners have to be known to judge it.
func (e Expectation) NeedsListeners() bool { return e.holder != nil }

// From where a socket can be reached, as far as its address and the firewall decide.
const (
	inside  = "inside"  // from this machine only
	outside = "outside" // from other machines, at least from some
)

// fromOutside is whether other machines can reach a socket, or why that is not known.
func fromOutside(l local.Listener, rules []firewall.Outcome) (reached, doubt string) {
	if l.Reach == "loopback" {
		return inside, ""
	}
	at := probe.Endpoint{Addr: l.Address, Port: l.Port, Proto: l.Proto}
	if len(rules) == 0 {
		return "", fmt.Sprintf("what the firewall does with what comes to %s is not known", at)
	}
	reached = inside
	for _, o := range rules {
		family := o.Family == "" || o.Family == l.Family || l.Family == "dual" || l.Family == ""
		switch {
		case o.Scope == firewall.Inside || !family:
		case o.Verdict == firewall.Accept:
			return outside, ""
		case o.Verdict == firewall.NotKnown:
			doubt = fmt.Sprintf("whether the firewall lets anything through to %s is not known: %s", at,
				strings.Join(o.Unknown, "; "))
		}
	}
	return reached, doubt
}

// absent judges a port on which nothing listens, unless that is for the
// expectation that names the states.
func (h Holder) absent(v local.Verdict) (record.Violation, bool) {
	p := probe.Port{Number: v.Port, Proto: v.Proto}
	return record.Violation{What: p.String(), Expected: string(local.Listening), Actual: string(v.Verdict),
			Port: v.Port, Proto: v.Proto.String()},
		h.States == "" && v.Verdict != local.Listening && !(h.Found && v.Verdict == local.Elsewhere)
}

// judge holds one socket against h. What is not known of it is a doubt.
func (h Holder) judge(l local.Listener, rules []firewall.Outcome) (out []record.Violation, doubt string) {
	p := probe.Endpoint{Addr: l.Address, Port: l.Port, Proto: l.Proto}
	expect := func(what, expected, actual string, holds bool) {
		if !holds {
			out = append(out, record.Violation{What: "the " + what + " of " + p.String(), Expected: expected,
				Actual:  actual,
				Address: l.Address.String(), Port: l.Port, Proto: l.Proto.String()})
		}
	}
	switch {
	case h.Addr == inside || h.Addr == outside:
		reached, why := fromOutside(l, rules)
		if doubt = why; why == "" {
			expect("reach", h.Addr, reached, reached == h.Addr)
		}
	case h.Addr != "":
		a, err := netip.ParseAddr(h.Addr)
		expect("address", h.Addr, fmt.Sprintf("%s (%s)", l.Address, l.Reach), l.Reach == h.Addr ||
			err == nil && a == l.Address)
	}
	switch {
	case h.MaxBacklog != nil && h.Found && l.Proto == probe.UDP: // which nobody asked for, and has no queue
	case h.MaxBacklog != nil && l.Backlog == nil: // /proc/net does not have it
		doubt = fmt.Sprintf("the accept queue of %s is not known here", p)
	case h.MaxBacklog != nil:
		expect("accept queue", fmt.Sprintf("at most %d", *h.MaxBacklog), fmt.Sprint(l.Backlog.Used),
			l.Backlog.Used <= *h.MaxBacklog)
	}
	for _, c := range []struct {
		what, expected string
		of             func(owner.Owner) string
	}{
		{"process", h.Process, func(o owner.Owner) string { return nameOf(o, h.Process) }},
		{"user", h.User, func(o owner.Owner) string { return o.User }},
		{"unit", h.Unit, func(o owner.Owner) string { return o.Unit }},
	} {
		if c.expected == "" {
			continue
		}
		var actual []string
		unknown := len(l.Owners) == 0
		for _, o := range l.Owners {
			actual = append(actual, c.of(o))
			unknown = unknown || c.of(o) == "" && (o.Ended || c.what == "user")
		}
		actual = append(actual, ofSocket(l, c.what)...)
		switch {
		case slices.Contains(actual, c.expected), c.what == "user" && slices.ContainsFunc(l.Owners,
			func(o owner.Owner) bool { return o.UID != nil && fmt.Sprint(*o.UID) == c.expected }):
		case unknown:
			doubt = cmp.Or(doubt, fmt.Sprintf("the %s of %s could not be seen", c.what, p))
		default:
			expect(c.what, c.expected, strings.Join(actual, ", "), false)
		}
	}
	return out, doubt
}

// nameOf is an owner's name, or the expected one where it is meant: the kernel cuts names
// at 15 bytes, and both are accepted.
func nameOf(o owner.Owner, expected string) string {
	const maxComm = 15
	cut := o.Comm == "" && len(o.Name) == maxComm && path.Base(o.Exe) != o.Name
	if o.Comm != "" && o.Comm == expected || cut && strings.HasPrefix(expected, o.Name) {
		return expected
	}
	return o.Name
}

// ofSocket is what is known of the socket itself. Its user is who made it, and
// stands for the owners only where they are not known: servers that start as root
// give up its rights. Candidates do not count: they are guesses.
func ofSocket(l local.Listener, what string) (known []string) {
	add := func(s string) {
		if s != "" {
			known = append(known, s)
		}
	}
	switch what {
	case "user":
		if len(l.Owners) > 0 {
			return nil
		}
		add(l.User)
		if l.UID != nil {
			add(fmt.Sprint(*l.UID))
		}
	case "unit":
		add(l.Unit)
		for _, o := range l.Owners {
			add(o.SocketUnit)
		}
	}
	return known
}

// held judges a port by whether something listens on it.
func (g *judging) held(v local.Verdict) {
	for _, e := range g.judge.expect {
		if e.holder == nil {
			continue
		}
		if e.holder.Addr == inside || e.holder.Addr == outside {
			g.judge.firewalls[probe.Port{Number: v.Port, Proto: v.Proto}] = v.Firewall
		}
		if v.Verdict == local.Unknown {
			s, _ := record.About(v)
			g.judge.doubts(phrase.Unmeasured(s))
		} else if v, nothing := e.holder.absent(v); nothing {
			g.found = append(g.found, v)
		}
	}
}

// holder judges a socket by what is expected of who holds it.
func (g *judging) holder(l local.Listener) {
	for _, e := range g.judge.expect {
		if e.holder == nil || !e.holder.about(l.State) || record.Elsewhere(l) {
			continue
		}
		violations, doubt := e.holder.judge(l, g.judge.firewalls[probe.Port{Number: l.Port, Proto: l.Proto}])
		g.found = append(g.found, violations...)
		g.judge.doubts(doubt)
	}
}
