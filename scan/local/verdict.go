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

// word is the verdict on a port. A socket that was seen is a fact whatever else
// failed; that nothing was seen is one only if everything could be read.
func (s sighted) word() Word {
	has := func(w Word) bool {
		return slices.ContainsFunc(s.sockets, func(k socket) bool { return k.state == w })
	}
	for _, w := range []Word{Listening, Bound, Connected} {
		if has(w) {
			return w
		}
	}
	if s.failed != nil {
		return Unknown
	}
	return Free
}

// telling are the sockets that explain the verdict. Connections explain nothing
// at a port that is held, and where they alone use it, a few are enough.
func (s sighted) telling() []socket {
	var told []socket
	connected := s.word() == Connected
	for _, k := range s.sockets {
		if k.state != Connected || connected && !k.timeWait && len(told) < maxConnections {
			told = append(told, k)
		}
	}
	slices.SortStableFunc(told, func(a, b socket) int {
		return cmp.Or(slices.Index(Words(), a.state)-slices.Index(Words(), b.state), a.local.Compare(b.local), cmp.Compare(a.inode, b.inode))
	})
	return told
}

// judge makes the verdict on a port, and the records that explain it.
func judge(p probe.Port, s sighted, owners map[uint64][]Owner) (Verdict, []Listener) {
	v := Verdict{Port: p.Number, Proto: p.Proto, Verdict: s.word()}
	var told []Listener
	for _, k := range s.telling() {
		told = append(told, k.record(owners[k.inode]))
	}
	switch v.Verdict {
	case Unknown:
		v.Why, v.Error = "could not look", s.failed.Error()
	case Free:
		v.Why = "no socket holds it"
	case Connected:
		v.Why = s.connections()
	default:
		v.Why = why(told, v.Verdict)
	}
	return v, told
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
func (s sighted) connections() string {
	live, ended := 0, 0
	for _, k := range s.sockets {
		if k.timeWait {
			ended++
		} else {
			live++
		}
	}
	var parts []string
	if live > 0 {
		parts = append(parts, count(live, "connection"))
	}
	if ended > 0 {
		parts = append(parts, count(ended, "connection")+" in TIME_WAIT")
	}
	return "nothing listens; it is the local port of " + strings.Join(parts, " and of ")
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
