package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
)

// durationFlags has the flags of each command that take a time.
func durationFlags() map[string][]string {
	all := make(map[string][]string)
	for _, c := range commandsFor(nil) {
		for _, f := range c.Flags {
			if _, ok := f.(*cli.DurationFlag); ok {
				all[c.Name] = append(all[c.Name], f.Names()[0])
			}
		}
	}
	return all
}

// parse is the value of a flag of a command as a line gives it. The command does nothing.
func parse(command, flag string, line ...string) (time.Duration, error) {
	var got time.Duration
	commands := commandsFor([]string{command})
	commands[0].Action = func(c *cli.Context) error { got = c.Duration(flag); return nil }
	app := newApp(commands, nil, io.Discard, io.Discard)
	args, err := reorder(app, append([]string{command}, line...))
	if err == nil {
		err = app.Run(append([]string{"onmux"}, args...))
	}
	return got, err
}

// TestDurations: every flag that takes a time takes seconds without a unit, too, however it is written,
// and an error shows how times are written.
func TestDurations(t *testing.T) {
	t.Parallel()
	flags := durationFlags()
	if len(flags["scan"]) < 3 || len(flags["probe"]) < 4 {
		t.Fatalf("the flags are %v", flags)
	}
	for command, names := range flags {
		for _, name := range names {
			for text, want := range map[string]time.Duration{
				"2": 2 * time.Second, "0.5": 500 * time.Millisecond, ".5": 500 * time.Millisecond, "0": 0,
				"2s": 2 * time.Second, "500ms": 500 * time.Millisecond, "1m30s": 90 * time.Second, "1.5h": 90 * time.Minute,
				"86400": 24 * time.Hour,
			} {
				for _, line := range [][]string{
					{"--" + name, text}, {"--" + name + "=" + text}, {"-" + name, text}, {"80", "--" + name, text},
					{"--" + name, text, "80"},
				} {
					if got, err := parse(command, name, line...); err != nil || got != want {
						t.Errorf("%s %q is %v, %v; want %v", command, line, got, err, want)
					}
				}
			}
			for _, text := range []string{"soon", "2x", "1d", "", "1m30", "2,5", "1e3", "0x10", "NaN", "99999999999999", "2 s"} {
				_, err := parse(command, name, "--"+name+"="+text)
				if err == nil || !strings.Contains(err.Error(), "--"+name) || hintOf(err) == "" {
					t.Errorf("%s --%s=%q: %v, hint %q", command, name, text, err, hintOf(err))
				} else if !strings.Contains(hintOf(err), "500ms") {
					t.Errorf("%s --%s=%q: the hint is %q", command, name, text, hintOf(err))
				}
			}
		}
	}
}

func hintOf(err error) string {
	e, ok := err.(*exitError)
	if !ok {
		return ""
	}
	return fmt.Sprint(e.hint)
}
