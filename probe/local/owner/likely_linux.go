package owner

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"

	"onmux/probe/local/socket"
	"onmux/probe/ports"
)

// initialPIDNamespace is the link of the PID namespace in which all processes of the
// machine are (PROC_PID_INIT_INO).
const initialPIDNamespace = "pid:[4026531836]"

// inPIDNamespace reports whether the caller is in a PID namespace of its own: processes
// outside of it are not in its /proc.
func inPIDNamespace() bool {
	link, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && link != initialPIDNamespace
}

// rankCandidates puts candidates that fit a socket's port first, keeps a few, and marks
// those of one name that fit best. It returns how many it left out.
func (f *originFinder) rankCandidates(all []Candidate, unit string, s socket.Socket) (few []Candidate, more int) {
	scores := make(map[int]int)
	best, names := 0, make(map[string]bool)
	for _, c := range all {
		n := f.score(c, unit, s)
		scores[c.PID] = n
		if n > best {
			best = n
			clear(names)
		}
		if n == best {
			names[c.Name] = true
		}
	}
	slices.SortStableFunc(all, func(a, b Candidate) int { return cmp.Compare(scores[b.PID], scores[a.PID]) })
	if n := len(all) - maxCandidates; n > 0 {
		all, more = all[:maxCandidates], n
	}
	for i := range all {
		all[i].Likely = best > 0 && len(names) == 1 && scores[all[i].PID] == best
	}
	return all, more
}

// score is how well a process fits a socket: by its command line, which has the port; by
// the service that is registered for the port; and by the unit in which the socket was made.
func (f *originFinder) score(c Candidate, unit string, s socket.Socket) (n int) {
	port := strconv.Itoa(int(s.Local.Port()))
	b, _ := f.Read(c.PID, "cmdline")
	if slices.ContainsFunc(parseCmdline(b), func(arg string) bool { return hasNumber(arg, port) }) {
		n += 3
	}
	if alike(c.Name, ports.NameOf(s.Port())) {
		n += 2
	}
	base, _, _ := strings.Cut(strings.TrimSuffix(strings.TrimSuffix(unit, ".service"), ".socket"), "@")
	if alike(c.Name, base) {
		n++
	}
	return n
}

// hasNumber reports whether a text has a number, and not as a part of a longer one.
func hasNumber(text, number string) bool {
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return !digit(r) }), number)
}

// alike reports whether one name begins with the other, as sshd does with ssh.
func alike(a, b string) bool {
	const shortest = 3 // shorter names are alike by chance
	return min(len(a), len(b)) >= shortest && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a))
}
