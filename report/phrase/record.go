package phrase

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/probe/ports"
	"onmux/report/record"
	"onmux/scan"
)

// MaxListed bounds the violations that are written one by one unless all are
// asked for.
const MaxListed = 20

// MaxRows bounds the rows: a step summary of GitHub holds 1 MiB.
const MaxRows = 1000

// NotKnown is the reason of what has no better one.
const NotKnown = "could not be determined"

// AsEverywhere follows "open" where every port of the host is: then it does not
// meet "open", which asks for a service, nor anything else.
const AsEverywhere = ", as on every port"

// Label is the state or verdict of a subject; that of a decoy adds it.
func Label(s record.Subject) string {
	if s.Decoy {
		return s.Word + AsEverywhere
	}
	return s.Word
}

// OneLine is a record in one line: "10.0.0.7:417/tcp open (syn-ack)".
func OneLine(f record.Finding) string {
	s, _ := record.About(f)
	if s.What == "" {
		return Sentence(f)
	}
	return s.What + " " + Sentence(f)
}

// Sentence is a record in one line, without what it is about.
func Sentence(f record.Finding) string {
	switch f := f.(type) {
	case probe.Result:
		sentence := f.State.String() + Because(f.Reason, f.RTT) + Suffix(", ", Product(f.Service))
		if len(f.Hosts) > 0 {
			sentence += ", named " + strings.Join(f.Hosts, ", ")
		}
		return sentence
	case scan.Range:
		return f.State.String() + Because(f.Reason, 0)
	case local.Verdict:
		return string(f.Verdict) + ": " + f.Why
	case local.Listener:
		return fmt.Sprintf("%s, reachable: %s%s", f.State, Reach(f), Suffix(", held by ", Holders(f.Owners)))
	}
	return ""
}

// Because is " (syn-ack, 0.12 ms)", what the state was concluded from.
func Because(r probe.Reason, rtt probe.Millis) string {
	var parts []string
	if r != probe.NoReason {
		parts = append(parts, r.String())
	}
	if rtt > 0 {
		parts = append(parts, Duration(time.Duration(rtt)))
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// Product is "ssh OpenSSH 9.2p1".
func Product(s *probe.Service) string {
	if s == nil {
		return ""
	}
	return strings.Join(strings.Fields(s.Name+" "+s.Product+" "+s.Version), " ")
}

// CommandOf is the command line of a report, or what is known of it.
func CommandOf(s record.Start) string {
	if len(s.Args) == 0 {
		return "onmux " + s.Command
	}
	return "onmux " + CommandLine(s.Args)
}

// Holders is "sshd (pid 12), nginx (pid 80)".
func Holders(owners []owner.Owner) string {
	var names []string
	for _, o := range owners {
		names = append(names, fmt.Sprintf("%s (pid %d)", cmp.Or(o.Name, "a process"), o.PID))
	}
	return strings.Join(names, ", ")
}

// Reach is how far a socket can be reached, and where that is meant of another
// network namespace.
func Reach(l local.Listener) string {
	if record.Elsewhere(l) {
		return l.Reach + " in network namespace " + l.NetNS
	}
	return l.Reach
}

// Names is "onmux/tcp (IANA), onmux/udp (IANA)".
func Names(p ports.Info) string {
	var names []string
	for _, n := range p.Names {
		names = append(names, n.Name+"/"+n.Proto.String()+" ("+n.Source+")")
	}
	return strings.Join(names, ", ")
}

// Doubt is why something is not known of a subject, in one line, or "".
func Doubt(s record.Subject) string {
	if s.Word == record.Unknown {
		return Unmeasured(s)
	}
	return ""
}

// Unmeasured is about a subject that is unknown.
func Unmeasured(s record.Subject) string {
	return s.What + " could not be measured" + Suffix(": ", s.Error)
}

// DoubtOfRule is why it is not known whether a rule holds, or "".
func DoubtOfRule(r record.Rule) string {
	if r.Outcome == record.CannotTell {
		return r.Name + ": " + cmp.Or(r.Error, NotKnown)
	}
	return ""
}

// DoubtOfChange is why a change may be none, or "".
func DoubtOfChange(c record.Change) string {
	if c.Confidence == probe.Low {
		return fmt.Sprintf("%s %s, %s", c.Place(), c.What, NotCertain(c))
	}
	return ""
}

// NotCertain is why a change may be none.
func NotCertain(c record.Change) string { return "not certain: " + strings.Join(c.Notes, "; ") }

// Breach is what is wrong, in one line.
func Breach(v record.Violation) string {
	return fmt.Sprintf("%s: expected %s, found %s", Violated(v), v.Expected, v.Actual)
}

// Violated is what a violation is about, with its names, behind the name of its rule.
func Violated(v record.Violation) string {
	what := v.What
	if len(v.Hosts) > 0 {
		what += " (" + strings.Join(v.Hosts, ", ") + ")"
	}
	if v.Rule != "" {
		return v.Rule + ": " + what
	}
	return what
}

// Nothing is for a report that has no records.
func Nothing(command string, doubted bool) string {
	switch {
	case command != "diff":
		return "nothing was found"
	case doubted:
		return "no change that is certain"
	}
	return "no change"
}

// Suffix is text behind a separator, or nothing.
func Suffix(separator, text string) string {
	if text == "" {
		return ""
	}
	return separator + text
}

// Join is the texts that are not empty, with semicolons between them.
func Join(first, second string, more ...string) string {
	var parts []string
	for _, s := range append([]string{first, second}, more...) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, "; ")
}
