package scan

import (
	"bytes"
	"compress/flate"
	"context"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/scan/connect"
	"onmux/scan/engine"
	"onmux/scan/target"
)

// halfway is the checkpoint file of a sweep in its second pass.
func halfway(t testing.TB) []byte {
	t.Helper()
	plan, err := target.NewPlan(t.Context(), target.Config{
		Targets: []string{"10.0.0.0/26", "fe80::%a/122", "named.example"}, Exclude: []string{"10.0.0.7", "cut.example"},
		Ports: []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 417, Proto: probe.UDP}},
		Own:   []netip.Prefix{netip.MustParsePrefix("10.0.0.0/28")},
		Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			if host == "cut.example" {
				return []netip.Addr{netip.MustParseAddr("10.0.0.8")}, nil
			}
			return []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Plan: plan, Engine: &connect.Engine{}, Seed: 417, Checkpoint: "is kept"}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	s := newSweep(c)
	now := time.Unix(1e9, 0)
	s.pace = newPacer(1e6, now)
	all := byProto[bool]{probe.TCP: true, probe.UDP: true}
	for pass := range 2 {
		s.begin(all, false)
		for s.walk.pos < plan.Len()/uint64(pass+1) {
			now = now.Add(time.Millisecond)
			s.fill(s.crew[0], now)
			for i, p := range s.crew[0].batch {
				a := engine.Answer{Index: p.Index, Try: p.Try, At: now.Add(time.Millisecond)}
				a.Reason = probe.Reason((i + pass) % 15)
				a.Evidence, a.Error = []string{"a sentence"}, "an error"
				s.hear(&a)
			}
		}
		if pass == 0 {
			s.end()
		}
	}
	var file bytes.Buffer
	if err := s.write(&file, false); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestCheckpointKeepsThePlan(t *testing.T) {
	file := halfway(t)
	c, err := readCheckpoint(bytes.NewReader(file), int64(len(file)), target.MaxEndpoints)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Plan()
	if p.Len() != 2*(64-1-1-1+64+2) || p.Host(netip.MustParseAddr("192.0.2.7")) != "named.example" || len(p.LeftOut()) == 0 {
		t.Errorf("%d endpoints, host %q, left out %q", p.Len(), p.Host(netip.MustParseAddr("192.0.2.7")), p.LeftOut())
	}
	again := c.Plan().Config()
	again.Targets, again.Exclude = []string{"fe80::%a/122", "named.example", "10.0.0.0/26"}, []string{"cut.example", "10.0.0.7"}
	same, err := target.NewPlan(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	config := c.Config()
	config.Plan = same
	if err := c.Differs(config); err != nil {
		t.Error(err)
	}
	again.Targets = []string{"other.example"}
	if _, err := target.NewPlan(t.Context(), again); err == nil || !target.IsUsage(err) || !strings.Contains(err.Error(), "the checkpoint does not know it") {
		t.Errorf("another name: %v", err)
	}
}

// TestDamagedCheckpoint reads a file cut off anywhere, and with a bit changed anywhere.
func TestDamagedCheckpoint(t *testing.T) {
	good := halfway(t)
	refused := func(b []byte) bool {
		_, err := readCheckpoint(bytes.NewReader(b), int64(len(b)), target.MaxEndpoints)
		return err != nil && !strings.Contains(err.Error(), "\n")
	}
	for i := range good {
		if !refused(good[:i]) {
			t.Errorf("cut off at %d of %d", i, len(good))
		}
		for _, bit := range []int{i % 8, (i + 3) % 8} {
			b := bytes.Clone(good)
			b[i] ^= 1 << bit
			if !refused(b) {
				t.Errorf("bit %d of byte %d of %d", bit, i, len(good))
			}
		}
	}
}

// TestCheckpointOfABusySweep has the sweep ask and hear while its checkpoint is
// being written: what was read already counts as it is at the end.
func TestCheckpointOfABusySweep(t *testing.T) {
	plan, err := target.NewPlan(t.Context(), target.Config{Targets: []string{"10.0.0.0/14"}, Ports: []probe.Port{{Number: 417, Proto: probe.TCP}}})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Plan: plan, Engine: &connect.Engine{}, Seed: 417, Checkpoint: "is kept", Rate: 1e6}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	s := newSweep(c)
	now := time.Now()
	s.pace = newPacer(1e6, now)
	s.begin(byProto[bool]{probe.TCP: true}, false)
	work := func(batches int) {
		for range batches {
			s.fill(s.crew[0], now)
			var answers []engine.Answer
			for i, p := range s.crew[0].batch {
				if i%2 == 0 {
					a := engine.Answer{Index: p.Index, Try: 1, At: now}
					a.Reason = probe.Reset + probe.Reason(p.Index%2)*(probe.HostUnreach-probe.Reset)
					answers = append(answers, a)
				}
			}
			s.hearAll(answers, nil)
		}
	}
	work(int(plan.Len()/engine.MaxBatch) / 2)
	var file bytes.Buffer
	writes, then := 0, []cell(nil)
	if err := s.write(writeFunc(func(b []byte) (int, error) {
		if writes++; writes < 5 {
			work(3)
			then = append(then[:0], s.table.cells...)
		}
		return file.Write(b)
	}), false); err != nil {
		t.Fatal(err)
	}
	if s.journal.copied != 0 || s.journal.patches != nil || writes < 6 {
		t.Errorf("%d copied, %d patches, %d writes", s.journal.copied, len(s.journal.patches), writes)
	}
	got, err := readCheckpoint(bytes.NewReader(file.Bytes()), int64(file.Len()), target.MaxEndpoints)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range got.cells {
		if c != then[i].condensed() {
			t.Fatalf("cell %d is %#x in the file, was %#x", i, c, then[i])
		}
	}
	t.Logf("%d bytes for %d cells", file.Len(), len(got.cells))
}

type writeFunc func([]byte) (int, error)

func (f writeFunc) Write(b []byte) (int, error) { return f(b) }

// BenchmarkCheckpoint writes the checkpoint of a /8, to nowhere: of a silent one,
// and of one in which half has been asked and has answered.
func BenchmarkCheckpoint(b *testing.B) {
	plan, err := target.NewPlan(b.Context(), target.Config{Targets: []string{"10.0.0.0/8"}, Ports: []probe.Port{{Number: 417, Proto: probe.TCP}}})
	if err != nil {
		b.Fatal(err)
	}
	for name, share := range map[string]uint64{"silent": 0, "1 in 100": 100, "half": 2} {
		b.Run(name, func(b *testing.B) {
			c := Config{Plan: plan, Engine: &connect.Engine{}, Checkpoint: "is kept"}
			if err := c.complete(); err != nil {
				b.Fatal(err)
			}
			s := newSweep(c)
			for pos := range plan.Len() {
				if share > 0 && pos%share == 0 {
					s.table.cells[s.order.Index(pos)] = cellOf(reset, 1)
				}
			}
			var size int
			for b.Loop() {
				size = 0
				if err := s.write(writeFunc(func(p []byte) (int, error) { size += len(p); return len(p), nil }), false); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// FuzzCheckpoint reads streams that pass the checksum: whatever they hold, they are
// refused in a line, or a sweep can go on from them, count and tell.
func FuzzCheckpoint(f *testing.F) {
	good := halfway(f)
	first := bytes.IndexByte(good, '\n') + 1
	plain, err := io.ReadAll(flate.NewReader(bytes.NewReader(good[first:])))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add(plain[:len(plain)/2])
	f.Fuzz(func(t *testing.T, stream []byte) {
		var packed bytes.Buffer
		w, _ := flate.NewWriter(&packed, flate.HuffmanOnly)
		w.Write(stream)
		w.Close()
		c, err := decodeCheckpoint(&packed, 1<<16)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatal(err)
			}
			return
		}
		config := c.Config()
		config.Engine = noEngine{}
		if !c.Complete() {
			c.head.Methods = nil
		}
		if err := config.complete(); err != nil {
			t.Fatal(err)
		}
		s := newSweep(config)
		s.pace = newPacer(1, time.Now())
		s.owes()
		s.out = startEmitter(func(Finding) error { return nil }, func(error) {})
		s.retell(t.Context())
		s.tell()
		if err := s.out.close(); err != nil {
			t.Fatal(err)
		}
		o := s.outcome(nil, nil)
		var sum uint64
		for _, n := range o.States {
			sum += n
		}
		if sum != o.Targets || o.Targets+o.NotReached != s.size {
			t.Errorf("%+v of %d", o.Summary, s.size)
		}
		open := map[uint64]bool{}
		for i, c := range s.table.cells {
			if c.open() {
				open[uint64(i)] = true
			}
		}
		check(t, s, open)
	})
}

// noEngine sends nothing and hears nothing.
type noEngine struct{ engine.Engine }

func (noEngine) Methods() map[probe.Proto]string { return nil }
