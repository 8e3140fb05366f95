package owner

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	tail := " S 41 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 1000 2 3"
	for _, c := range []struct {
		in   string
		want stat
		ok   bool
	}{
		{"12 (sshd)" + tail, stat{"sshd", 41, 123450 * time.Millisecond}, true},
		{"12 (a) b (c)" + tail, stat{"a) b (c", 41, 123450 * time.Millisecond}, true},
		{"12 (new\nline)" + tail, stat{"new\nline", 41, 123450 * time.Millisecond}, true},
		{"12 ()" + tail, stat{"", 41, 123450 * time.Millisecond}, true},
		{"12 (x) S 41", stat{}, false},
		{"12 )x(" + tail, stat{}, false},
		{"12 (x) S -4" + tail[5:], stat{}, false},
		{"", stat{}, false},
	} {
		got, ok := parseStat([]byte(c.in))
		if got != c.want || ok != c.ok {
			t.Errorf("%q: %+v, %t; want %+v, %t", c.in, got, ok, c.want, c.ok)
		}
	}
}

func TestParseCmdline(t *testing.T) {
	many := strings.Repeat("x\x00", 100)
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"sshd\x00-D\x00", []string{"sshd", "-D"}},
		{"nginx: master process\x00\x00\x00", []string{"nginx: master process"}},
		{"a\x00\x00b\x00", []string{"a", "", "b"}},
		{"", nil},
		{many, slices.Repeat([]string{"x"}, maxArgs)},
		{strings.Repeat("y", 10000), []string{strings.Repeat("y", MaxCmdline)}},
	} {
		var o Owner
		if o.setCmdline(parseCmdline([]byte(c.in)), false); !slices.Equal(o.Cmdline, c.want) || o.Masked {
			t.Errorf("%.20q: %.60q", c.in, o.Cmdline)
		}
	}
}

// Secrets are masked before a long command line is cut, also where the cut takes away
// what marks them.
func TestSetCmdline(t *testing.T) {
	long := strings.Repeat("y", MaxCmdline-20)
	args := []string{"app", long, "postgres://me:p4ss" + strings.Repeat("w", 100) + "@db/x"}
	var o Owner
	o.setCmdline(args, false)
	if last := o.Cmdline[2]; !o.Masked || strings.Contains(last, "p4ss") {
		t.Errorf("%q, %t", last, o.Masked)
	}
	var whole Owner
	whole.setCmdline(args, true)
	if last := whole.Cmdline[2]; whole.Masked || !strings.Contains(last, "p4") {
		t.Errorf("%q, %t", last, whole.Masked)
	}
}

func TestParseUIDAndBoot(t *testing.T) {
	if uid, ok := parseUID([]byte("Name:\tx\nUid:\t1000\t33\t0\t0\nGid:\t1\n")); uid != 33 || !ok {
		t.Errorf("uid %d, %t", uid, ok)
	}
	if _, ok := parseUID([]byte("Uid:\t1000\n")); ok {
		t.Error("a torn line has no effective user")
	}
	if b, ok := parseBoot([]byte("cpu 1 2\nbtime 1700000000\n")); !ok || b.Unix() != 1700000000 {
		t.Errorf("boot %s, %t", b, ok)
	}
	if _, ok := parseBoot([]byte("cpu 1 2\n")); ok {
		t.Error("no btime is no boot time")
	}
}

func FuzzProcess(f *testing.F) {
	f.Add([]byte("12 (a) b) S 41 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 1000"))
	f.Add([]byte("0::/system.slice/docker-0123.scope\nUid:\t1 2 3 4\nbtime 12\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := parseStat(b); ok && (s.parent < 0 || s.start < 0) {
			t.Errorf("%+v", s)
		}
		parseUID(b)
		parseBoot(b)
		var o Owner
		if o.setCmdline(parseCmdline(b), false); len(o.Cmdline) > maxArgs {
			t.Errorf("%d arguments", len(o.Cmdline))
		}
	})
}
