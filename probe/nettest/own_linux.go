package nettest

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// ownEnv has the name of the test that a process is for.
const ownEnv = "ONMUX_TEST_OWN"

// OwnNamespace gives a test a network namespace of its own, and lets it run beside others. It
// starts the test binary again for this test alone and takes over the result; there, and nowhere
// else, it returns true at once:
//
//	if !nettest.OwnNamespace(t) {
//		return
//	}
func OwnNamespace(t *testing.T) bool {
	t.Helper()
	Need(t)
	if os.Getenv(ownEnv) == t.Name() {
		return true
	}
	t.Parallel()
	runtime.LockOSThread() // the kernel ties Pdeathsig to the thread that started the process
	defer runtime.UnlockOSThread()
	var pattern []string
	for part := range strings.SplitSeq(t.Name(), "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(part)+"$")
	}
	var left time.Duration // without end
	if end, ok := t.Deadline(); ok {
		left = time.Until(end) * 9 / 10
	}
	cmd := exec.Command("/proc/self/exe", "-test.run="+strings.Join(pattern, "/"), "-test.v", "-test.count=1",
		"-test.timeout="+left.String())
	cmd.Env = append(os.Environ(), ownEnv+"="+t.Name())
	cmd.SysProcAttr = isolated("yes")
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("%v:\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP: "+t.Name()+" ("):
		t.Skipf("%s", out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()+" ("):
		t.Errorf("the test did not run:\n%s", out)
	default:
		t.Logf("in a network namespace of its own:\n%s", out)
	}
	return false
}
