package owner

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"onmux/probe"
	"onmux/probe/local/socket"
)

// Of many candidates the one that fits the port is likely, wherever it is; where none
// or several fit alike, none is.
func TestRankCandidates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		port      uint16
		unit      string
		processes []string // command lines
		want      string   // of the likely ones
	}{
		"by the port's service": {22, "", []string{"su", "bash", "nginx", "cron", "agetty", "dbus-daemon", "sshd"}, "sshd"},
		"by the command line": {8417, "", []string{"python3 -m x", "python3 -m http.server 8417", "python3 -m y"},
			"python3 -m http.server 8417"},
		"no part of a number":     {84, "", []string{"a 8417", "b 184"}, ""},
		"by the unit":             {8417, "web@1.service", []string{"sh", "web"}, "web"},
		"workers of one name":     {22, "", []string{"sshd -D", "sshd", "sh"}, "sshd -D|sshd"},
		"several that fit alike":  {8417, "", []string{"a 8417", "b 8417"}, ""},
		"nothing fits":            {8417, "", []string{"su", "bash"}, ""},
		"the better one of two":   {22, "", []string{"ssh-agent", "sshd -p 22"}, "sshd -p 22"},
		"short names are no hint": {8417, "ab.service", []string{"ab", "c"}, ""},
	} {
		root := t.TempDir()
		f := originFinder{ownerGrouper: newOwnerGrouper(ProcFS{Root: root})}
		var all []Candidate
		for i, line := range c.processes {
			pid := i + 10
			dir := filepath.Join(root, strconv.Itoa(pid))
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			var cmdline []byte
			for _, r := range line {
				if r == ' ' {
					r = 0
				}
				cmdline = append(cmdline, byte(r))
			}
			if err := os.WriteFile(filepath.Join(dir, "cmdline"), cmdline, 0o644); err != nil {
				t.Fatal(err)
			}
			args := parseCmdline(cmdline)
			all = append(all, Candidate{Process: Process{PID: pid, Name: args[0]}, By: "user"})
		}
		few, _ := f.rankCandidates(all, c.unit, socket.Socket{Proto: probe.TCP,
			Local: netip.AddrPortFrom(netip.IPv4Unspecified(), c.port)})
		got := ""
		for i, candidate := range few {
			if !candidate.Likely {
				continue
			}
			if i > 0 {
				got += "|"
			}
			got += c.processes[candidate.PID-10]
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
