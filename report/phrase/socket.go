package phrase

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"onmux/probe/local"
	"onmux/probe/local/owner"
)

// Socket is where a socket is bound, and what else distinguishes it from others.
func Socket(l local.Listener, verdict local.Word) string {
	name := SocketAddress(l)
	if l.Device != "" {
		name += " on " + Visible(l.Device)
	}
	if l.Peer != "" {
		name += " to " + Visible(l.Peer)
	}
	if verdict != "" && l.State != verdict {
		name += ", " + Visible(string(l.State))
	}
	return name
}

func SocketAddress(l local.Listener) string {
	if !l.Address.IsValid() {
		return "*:" + strconv.Itoa(int(l.Port))
	}
	address := Visible(l.Address.String())
	if l.Address.Is6() {
		address = "[" + address + "]"
	}
	return address + ":" + strconv.Itoa(int(l.Port))
}

// CommandLine is what a process was started as.
func CommandLine(argv []string) string {
	var args []string
	for _, a := range argv {
		// A single one with spaces is a title that the process gave itself.
		if len(argv) > 1 && (a == "" || strings.ContainsAny(a, " '\"")) {
			a = "'" + a + "'"
		}
		args = append(args, Visible(a))
	}
	return strings.Join(args, " ")
}

func Candidates(in owner.Origin) string {
	var parts []string
	for _, c := range in.Candidates {
		why := "of the same user"
		if c.By == "cgroup" {
			why = "in its cgroup"
		}
		parts = append(parts, fmt.Sprintf("%s(%d), %s", Visible(c.Name), c.PID, why))
	}
	if in.MoreCandidates > 0 {
		parts = append(parts, strconv.Itoa(in.MoreCandidates)+" more")
	}
	return strings.Join(parts, "; ") + "; none is known to"
}

func Owner(o owner.Owner) []string {
	var parts []string
	add := func(what, value string) {
		if value != "" {
			parts = append(parts, what+Visible(value))
		}
	}
	add("", o.Name)
	exe := o.Exe
	if o.ExeDeleted {
		exe = strings.TrimSpace(exe + " (no longer there)")
	}
	add("runs ", exe)
	if !o.Started.IsZero() {
		add("since ", o.Started.UTC().Format(time.DateTime)+" UTC")
	}
	add("unit ", o.Unit)
	if o.Container != "" || o.Pod != "" || o.PodUID != "" {
		add("in ", Where(o.Place))
	}
	add("holds it for ", o.SocketUnit)
	if len(o.Workers) > 0 {
		var pids []string
		for _, w := range o.Workers {
			pids = append(pids, strconv.Itoa(w))
		}
		add("shared with its workers ", strings.Join(pids, ", "))
	}
	if o.Unrelated {
		add("", "descends from no other owner, nor they from it")
	}
	if o.Ended {
		add("", "ended while it was looked at")
	}
	var chain []string
	for _, a := range append([]owner.Process{{PID: o.PID, Name: o.Name}}, o.Parents...) {
		chain = append(chain, fmt.Sprintf("%s(%d)", a.Name, a.PID))
	}
	if len(chain) > 1 {
		add("", strings.Join(chain, " < "))
	}
	return parts
}
