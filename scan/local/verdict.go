package local

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"onmux/probe"
)

// maxConnections bounds how many connections of a port are told one by one.
const maxConnections = 16

// sighted is everything seen at one port, and what kept us from seeing more.
type sighted struct {
	sockets []socket
	failed  error // a source that had to be read and could not be
}

// judge makes the verdict on a port. A socket that was seen is a fact whatever
// else failed; that nothing was seen is one only if everything could be read.
func judge(p probe.Port, s sighted, owners map[uint64][]Owner) (Verdict, []Listener) {
	v := Verdict{Port: p.Number, Proto: p.Proto}
	counts := make(map[Word]int)
	timeWait := 0
	for _, k := range s.sockets {
		counts[k.state]++
		if k.timeWait {
			timeWait++
		}
	}
	switch {
	case counts[Listening] > 0:
		v.Verdict = Listening
	case counts[Bound] > 0:
		v.Verdict = Bound
	case counts[Connected] > 0:
		v.Verdict = Connected
		v.Why = connections(counts[Connected]-timeWait, timeWait)
	case s.failed != nil:
		v.Verdict, v.Why, v.Error = Unknown, "could not look", s.failed.Error()
		return v, nil
	default:
		v.Verdict, v.Why = Free, "no socket holds it"
		return v, nil
	}
	told := tell(s.sockets, v.Verdict, owners)
	if v.Verdict != Connected {
		v.Why = why(told, v.Verdict)
	}
	return v, told
}

// tell makes the records of the sockets that explain the verdict. Connections
// accepted on a port that is held explain nothing.
func tell(sockets []socket, verdict Word, owners map[uint64][]Owner) []Listener {
	var told []Listener
	for _, k := range sockets {
		if k.state == Connected && (verdict != Connected || k.timeWait || len(told) == maxConnections) {
			continue
		}
		told = append(told, k.record(owners[k.inode]))
	}
	slices.SortStableFunc(told, func(a, b Listener) int {
		return cmp.Or(slices.Index(Words(), a.State)-slices.Index(Words(), b.State), a.Address.Compare(b.Address), cmp.Compare(a.Inode, b.Inode))
	})
	return told
}

// why is the verdict's reason, of the first record and the number of others.
func why(told []Listener, verdict Word) string {
	first := told[0]
	s := fmt.Sprintf("%s on %s", holder(first), at(first))
	if verdict == Bound {
		s = fmt.Sprintf("%s holds %s without listening", holder(first), at(first))
	}
	if first.Device != "" {
		s += " of device " + first.Device
	}
	if n := len(told) - 1; n > 0 {
		s += fmt.Sprintf(", and %s", count(n, "more socket"))
	}
	if verdict == Listening {
		s += ", " + reachable(told)
	}
	return s
}

func at(l Listener) string {
	if l.Address.Is6() {
		return fmt.Sprintf("[%s]:%d", l.Address, l.Port)
	}
	return fmt.Sprintf("%s:%d", l.Address, l.Port)
}

// holder names who holds a socket, as well as that is known.
func holder(l Listener) string {
	if len(l.Owners) == 0 {
		if l.UID != nil {
			return "a socket of user " + userName(*l.UID)
		}
		return "a socket"
	}
	o := l.Owners[0]
	about := []string{fmt.Sprintf("pid %d", o.PID)}
	if o.User != "" {
		about = append(about, o.User)
	}
	if n := len(o.Workers); n > 0 {
		about = append(about, count(n, "worker"))
	}
	s := fmt.Sprintf("%s (%s)", cmp.Or(o.Name, "a process"), strings.Join(about, ", "))
	if n := len(l.Owners) - 1; n > 0 {
		s += " and " + count(n, "other process")
	}
	return s
}

// reachable says from where any of the sockets can be reached, the widest first.
func reachable(told []Listener) string {
	phrases := []struct{ reach, phrase string }{
		{"any", "reachable from any address"},
		{"public", "reachable from public networks"},
		{"private", "reachable from private networks"},
		{"link-local", "reachable from the same link"},
	}
	for _, p := range phrases {
		for _, l := range told {
			if l.State == Listening && l.Reach == p.reach {
				return p.phrase
			}
		}
	}
	return "reachable from this machine only"
}

// connections says how many use a port that nobody holds.
func connections(live, timeWait int) string {
	var parts []string
	if live > 0 {
		parts = append(parts, count(live, "connection")+" of this machine use the number")
	}
	if timeWait > 0 {
		parts = append(parts, count(timeWait, "ended connection")+" still in TIME_WAIT")
	}
	return strings.Join(parts, "; ")
}

// count is "1 socket", "2 sockets", "3 processes".
func count(n int, what string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(what, "s"):
		what += "es"
	default:
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
