package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"onmux/probe/nettest"
)

// seedFile makes an NKey, writes its seed to a file, and returns its public key.
func seedFile(t *testing.T, file string) string {
	t.Helper()
	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := key.Seed()
	if err == nil {
		err = os.WriteFile(file, seed, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// TestNATSOfManifests runs the server with the configuration of the manifests, a worker with the arguments of the
// Deployment, and a scan as the comment has it; another user and another signature are refused.
func TestNATSOfManifests(t *testing.T) {
	t.Parallel()
	nettest.Need(t)
	if !nettest.IsAlone() {
		t.Skip("this takes a network namespace of its own")
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	requester, worker := seedFile(t, file("requester.nk")), seedFile(t, file("worker.nk"))
	seedFile(t, file("stranger.nk"))
	var config string
	var args []string
	for name, m := range manifests(t) {
		switch {
		case strings.HasPrefix(name, "nats.yaml") && m["kind"] == "ConfigMap":
			config, _ = dig(m, "data")["nats.conf"].(string)
		case strings.HasPrefix(name, "workers.yaml") && m["kind"] == "Deployment":
			args = m.podOf().containers()[0].args(nil)
		}
	}
	replace := func(s string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(s) }
	if err := os.WriteFile(file("bad.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := server.ProcessConfigFile(file("bad.conf")); err == nil {
		t.Error("a server starts without keys")
	}
	config = replace(config, "REQUESTER_PUBLIC_KEY", requester, "WORKER_PUBLIC_KEY", worker, `"/data"`,
		`"`+file("data")+`"`, "0.0.0.0:4222", "127.0.0.1:-1")
	if err := os.WriteFile(file("nats.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	options, err := server.ProcessConfigFile(file("nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	options.NoLog, options.NoSigs = true, true
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server is not ready")
	}
	n := &workNet{TB: t, url: s.ClientURL()}
	for i := range args {
		args[i] = replace(args[i], "nats://onmux-nats:4222", n.url, "/keys/", dir+"/", "REQUESTER_PUBLIC_KEY", requester,
			"10.0.0.0/8", "127.0.9.0/24")
	}
	if !slices.Contains(args, "--trust="+requester) {
		t.Fatalf("the worker's arguments are %q", args)
	}
	p := n.start(true, "onmux", append(args, "--method", "connect")...)
	if line := n.await(p, "waiting for scans"); !strings.Contains(line, "eu-1") {
		t.Fatalf("the worker does not wait for scans: %q", line)
	}
	listenOn(t, "127.0.9.7:4480")
	ask := []string{"127.0.9.0/28", "-p", "4480/tcp", "--via", n.url, "--from", "all", "--nkey", file("requester.nk")}
	got := n.scan(append(ask, "--sign", file("requester.nk"))...)
	if !got.complete || got.states["open"] != 1 || got.states["closed"] != 15 {
		t.Errorf("%+v", got)
	}
	out, err := exec.Command("onmux", "scan", "127.0.9.0/28", "-p", "4480/tcp", "--via", n.url, "--nkey",
		file("stranger.nk")).CombinedOutput()
	if err == nil {
		t.Errorf("a stranger may use the server: %s", out)
	}
}

// TestSystemdUnit has systemd read the unit.
func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd is not installed")
	}
	text, err := os.ReadFile("testdata/deploy/systemd/onmux-work.service")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// It would complain of a program that is not installed.
	text = []byte(strings.ReplaceAll(string(text), "/usr/bin/onmux", self))
	verify := func(unit string) (complaints []string) {
		file := filepath.Join(t.TempDir(), "onmux-work.service")
		if err := os.WriteFile(file, []byte(unit), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput()
		for line := range strings.Lines(string(out)) { // there are those of other units
			if strings.Contains(line, "onmux-work.service") {
				complaints = append(complaints, line)
			}
		}
		if err != nil && complaints == nil {
			t.Skipf("systemd-analyze does not work here: %v %s", err, out)
		}
		return complaints
	}
	if c := verify(string(text)); c != nil {
		t.Errorf("systemd complains: %q", c)
	}
	if verify(strings.Replace(string(text), "MemoryMax", "MemoryMaximum", 1)) == nil {
		t.Error("systemd does not complain of a name that is wrong")
	}
}
