package phrase

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/wording"
)

// release is what would free a port, as commands and as what else has to happen; "" where
// nothing would.
func release(steps []local.Release, p probe.Port) string {
	var parts []string
	for _, s := range steps {
		parts = append(parts, releaseStep(s, p))
	}
	return strings.Join(parts, "; ")
}

func releaseStep(s local.Release, p probe.Port) string {
	switch s.Kind {
	case local.StopUnits:
		var units []string
		for _, u := range s.Units {
			units = append(units, shellWord(u))
		}
		manager := ""
		if s.User != "" {
			manager = "--user -M " + shellWord(s.User+"@") + " "
		}
		return "systemctl " + manager + "stop " + strings.Join(units, " ")
	case local.StopContainer:
		return containerStop(s.Runtime) + " " + shellWord(s.Container)
	case local.StopPublished:
		return fmt.Sprintf("docker stop $(docker ps -q --filter publish=%s)", p)
	case local.Kill:
		var pids []string
		for _, pid := range s.PIDs {
			pids = append(pids, strconv.Itoa(pid))
		}
		return "kill " + strings.Join(pids, " ")
	case local.CloseConnections:
		name := fmt.Sprintf("%s (pid %d)", processName(s.Name), s.PIDs[0])
		if s.Connections > 0 {
			return fmt.Sprintf("close the connections: %s has not closed %s of them (CLOSE_WAIT)", name,
				wording.Number(s.Connections))
		}
		return "close the connections of " + name
	case local.WaitForTimeWait:
		if s.Wait > 0 {
			seconds := (s.Wait + time.Second - 1) / time.Second
			return fmt.Sprintf("wait %s s: the connections in TIME_WAIT end by themselves", wording.Number(uint64(seconds)))
		}
		return "wait a minute: the connections in TIME_WAIT end by themselves"
	}
	return ""
}

// containerStop is the command that stops a container of a runtime.
func containerStop(runtime string) string {
	switch runtime {
	case "podman":
		return "podman stop"
	case "kubernetes", "cri-o":
		return "crictl stop"
	case "containerd":
		return "nerdctl stop"
	case "lxc":
		return "lxc-stop -n"
	case "systemd-nspawn":
		return "machinectl terminate"
	}
	return "docker stop"
}

// shellWord quotes what a shell would not take as one word.
func shellWord(s string) string {
	const safe = "@%+=:,./-_"
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(safe, r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(Visible(s), "'", `'\''`) + "'"
}

// Freeing is how to free the port of a verdict, as a line of its details; none where that
// is not known.
func Freeing(v local.Verdict) []string {
	if v.Release == "" {
		return nil
	}
	return []string{"to free it: " + v.Release}
}
