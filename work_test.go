package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"onmux/probe/nettest"
)

// natsServer is a NATS server with JetStream, on loopback, until it is killed: nats-server DIR.
// Its first line is its URL, when it can be used.
func natsServer() {
	if err := serveNATS(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serveNATS(dir string) error {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return err
	}
	go s.Start()
	if !s.ReadyForConnections(time.Minute) {
		return errors.New("the server is not ready")
	}
	fmt.Println(s.ClientURL())
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
	s.Shutdown()
	return nil
}

// workNet are the processes of one test: a server, and workers.
type workNet struct {
	testing.TB
	url string
}

// process is a program that was started, and what it writes.
type process struct {
	*exec.Cmd
	out *bufio.Reader
}

func newWorkNet(t testing.TB) *workNet {
	t.Helper()
	nettest.Need(t)
	if !nettest.IsAlone() {
		t.Skip("this takes a network namespace of its own")
	}
	n := &workNet{TB: t}
	n.url = strings.TrimSpace(n.await(n.start(false, "nats-server", t.TempDir()), "nats://"))
	return n
}

// work starts a worker, and waits until it waits for scans.
func (n *workNet) work(zone string, args ...string) *process {
	n.Helper()
	p := n.start(true, "onmux", append([]string{"work", n.url, "--zone", zone, "--method", "connect"}, args...)...)
	n.await(p, "waiting for scans")
	return p
}

// start starts a program; errors states whether its messages are read, or what it writes.
func (n *workNet) start(errors bool, name string, args ...string) *process {
	n.Helper()
	p := &process{Cmd: exec.Command(name, args...)}
	p.Stderr = os.Stderr
	pipe := p.StdoutPipe
	if errors {
		p.Stderr, pipe = nil, p.StderrPipe
	}
	out, err := pipe()
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		n.Fatal(err)
	}
	n.Cleanup(p.kill)
	p.out = bufio.NewReader(out)
	return p
}

// await reads until a line has some text.
func (n *workNet) await(p *process, text string) (line string) {
	n.Helper()
	for {
		line, err := p.out.ReadString('\n')
		if strings.Contains(line, text) {
			return line
		}
		if err != nil {
			n.Fatalf("%s ended, and did not write %q", p, text)
		}
	}
}

func (p *process) kill() {
	_ = p.Process.Kill() // or it has ended
	_ = p.Wait()
}

// answers are the states of a report by zone, and of each endpoint.
type answers struct {
	complete bool
	states   map[string]int
	all      map[string]string // by zone, address and port
}

// scan runs a scan, and reads its report.
func (n *workNet) scan(args ...string) answers {
	n.Helper()
	file := filepath.Join(n.TempDir(), "report.json")
	out, err := exec.Command("onmux", append([]string{"scan", "--all", "--method", "connect", "-o", "json=" + file},
		args...)...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		n.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		n.Fatalf("%v\n%s", err, out)
	}
	return n.read(b)
}

func (n *workNet) read(b []byte) answers {
	n.Helper()
	var report struct {
		Complete bool
		Findings []struct {
			Zone, Address, Proto, State, Reason, Error string
			Port                                       uint16
		}
		Summary struct{ States map[string]int }
	}
	if err := json.Unmarshal(b, &report); err != nil {
		n.Fatal(err)
	}
	v := answers{report.Complete, report.Summary.States, make(map[string]string)}
	for _, f := range report.Findings {
		key := fmt.Sprint(f.Zone, " ", f.Address, " ", f.Port, f.Proto)
		if v.all[key] != "" {
			n.Fatalf("%s is there twice", key)
		}
		v.all[key] = fmt.Sprint(f.State, " ", f.Reason, " ", f.Error)
	}
	return v
}

func (n *workNet) same(got, want answers, zones ...string) {
	n.Helper()
	if !got.complete || len(got.all) != len(want.all)*len(zones) {
		n.Fatalf("complete %v, %d endpoints, %v; %d are wanted in %d zones", got.complete, len(got.all), got.states,
			len(want.all), len(zones))
	}
	for key, state := range want.all {
		for _, zone := range zones {
			if got := got.all[zone+key]; got != state {
				n.Errorf("zone %q, %s: %q, not %q", zone, key, got, state)
			}
		}
	}
}

// listenOn accepts connections until the test ends.
func listenOn(t testing.TB, addresses ...string) {
	t.Helper()
	for _, a := range addresses {
		l, err := net.Listen("tcp", a)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_ = c.Close()
			}
		}()
	}
}

// TestWorkers: workers that share a scan make the report of one machine, and zones that each ask
// everything have that report each.
func TestWorkers(t *testing.T) {
	t.Parallel()
	n := newWorkNet(t)
	listenOn(t, "127.0.3.7:4472", "127.0.3.9:4472")
	targets := []string{"127.0.3.0/26", "-p", "4472/tcp", "--seed", "7"}
	one := n.scan(targets...)
	if one.states["open"] != 2 || one.states["closed"] != 62 {
		t.Fatalf("%+v", one)
	}
	n.work("a")
	n.work("b")
	n.same(n.scan(append(targets, "--via", n.url)...), one, "")
	n.same(n.scan(append(targets, "--via", n.url, "--from", "all")...), one, "a", "b")
	n.same(n.scan(append(targets, "--via", n.url, "--from", "b")...), one, "b")
}

// TestWorkerBounds: what a worker may not ask is unknown, and it takes only requests that are signed
// by the key that it trusts.
func TestWorkerBounds(t *testing.T) {
	t.Parallel()
	n := newWorkNet(t)
	n.work("a", "--allow", "127.0.4.0/29,127.0.4.15")
	got := n.scan("127.0.4.0/28", "-p", "4474/tcp", "--via", n.url)
	if got.states["closed"] != 9 || got.states["unknown"] != 7 {
		t.Fatalf("%+v", got)
	}
	for key, state := range got.all {
		if strings.HasPrefix(state, "unknown") && !strings.Contains(state, "the worker in zone a may not ask this") {
			t.Errorf("%s: %s", key, state)
		}
	}
}
