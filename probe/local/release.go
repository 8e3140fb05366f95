package local

import (
	"path"
	"slices"
	"strings"
	"time"

	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// Release is one step of what frees a port. Nothing here takes it.
type Release struct {
	Kind        ReleaseKind
	Units       []string // of StopUnits; a socket unit first, which would start its service again
	User        string   // of StopUnits: whose manager runs them; "" for the system's
	Runtime     string   // of StopContainer
	Container   string   // of StopContainer: its id or name
	PIDs        []int    // of Kill and CloseConnections
	Name        string   // of CloseConnections: the process
	Connections int      // of CloseConnections: in CLOSE_WAIT
	Wait        time.Duration
}

// ReleaseKind is a kind of Release.
type ReleaseKind string

// The kinds, in the order of the steps.
const (
	StopUnits        ReleaseKind = "units"
	StopContainer    ReleaseKind = "container"
	StopPublished    ReleaseKind = "published" // the container whose port Docker's proxy publishes
	Kill             ReleaseKind = "kill"
	CloseConnections ReleaseKind = "connections" // which the owner has not closed, or still uses
	WaitForTimeWait  ReleaseKind = "time-wait"
)

// release is what would free a port, in the order in which a careful operator would do it;
// nil where nothing holds it, or where that is not known, or the kernel does.
func (f Facts) release(word Word) (steps []Release) {
	switch word {
	case Listening, Bound:
		for _, l := range f.Listeners {
			if l.State != Connected {
				steps = addHolder(steps, l)
			}
		}
	case Connected:
		for _, l := range f.Listeners {
			steps = addPeers(steps, l, f.CloseWait)
		}
	default:
		return nil
	}
	if len(steps) == 0 && f.Counts[socket.TimeWait] > 0 && f.Counts[socket.Connected] == 0 && word == Connected {
		steps = append(steps, Release{Kind: WaitForTimeWait, Wait: f.TimeWait})
	}
	slices.SortStableFunc(steps, func(a, b Release) int { return a.Kind.order() - b.Kind.order() })
	return steps
}

func (k ReleaseKind) order() int {
	return slices.Index([]ReleaseKind{StopUnits, StopContainer, StopPublished, Kill, CloseConnections, WaitForTimeWait}, k)
}

// addHolder adds what ends the owners of a socket.
func addHolder(steps []Release, l Listener) []Release {
	if len(l.Owners) == 0 { // of the unit or container in which it was made, if that is known
		if step := stopPlace(l.Place); step.Kind != "" {
			return addStep(steps, step)
		}
		return steps
	}
	for _, o := range l.Owners {
		step := stopOwner(o)
		if o.SocketUnit != "" {
			step = Release{Kind: StopUnits, Units: []string{o.SocketUnit}, User: managerOf(o)}
		}
		if step.Kind != "" {
			steps = addStep(steps, step)
		}
	}
	return steps
}

// stopOwner is what ends an owner: its unit or its container, or else the process. Nothing
// ends the first process of the machine.
func stopOwner(o owner.Owner) Release {
	name := o.Name
	if len(o.Cmdline) > 0 {
		name = path.Base(o.Cmdline[0])
	}
	if strings.HasSuffix(name, "docker-proxy") { // dockerd starts it, and it runs in its unit
		return Release{Kind: StopPublished}
	}
	if step := stopPlace(o.Place); step.Kind != "" {
		step.User = managerOf(o)
		return step
	}
	if o.Ended || o.PID <= 1 || name == "kube-proxy" {
		return Release{}
	}
	return Release{Kind: Kill, PIDs: []int{o.PID}}
}

// stopPlace is what ends all that runs in a place; the zero value: it is no unit or
// container. A scope has processes that systemd did not start, such as those of a session,
// and user@1000.service all of a user's.
func stopPlace(p owner.Place) Release {
	switch {
	case p.Container != "":
		step := Release{Kind: StopContainer, Runtime: p.Runtime, Container: p.Container}
		if p.PodUID != "" && p.Runtime != "podman" {
			step.Runtime = "kubernetes"
		}
		return step
	case strings.HasSuffix(p.Unit, ".service") && !strings.HasPrefix(p.Unit, "user@"),
		strings.HasSuffix(p.Unit, ".socket"):
		return Release{Kind: StopUnits, Units: []string{p.Unit}}
	}
	return Release{}
}

// managerOf is the user whose systemd started an owner, or which the owner is; "" if that
// is the system's.
func managerOf(o owner.Owner) string {
	for _, p := range append([]owner.Process{{PID: o.PID, Name: o.Name}}, o.Parents...) {
		if p.Name == "systemd" && p.PID != 1 {
			return o.User
		}
	}
	return ""
}

// addStep joins a step with those of its kind: units of one manager, and processes.
func addStep(steps []Release, step Release) []Release {
	for i := range steps {
		s := &steps[i]
		if s.Kind != step.Kind || s.User != step.User || s.Container != step.Container || s.Runtime != step.Runtime {
			continue
		}
		for _, u := range step.Units {
			if !slices.Contains(s.Units, u) {
				s.Units = append(s.Units, u)
			}
		}
		slices.SortStableFunc(s.Units, func(a, b string) int { return socketLast(a) - socketLast(b) })
		for _, pid := range step.PIDs {
			if !slices.Contains(s.PIDs, pid) {
				s.PIDs = append(s.PIDs, pid)
			}
		}
		return steps
	}
	return append(steps, step)
}

// socketLast is 0 for a socket unit, which goes first, and 1 for others.
func socketLast(unit string) int {
	if strings.HasSuffix(unit, ".socket") {
		return 0
	}
	return 1
}

// addPeers adds that the owners of a connection close it.
func addPeers(steps []Release, l Listener, closeWait int) []Release {
	for _, o := range l.Owners {
		known := slices.ContainsFunc(steps, func(s Release) bool { return slices.Contains(s.PIDs, o.PID) })
		if !known && !o.Ended {
			steps = append(steps, Release{Kind: CloseConnections, PIDs: []int{o.PID}, Name: o.Name, Connections: closeWait})
		}
	}
	return steps
}
