package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"

	"onmux/probe/nettest"
	"onmux/report/exitcode"
)

// A scan whose interface goes down is a failure, and what was found until then is
// reported. With this seed the host is asked seventh of 256.
func TestScanInterfaceGoesDown(t *testing.T) {
	t.Parallel()
	h := hostWith(t, ":417")
	cmd := exec.Command(
		"onmux", "scan", h.Addr4.String()+"/24", "-p", "417/tcp", "--method", "syn", "--rate", "100", "--seed", "7", "-o",
		"jsonl",
	)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var last struct {
		Type     string   `json:"type"`
		Complete bool     `json:"complete"`
		Coverage []string `json:"coverage"`
		Summary  struct {
			States map[string]int `json:"states"`
		} `json:"summary"`
	}
	open := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			t.Fatalf("%v: %s", err, lines.Bytes())
		}
		if bytes.Contains(lines.Bytes(), []byte(`"state":"open"`)) {
			open++
			l, err := netlink.LinkByName(h.Device)
			if err := errors.Join(err, netlink.LinkSetDown(l)); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitcode.Unknown || open != 1 {
		t.Errorf("exit code %d, %d open\n%s", code, open, stderr.Bytes())
	}
	if last.Type != "summary" || last.Complete || last.Summary.States["open"] != 1 ||
		!strings.Contains(strings.Join(last.Coverage, "\n"), "not reached: ") {
		t.Errorf("ended with %+v", last)
	}
	if !strings.Contains(stderr.String(), h.Device) || strings.Count(stderr.String(), "\n") != 1 {
		t.Errorf("stderr is not one line about %s:\n%s", h.Device, stderr.Bytes())
	}
}

// Where packets can be sent and not be received, auto connects and states why, and
// --method syn fails.
func TestScanDeaf(t *testing.T) {
	h := hostWith(t, ":417")
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	table := c.AddTable(&nftables.Table{Name: "deaf", Family: nftables.TableFamilyNetdev})
	chain := c.AddChain(&nftables.Chain{Name: "in", Table: table, Type: nftables.ChainTypeFilter, Device: "lo",
		Hooknum: nftables.ChainHookIngress, Priority: nftables.ChainPriorityFilter})
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}})
	if err := c.Flush(); err != nil {
		t.Skip("this kernel has no ingress hook:", err)
	}
	t.Cleanup(func() { c.DelTable(table); _ = c.Flush() })
	run := func(method string) (stdout, stderr string, code int) {
		cmd := exec.Command("onmux", "scan", h.Addr4.String(), "-p", "417/tcp", "--method", method, "--json")
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, _ := cmd.Output()
		return string(out), errs.String(), cmd.ProcessState.ExitCode()
	}
	out, stderr, code := run("syn")
	if code != exitcode.Unknown || !strings.Contains(stderr, "packets cannot be received") ||
		strings.Contains(out, `"complete":true`) {
		t.Errorf("--method syn: exit code %d\n%s%s", code, out, stderr)
	}
	out, stderr, code = run("auto")
	if code != exitcode.Holds || !strings.Contains(stderr, "method connect") ||
		!strings.Contains(stderr, "packets cannot be received") ||
		!strings.Contains(out, `"tcp":"connect"`) ||
		!strings.Contains(out, "scanned by connections, not by packets: packets cannot be received") ||
		!strings.Contains(out, `"open":1`) {
		t.Errorf("auto: exit code %d\n%s%s", code, out, stderr)
	}
}

// hostWith is a host behind a link of its own that listens on TCP.
func hostWith(t *testing.T, at string) *nettest.Host {
	t.Helper()
	nettest.Need(t)
	h := nettest.NewHost(t)
	var l net.Listener
	if err := h.Do(func() (err error) { l, err = net.Listen("tcp", at); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for start := time.Now(); ; { // a link takes up to a second to come up
		c, err := net.DialTimeout("tcp", h.Addr4.String()+at, time.Second)
		if err == nil {
			c.Close()
			return h
		}
		if time.Since(start) > 20*time.Second {
			t.Fatal("the host does not answer:", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
