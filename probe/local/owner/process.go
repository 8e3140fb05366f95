package owner

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"onmux/probe/local/secret"
)

// Bounds of what is kept of a command line.
const (
	maxArgs    = 64
	MaxCmdline = 4096 // bytes
)

// userHZ is the unit of the times in /proc/<pid>/stat: fixed at 100 on every
// Linux system, whatever the kernel's own tick is (proc(5), sysconf(3)).
const userHZ = 100

// stat is what is used of /proc/<pid>/stat (proc(5)).
type stat struct {
	name   string // comm, which may hold spaces, parentheses and newlines
	parent int
	start  time.Duration // after boot
}

// parseStat reads /proc/<pid>/stat. The name ends at the last parenthesis,
// because it may hold any.
func parseStat(b []byte) (stat, bool) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return stat{}, false
	}
	// After the name: state is field 3, the parent's pid 4, the start time 22.
	fields := strings.Fields(string(b[end+1:]))
	if len(fields) < 20 {
		return stat{}, false
	}
	parent, err1 := strconv.Atoi(fields[1])
	ticks, err2 := strconv.ParseInt(fields[19], 10, 64)
	if err1 != nil || err2 != nil || parent < 0 || ticks < 0 || ticks > int64(1<<62)/int64(time.Second) {
		return stat{}, false
	}
	return stat{string(b[open+1 : end]), parent, time.Duration(ticks) * (time.Second / userHZ)}, true
}

// parseBoot reads when the system started from /proc/stat.
func parseBoot(b []byte) (time.Time, bool) {
	for line := range strings.Lines(string(b)) {
		if s, ok := strings.CutPrefix(line, "btime "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
			return time.Unix(n, 0).UTC(), err == nil
		}
	}
	return time.Time{}, false
}

// parseUID reads the effective user from /proc/<pid>/status.
func parseUID(b []byte) (uint32, bool) {
	for line := range strings.Lines(string(b)) {
		if s, ok := strings.CutPrefix(line, "Uid:"); ok {
			fields := strings.Fields(s) // real, effective, saved, filesystem
			if len(fields) < 2 {
				return 0, false
			}
			n, err := strconv.ParseUint(fields[1], 10, 32)
			return uint32(n), err == nil
		}
	}
	return 0, false
}

// parseCmdline reads /proc/<pid>/cmdline: arguments that end in NUL.
func parseCmdline(b []byte) []string {
	if b = bytes.TrimRight(b, "\x00"); len(b) == 0 {
		return nil
	}
	return strings.Split(string(b), "\x00")
}

// setCmdline sets the command line. Secrets are masked before long ones are cut, which
// could take away what marks them.
func (o *Owner) setCmdline(args []string, unmask bool) {
	if !unmask {
		args, o.Masked = secret.Mask(args)
	}
	o.Cmdline = boundArgs(args)
}

// boundArgs cuts a command line to its bounds.
func boundArgs(args []string) []string {
	args, left := args[:min(len(args), maxArgs)], MaxCmdline
	for i, a := range args {
		if len(a) >= left {
			args[i] = a[:left]
			return args[:i+1]
		}
		left -= len(a)
	}
	return args
}
