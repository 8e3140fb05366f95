package nats_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/checkpoint"
	"onmux/scan/connect"
	"onmux/scan/scantest"
	"onmux/scan/target"
	"onmux/scan/work"
	"onmux/scan/work/nats"
)

// roleVariable names what a process of these tests is, and its arguments.
const roleVariable = "ONMUX_TEST_ROLE"

func TestMain(m *testing.M) {
	name, args, ok := strings.Cut(os.Getenv(roleVariable), " ")
	if !ok {
		nettest.Main(m)
		return
	}
	roles := map[string]func(string) error{"server": serverRole, "worker": workerRole, "requester": requesterRole}
	if err := roles[name](args); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

const port = 4475 // of the server; in a namespace of the tests' own

func serverRole(dir string) error {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return err
	}
	go s.Start()
	if !s.ReadyForConnections(time.Minute) {
		return errors.New("the server is not ready")
	}
	fmt.Println("ready")
	select {}
}

func dial(ctx context.Context) (*nats.Conn, error) {
	return nats.Connect(ctx, nats.Config{URL: fmt.Sprintf("nats://127.0.0.1:%d", port)})
}

func workerRole(zone string) error {
	conn, err := dial(context.Background())
	if err != nil {
		return err
	}
	from := nats.Segments{Conn: conn}
	if err := from.Listen(); err != nil {
		return err
	}
	fmt.Println("ready")
	w := &work.Worker{From: from, Zone: zone, Log: func(string) {}, Scan: scanByConnections}
	return w.Run(context.Background())
}

func scanByConnections(
	ctx context.Context, _ *work.Request, c scan.Config,
) (*checkpoint.Part, scan.Outcome, error) {
	c.Engine = connect.New(connect.Config{Targets: c.Plan})
	return work.ScanSegment(ctx, c, func(*probe.Result) {})
}

func requesterRole(string) error {
	ctx := context.Background()
	conn, err := dial(ctx)
	if err != nil {
		return err
	}
	plan, err := killedPlan(ctx)
	if err != nil {
		return err
	}
	q := newRequester(conn)
	id, err := q.Begin(ctx, plan, killedSettings)
	if err != nil {
		return err
	}
	fmt.Println(id)
	_, err = q.Run(ctx, func(scan.Finding) error { return nil })
	return err
}

func newRequester(conn *nats.Conn) *work.Requester {
	return &work.Requester{
		At: nats.Requests{Conn: conn}, Zones: []string{"a", "b"}, Lease: 250 * time.Millisecond, Log: func(string) {},
	}
}

func killedPlan(ctx context.Context) (*target.Plan, error) {
	return target.NewPlan(ctx, target.Config{
		Targets: []string{"127.0.5.0/25"}, Ports: []probe.Port{{Number: 4476, Proto: probe.TCP}},
	})
}

var killedSettings = work.Settings{Seed: 7, Rate: 400, Retries: 1, Timeout: time.Second, Bound: 0.5}

// processes are those of one test.
type processes struct {
	testing.TB
	dir string
}

// start starts a process, and returns it with the first line that it writes.
func (p processes) start(role, args string) (*exec.Cmd, string) {
	p.Helper()
	exe, err := os.Executable()
	if err != nil {
		p.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), roleVariable+"="+role+" "+args)
	out, err := cmd.StdoutPipe()
	if err := errors.Join(err, cmd.Start()); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { kill(cmd) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.HasPrefix(line, "error") {
		p.Fatalf("%s: %q, %v", role, line, err)
	}
	return cmd, strings.TrimSpace(line)
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // SIGKILL, or it has ended
	_ = cmd.Wait()
}

// kills is how often each process is killed; more are for a longer test.
func kills(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("ONMUX_KILLS"))
	if err != nil {
		return 1
	}
	t.Logf("%d of each", n)
	return n
}

// TestKilled: whatever is killed, and when, the report is that of one machine, in each zone.
func TestKilled(t *testing.T) {
	nettest.Need(t)
	p := processes{t, t.TempDir()}
	server, _ := p.start("server", p.dir)
	l, err := net.Listen("tcp", "127.0.5.9:4476")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	workers := make(map[string]*exec.Cmd)
	for _, zone := range []string{"a", "b"} {
		workers[zone], _ = p.start("worker", zone)
	}
	plan, err := killedPlan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dice := rand.New(rand.NewPCG(4, 17))
	for range kills(t) {
		for _, victim := range []string{"worker", "requester", "server"} {
			requester, id := p.start("requester", "")
			time.Sleep(time.Duration(dice.IntN(300)) * time.Millisecond) // a random moment of the scan
			switch victim {
			case "worker":
				kill(workers["a"])
				workers["a"], _ = p.start("worker", "a")
			case "server":
				kill(server)
				server, _ = p.start("server", p.dir)
			}
			kill(requester) // another one continues in each case
			requireWhole(t, plan, id)
		}
	}
}

// requireWhole continues with a scan, and requires what one machine finds, in both zones.
func requireWhole(t *testing.T, plan *target.Plan, id string) {
	t.Helper()
	conn, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	q := newRequester(conn)
	if _, err := q.Attach(t.Context(), id); errors.Is(err, work.ErrEnded) {
		return // it was complete before its requester was killed
	} else if err != nil {
		t.Fatal(err)
	}
	zones := make(map[string]*scantest.Scan)
	o, err := q.Run(t.Context(), func(f scan.Finding) error {
		zone := ""
		switch f := f.(type) {
		case probe.Result:
			zone = f.Zone
		case scan.Range:
			zone = f.Zone
		}
		if zones[zone] == nil {
			zones[zone] = &scantest.Scan{}
		}
		zones[zone].Findings = append(zones[zone].Findings, f)
		return nil
	})
	if err != nil || !o.Complete || !o.Proven || len(o.Zones) != 2 || o.Targets != 2*plan.Len() {
		t.Fatalf("%+v, %v", o, err)
	}
	for i, name := range []string{"a", "b"} {
		zones[name].Outcome.Summary = o.Zones[i]
		for e, r := range zones[name].Results(t) {
			want := probe.Closed
			if e.Addr.String() == "127.0.5.9" {
				want = probe.Open
			}
			if r.State != want {
				t.Errorf("zone %s: %v is %v", name, e, r.State)
			}
		}
	}
}
