package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"onmux/probe/nettest"
)

// TestHardwareAddresses: a target on the same link that answers has its hardware address, by
// each method, in nmap's XML too.
func TestHardwareAddresses(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	want := ""
	err := h.Do(func() error {
		all, err := net.Interfaces()
		for _, i := range all {
			addrs, _ := i.Addrs()
			ours := func(a net.Addr) bool { return strings.HasPrefix(a.String(), h.Addr4.String()+"/") }
			if slices.ContainsFunc(addrs, ours) {
				want = i.HardwareAddr.String()
			}
		}
		return err
	})
	if err != nil || want == "" {
		t.Fatal("the host has no hardware address: ", err)
	}
	target := h.Addr4.String()
	for _, args := range [][]string{
		{"scan", target, "-p", "1/tcp", "--all", "--method", "syn"},
		{"scan", target, "-p", "1/tcp", "--all", "--method", "connect"},
		{"probe", target + ":1/tcp"}, {"probe", h.Addr6.String(), "-p", "1/tcp"},
	} {
		xml := t.TempDir() + "/r.xml"
		table := t.TempDir() + "/r.csv"
		out, err := exec.Command("onmux", append(args, "-o", "json", "-o", "nmap-xml="+xml, "-o", "csv="+table)...).Output()
		if err != nil {
			t.Fatal(args, err)
		}
		if b, err := os.ReadFile(table); err != nil || !strings.Contains(string(b), ","+want+",\r\n") { // no zone
			t.Errorf("%q: %v, the csv does not have %s:\n%s", args, err, want, b)
		}
		for _, file := range []string{"", xml} {
			if file != "" {
				if out, err = exec.Command("onmux", "report", file, "-o", "json").Output(); err != nil {
					t.Fatal(args, err)
				}
			}
			var r struct {
				Findings []struct{ State, MAC string }
			}
			if err := json.Unmarshal(out, &r); err != nil || len(r.Findings) != 1 || r.Findings[0].State != "closed" ||
				r.Findings[0].MAC != want {
				t.Errorf("%q: %v, %+v, want %s", args, err, r, want)
			}
		}
	}
	out, err := exec.Command("onmux", "probe", "127.0.0.1:1/tcp", "--json").Output()
	if err != nil || strings.Contains(string(out), `"mac"`) {
		t.Errorf("%v: this machine has a hardware address to itself: %s", err, out)
	}
}
