package scan_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/probe/nettest/race"
	"onmux/scan"
	"onmux/scan/checkpoint"
	"onmux/scan/engine"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
	"onmux/scan/target"
)

// lossy is mixed with loss, which the endpoint and the try alone decide: a
// network that treats a probe alike whenever it is sent.
func lossy(e probe.Endpoint) simnet.Host {
	h := mixed(e)
	if h.Reason != probe.LocalError && h.Reason != probe.NoNeighbor {
		h.LossOut, h.LossBack = 0.15, 0.1
	}
	return h
}

// A resumable scan and how it is cut.
type cut struct {
	ports   []probe.Port
	targets []string
	config  scan.Config
	network simnet.Config
}

func (c cut) start(t *testing.T, file string, resume *checkpoint.Checkpoint) scan.Config {
	config := c.config
	config.Plan = scantest.NewPlan(t, c.ports, c.targets...)
	if resume != nil {
		config = scan.Resumed(resume)
		config.Rate = c.config.Rate
	}
	config.Checkpoint, config.SaveEvery = file, time.Hour // a checkpoint waits for the disk
	config.Engine = simnet.New(c.network)
	return config
}

// sameVerdicts compares all that does not depend on when probes were sent.
func sameVerdicts(t *testing.T, when string, got, want scantest.Scan) {
	t.Helper()
	got.RequireComplete(t)
	a, b := got.Results(t), want.Results(t)
	bad := 0
	for e, w := range b {
		g, ok := a[e]
		w.RTT, g.RTT = 0, 0
		if (!ok || !reflect.DeepEqual(g, w)) && bad < 3 {
			bad++
			t.Errorf("%s: reported as %+v, without interruption %+v", when, g, w)
		}
	}
	if len(a) != len(b) || !maps.Equal(got.States, want.States) || got.Passes != want.Passes {
		t.Errorf("%s: %+v, without interruption %+v", when, got.Summary, want.Summary)
	}
	if (got.Loss == nil) != (want.Loss == nil) ||
		got.Loss != nil && (*got.Loss != *want.Loss || *got.ExpectedMissed != *want.ExpectedMissed) {
		t.Errorf("%s: another loss than without interruption", when)
	}
}

var cuts = map[string]cut{
	"mixed": {
		ports:   both,
		targets: []string{"10.0.0.0/24", "10.0.3.0/25"},
		config:  scan.Config{Retries: -1, Rate: 3000, Seed: 4},
		network: simnet.Config{Host: mixed},
	},
	"lossy": {
		ports:   both,
		targets: []string{"10.0.0.0/25", "fe80::%a/124"},
		config:  scan.Config{Retries: 14, Rate: 3000, Seed: 5, Bound: 0.01},
		network: simnet.Config{Host: lossy, KnowsTry: true, CountPending: true, Seed: 9},
	},
	"shard": {
		ports:   both,
		targets: []string{"10.0.0.0/24"},
		config:  scan.Config{Retries: 5, Rate: 1000, Seed: 6, Shard: target.Shard{I: 2, N: 3}, Bound: 0.01, All: true},
		network: simnet.Config{Host: lossy, Seed: 3},
	},
	"at most one try": {
		ports:   []probe.Port{tcp417},
		targets: []string{"10.0.0.0/24"},
		config:  scan.Config{Retries: 0, Rate: 3000},
		network: simnet.Config{Host: lossy, Seed: 3},
	},
}

// ordinary is how many probes of a scan were no control probes. A run knows only its
// own of these.
func ordinary(s scan.Summary) uint64 {
	if s.Controls == nil {
		return s.Probes
	}
	return s.Probes - s.Controls.Asked
}

// TestInterruptedAndResumed stops scans at many positions, in every pass, once
// and again and again, and compares their results with a scan that was not
// stopped.
func TestInterruptedAndResumed(t *testing.T) {
	t.Parallel()
	for name, c := range cuts {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "checkpoint")
			var whole scantest.Scan
			synctest.Test(t, func(t *testing.T) { whole = scantest.Run(t.Context(), c.start(t, "", nil)) })
			n := 0
			for after := uint64(1); after < whole.Probes; after += 1 + whole.Probes/13 {
				if n++; n%race.Nth != 3%race.Nth {
					continue
				}
				for _, every := range []bool{false, true} { // only the first run is stopped, or each
					if every && n%5 != 3 {
						continue
					}
					synctest.Test(t, func(t *testing.T) {
						got := c.interrupted(t, file, after, every)
						sameVerdicts(t, fmt.Sprintf("stopped after %d probes", after), got, whole)
						// One that is stopped waits for answers between payloads too, and may
						// save some probes by it.
						n, all := ordinary(got.Summary), ordinary(whole.Summary)
						if n > all || n < all*98/100 {
							t.Errorf("%d probes, without interruption %d", n, all)
						}
					})
				}
			}
		})
	}
}

// interrupted runs c, stops it after so many probes, and resumes until it ends.
func (c cut) interrupted(t *testing.T, file string, after uint64, every bool) scantest.Scan {
	var resume *checkpoint.Checkpoint
	for run := 0; run < 1000; run++ {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		config := c.start(t, file, resume)
		config.All = c.config.All
		if run == 0 || every {
			config.Engine = &stopper{Network: config.Engine.(*simnet.Network), after: after, stop: cancel}
		}
		s := scantest.Run(ctx, config)
		if s.Err != nil {
			t.Fatal(s.Err)
		}
		s.Results(t)
		var err error
		if resume, err = checkpoint.Read(file); err != nil {
			t.Fatal(err)
		}
		if resume.Complete != s.Complete {
			t.Fatalf("complete: %v, the checkpoint has %v", s.Complete, resume.Complete)
		}
		if s.Complete {
			return s
		}
	}
	t.Fatal("it never ends")
	return scantest.Scan{}
}

// TestKilledAndResumed resumes from checkpoints that were written on the way, with
// probes in flight, as a process leaves them that is killed.
func TestKilledAndResumed(t *testing.T) {
	t.Parallel()
	for name, c := range cuts {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var saved []string
			var whole scantest.Scan
			c.config.Rate = 400
			synctest.Test(t, func(t *testing.T) { whole = scantest.Run(t.Context(), c.start(t, "", nil)) })
			synctest.Test(t, func(t *testing.T) {
				config := c.start(t, filepath.Join(dir, "live"), nil)
				config.SaveEvery = time.Duration(whole.Duration) / 12
				var last []byte
				config.Engine = &copier{config.Engine.(*simnet.Network), func() {
					b, err := os.ReadFile(config.Checkpoint)
					if err != nil {
						t.Fatal(err)
					}
					if string(b) != string(last) {
						last = b
						name := filepath.Join(dir, fmt.Sprint(len(saved)))
						if err := os.WriteFile(name, b, 0o600); err != nil {
							t.Fatal(err)
						}
						saved = append(saved, name)
					}
				}}
				whole = scantest.Run(t.Context(), config)
				whole.RequireComplete(t)
			})
			if len(saved) < 5 {
				t.Fatalf("%d checkpoints", len(saved))
			}
			for i, name := range saved {
				if i%race.Nth != 0 {
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					resume, err := checkpoint.Read(name)
					if err != nil {
						t.Fatal(err)
					}
					config := c.start(t, "", resume)
					config.All = c.config.All
					sameVerdicts(t, filepath.Base(name), scantest.Run(t.Context(), config), whole)
				})
			}
		})
	}
}

// copier looks at each batch before it leaves.
type copier struct {
	*simnet.Network
	look func()
}

func (c *copier) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	c.look()
	return c.Network.Send(ctx, batch)
}

// TestResumedWhenComplete reports all again and sends nothing.
func TestResumedWhenComplete(t *testing.T) {
	t.Parallel()
	c := cuts["mixed"]
	file := filepath.Join(t.TempDir(), "checkpoint")
	synctest.Test(t, func(t *testing.T) {
		whole := scantest.Run(t.Context(), c.start(t, file, nil))
		for range 2 {
			resume, err := checkpoint.Read(file)
			if err != nil || !resume.Complete {
				t.Fatal(err, "complete:", err == nil && resume.Complete)
			}
			config := c.start(t, file, resume)
			network := config.Engine.(*simnet.Network)
			again := scantest.Run(t.Context(), config)
			sameVerdicts(t, "reported again", again, whole)
			for e, r := range again.Results(t) { // what was kept of answers, too
				if w := whole.Results(t)[e]; r.State == probe.Open &&
					r.RTT != probe.Millis(time.Duration(w.RTT).Round(time.Microsecond)) {
					t.Errorf("%v had a round trip of %v, now %v", e, w.RTT, r.RTT)
				}
			}
			if network.Probes() != 0 || noted(again.Coverage, scan.CoverReplayed).Count != ordinary(whole.Summary) {
				t.Errorf("%d probes, coverage %+v", network.Probes(), again.Coverage)
			}
			resume, _ = checkpoint.Read(file)
			config = scan.Resumed(resume)
			sameVerdicts(t, "without an engine", scantest.Run(t.Context(), config), whole)
		}
	})
}

// TestShortageIsResumed lets a scan give up because it has no resources, and goes on
// when there are some.
func TestShortageIsResumed(t *testing.T) {
	c := cuts["mixed"]
	file := filepath.Join(t.TempDir(), "checkpoint")
	synctest.Test(t, func(t *testing.T) {
		whole := scantest.Run(t.Context(), c.start(t, "", nil))
		config := c.start(t, file, nil)
		config.Engine = &exhausted{Network: config.Engine.(*simnet.Network), after: 300}
		s := scantest.Run(t.Context(), config)
		s.Results(t)
		if s.Complete || s.States["unknown"] < 100 {
			t.Fatalf("%+v", s.Outcome)
		}
		resume, err := checkpoint.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		sameVerdicts(t, "resumed", scantest.Run(t.Context(), c.start(t, file, resume)), whole)
	})
}

type exhausted struct {
	*simnet.Network
	after uint64
}

func (e *exhausted) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	if e.Probes() < e.after {
		return e.Network.Send(ctx, batch)
	}
	return 0, probe.ErrBusy
}

func TestCheckpointOfAnotherPlan(t *testing.T) {
	c := cuts["mixed"]
	file := filepath.Join(t.TempDir(), "checkpoint")
	synctest.Test(t, func(t *testing.T) {
		scantest.Run(t.Context(), c.start(t, file, nil))
		for want, change := range map[string]func(*scan.Config){
			"ports 417/tcp and 417/udp, not 417/tcp": func(c *scan.Config) {
				c.Plan = scantest.NewPlan(t, []probe.Port{tcp417}, "10.0.0.0/24", "10.0.3.0/25")
			},
			"384 addresses, not 256 addresses; 10.0.3.0 is in it": func(c *scan.Config) {
				c.Plan = scantest.NewPlan(t,
					both, "10.0.0.0/24")
			},
			"384 addresses, not 512 addresses; 10.0.3.128 is not in it": func(c *scan.Config) {
				c.Plan = scantest.NewPlan(t,
					both, "10.0.0.0/24", "10.0.3.0/24")
			},
			"other addresses; 10.0.3.128 is not in it": func(c *scan.Config) {
				c.Plan = scantest.NewPlan(t,
					both, "10.0.0.0/24", "10.0.3.128/25")
			},
			"seed 4, not 5":           func(c *scan.Config) { c.Seed = 5 },
			"shard 1/1, not 1/2":      func(c *scan.Config) { c.Shard = target.Shard{I: 1, N: 2} },
			"retries 10, not 3":       func(c *scan.Config) { c.Retries = 3 },
			"timeout 2s, not 1s":      func(c *scan.Config) { c.Timeout = time.Second },
			"tcp method simnet, not ": func(c *scan.Config) { c.Engine = newScript(nil) },
		} {
			resume, err := checkpoint.Read(file)
			if err != nil {
				t.Fatal(err)
			}
			config := c.start(t, "", resume)
			change(&config)
			s := scantest.Run(t.Context(), config)
			if s.Err == nil || s.Err.Error() != "the checkpoint is of another plan: "+want {
				t.Errorf("error %q, want %q", s.Err, want)
			}
		}
	})
}

func TestCheckpointThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := cuts["mixed"].start(t, filepath.Join(t.TempDir(), "no", "such", "folder"), nil)
		s := scantest.Run(t.Context(), config)
		if s.Err == nil || !errors.Is(s.Err, os.ErrNotExist) || config.Engine.(*simnet.Network).Probes() != 0 {
			t.Errorf("%v after %d probes", s.Err, config.Engine.(*simnet.Network).Probes())
		}
	})
}

// TestFilesThatAreNoCheckpoint reads files that are something else.
func TestFilesThatAreNoCheckpoint(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "checkpoint")
	synctest.Test(t, func(t *testing.T) { scantest.Run(t.Context(), cuts["mixed"].start(t, file, nil)) })
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, b []byte, want string) {
		t.Helper()
		name := filepath.Join(dir, "bad")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := checkpoint.Read(name)
		if err == nil || strings.Contains(err.Error(), "\n") ||
			!strings.HasPrefix(err.Error(), "reading "+name+": ") ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", what, err, want)
		}
	}
	refused("empty", nil, "it is empty")
	refused("a report", []byte(`{"schema":"onmux/1"}`), "it is not a checkpoint of onmux")
	refused(
		"newer",
		[]byte("onmux checkpoint 3\nwhatever it holds"),
		"a newer onmux wrote it, in format 3: this one reads format 2",
	)
	refused("cut off", good[:len(good)-1], "it is damaged or cut off")
	refused("longer", append(append([]byte(nil), good...), 0), "it is damaged or cut off")
	if _, err := checkpoint.Read(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := checkpoint.Read(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestGapIsResumed: what was silent before an interruption, because a part of the network had
// failed, is no more evidence to the scan that goes on.
func TestGapIsResumed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "checkpoint")
	for _, lost := range []byte{32, 64, 128} { // addresses, the last of a network
		for _, after := range []uint64{100, 256, 700} { // probes
			synctest.Test(t, func(t *testing.T) { testGapIsResumed(t, file, lost, after) })
		}
	}
}

func testGapIsResumed(t *testing.T, file string, lost byte, after uint64) {
	var probes atomic.Uint64
	start := func(resume *checkpoint.Checkpoint) scan.Config {
		return scan.Config{
			Plan: scantest.NewPlan(t, []probe.Port{tcp417}, "10.0.0.0/22"), Rate: 1000, Seed: 1, All: true, Retries: -1,
			Checkpoint: file, Resume: resume,
			Engine: simnet.New(simnet.Config{
				KnowsTry: true, Seed: 1,
				Passes: func(p engine.Probe) bool {
					a := p.Endpoint.Addr.As4()
					return probes.Add(1) < after || a[2] < 3 || a[3] < -lost
				},
				Host: func(e probe.Endpoint) simnet.Host {
					return simnet.Host{Reason: pathTruth(e), RTT: 20 * time.Millisecond}
				},
			}),
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := start(nil)
	first.Engine = &stopper{Network: first.Engine.(*simnet.Network), after: 768, stop: cancel}
	if s := scantest.Run(ctx, first); s.Err != nil || s.Complete {
		t.Fatalf("complete %v, %v", s.Complete, s.Err)
	}
	resume, err := checkpoint.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	s := scantest.Run(t.Context(), start(resume))
	wrong, unknown := 0, 0
	for e, r := range s.Results(t) {
		switch want := pathTruth(e); {
		case r.State == probe.Unknown:
			unknown++
		case r.State != probe.Verdict(e.Proto, want, true):
			wrong++
		}
	}
	if wrong > 0 || unknown == 0 || s.Complete {
		t.Errorf("%d addresses gone after %d probes: %d wrong, %d unknown, complete %v", lost, after, wrong, unknown,
			s.Complete)
	}
}
