package local

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"onmux/probe/local/owner"
)

// Where names the place, as "nginx.service", "docker container web" or
// "container nginx of pod shop/web-7f9"; "" if nothing is known. Of a container
// the unit is not named: it tells the same.
func Where(p owner.Place) string {
	container := printable(cmp.Or(p.ContainerName, p.Container))
	if container != "" {
		container = "container " + container
	}
	pod := printable(cmp.Or(p.Pod, p.PodUID))
	switch {
	case pod != "" && container != "":
		return container + " of pod " + pod
	case pod != "":
		return "pod " + pod
	case container != "" && p.Runtime != "":
		return printable(p.Runtime) + " " + container
	case container != "":
		return container
	}
	return printable(p.Unit)
}

// Guess names the candidates for the owner, as "likely nginx (pid 412)" or
// "perhaps nginx (pid 412), sh (pid 415) or 3 others"; "" if there are none.
// That processes run where the socket was made and are of one name says more
// than that they are of one user.
func Guess(o owner.Origin) string {
	if len(o.Candidates) == 0 {
		return ""
	}
	one := o.Candidates[0]
	if slices.ContainsFunc(o.Candidates, func(c owner.Candidate) bool { return c.Name != one.Name || c.By != "cgroup" }) || one.Name == "" {
		var named []string
		for _, c := range o.Candidates {
			named = append(named, fmt.Sprintf("%s (pid %d)", cmp.Or(nameIn(c.Name), "a process"), c.PID))
		}
		return "perhaps " + either(named, o.MoreCandidates)
	}
	var pids []string
	for _, c := range o.Candidates {
		pids = append(pids, strconv.Itoa(c.PID))
	}
	return fmt.Sprintf("likely %s (pid %s)", nameIn(one.Name), either(pids, o.MoreCandidates))
}

// either joins the first few alternatives and counts the others, of which there
// are some more.
func either(parts []string, more int) string {
	if n := len(parts) - maxNamed; n > 0 {
		parts, more = parts[:maxNamed], more+n
	}
	if more > 0 {
		return strings.Join(parts, ", ") + " or " + count(more, "other", "others")
	}
	if last := len(parts) - 1; last > 0 {
		return strings.Join(parts[:last], ", ") + " or " + parts[last]
	}
	return parts[0]
}
