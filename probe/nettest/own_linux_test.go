package nettest_test

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"onmux/probe/nettest"
)

// Tests that use the same port and the same device names run beside each other.
func TestOwnNamespace(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"one", "other one"} {
		t.Run(name, func(t *testing.T) {
			if !nettest.OwnNamespace(t) {
				return
			}
			if all, err := net.Interfaces(); err != nil || len(all) != 1 {
				t.Errorf("%v, %v: want loopback alone", all, err)
			}
			l, err := net.Listen("tcp", "127.0.0.1:417")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if h := nettest.NewHost(t); h.Device != "vt1" {
				t.Errorf("%s is not the first host", h.Device)
			}
		})
	}
}

// What happens in the process of its own is what happened to the test.
func TestOwnNamespaceReports(t *testing.T) {
	nettest.Need(t)
	const variable = "ONMUX_TEST_OUTCOME"
	switch os.Getenv(variable) {
	case "fails":
		if nettest.OwnNamespace(t) {
			t.Error("for this reason")
		}
	case "skips":
		if nettest.OwnNamespace(t) {
			t.Skip("for this reason")
		}
	case "exits":
		if nettest.OwnNamespace(t) {
			os.Exit(0)
		}
	default:
		for outcome, word := range map[string]string{"fails": "FAIL", "skips": "SKIP", "exits": "FAIL"} {
			want := "\n--- " + word + ": " + t.Name() + " ("
			cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
			cmd.Env = append(os.Environ(), variable+"="+outcome)
			out, err := cmd.CombinedOutput()
			if failed := err != nil; failed != (outcome != "skips") || !strings.Contains(string(out), want) ||
				outcome != "exits" && !strings.Contains(string(out), "for this reason") {
				t.Errorf("a test that %s: %v\n%s", outcome, err, out)
			}
		}
	}
}
