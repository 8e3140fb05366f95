package scan

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/scan/checkpoint"
	"onmux/scan/connect"
	"onmux/scan/engine"
	"onmux/scan/queue"
	"onmux/scan/target"
	"onmux/scan/timing"
	"onmux/scan/verdict"
)

// halfway is the checkpoint file of a scan in its second pass.
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
	now := time.Unix(1e9, 0)
	l := newLoop(c, now)
	d := l.dispatch
	d.pace = timing.NewPacer(1e6, now)
	all := verdict.ByProto[bool]{probe.TCP: true, probe.UDP: true}
	for pass := range 2 {
		d.begin(checkpoint.Pass{Asks: all})
		for d.cursor.pos < plan.Len()/uint64(pass+1) {
			now = now.Add(time.Millisecond)
			fill(d, now)
			for i, p := range d.senders[0].batch {
				a := engine.Answer{Index: p.Index, Try: p.Try, At: now.Add(time.Millisecond)}
				a.Reason = probe.Reason((i + pass) % 15)
				a.Facts, a.Error = []probe.Fact{{Kind: probe.FactRST}}, "an error"
				l.receiver.receive([]engine.Answer{a})
			}
		}
		if pass == 0 {
			l.table.end()
		}
	}
	var file bytes.Buffer
	if err := checkpoint.Write(&file, source{l.parts, methodNames(c)}, false); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// fill takes the next batch into the dispatcher's first sender.
func fill(d *dispatcher, now time.Time) {
	d.table.fill(d.senders[0], &d.cursor, d.pace.Batch(), d.wait(), now, d.sent)
}

func TestCheckpointKeepsThePlan(t *testing.T) {
	file := halfway(t)
	c, err := checkpoint.Decode(bytes.NewReader(file), int64(len(file)), target.MaxEndpoints)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Plan()
	if p.Len() != 2*(64-1-1-1+64+2) || p.Host(netip.MustParseAddr("192.0.2.7")) != "named.example" ||
		len(p.LeftOut()) == 0 {
		t.Errorf("%d endpoints, host %q, left out %+v", p.Len(), p.Host(netip.MustParseAddr("192.0.2.7")), p.LeftOut())
	}
	again := c.Plan().Config()
	again.Targets, again.Exclude = []string{
		"fe80::%a/122",
		"named.example",
		"10.0.0.0/26",
	}, []string{
		"cut.example",
		"10.0.0.7",
	}
	same, err := target.NewPlan(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	config := Resumed(c)
	config.Plan = same
	if err := config.Differs(); err != nil {
		t.Error(err)
	}
	again.Targets = []string{"other.example"}
	if _, err := target.NewPlan(t.Context(), again); err == nil || !target.IsUsage(err) ||
		!strings.Contains(err.Error(), "the checkpoint does not know it") {
		t.Errorf("another name: %v", err)
	}
}

// TestDamagedCheckpoint reads a file cut off anywhere, and with a bit changed anywhere.
func TestDamagedCheckpoint(t *testing.T) {
	t.Parallel()
	good := halfway(t)
	refused := func(b []byte) bool {
		_, err := checkpoint.Decode(bytes.NewReader(b), int64(len(b)), target.MaxEndpoints)
		return err != nil && !strings.Contains(err.Error(), "\n")
	}
	for i := range good {
		if !refused(good[:i]) {
			t.Errorf("cut off at %d of %d", i, len(good))
		}
		b := bytes.Clone(good)
		b[i] ^= 1 << (i % 8)
		if !refused(b) {
			t.Errorf("bit %d of byte %d of %d", i%8, i, len(good))
		}
	}
}

// TestCheckpointOfABusySweep has the scan ask and receive while its checkpoint is
// being written: what was read already counts as it is at the end.
func TestCheckpointOfABusySweep(t *testing.T) {
	t.Parallel()
	plan, err := target.NewPlan(
		t.Context(),
		target.Config{Targets: []string{"10.0.0.0/15"}, Ports: []probe.Port{{Number: 417, Proto: probe.TCP}}},
	)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Plan: plan, Engine: &connect.Engine{}, Seed: 417, Checkpoint: "is kept", Rate: 1e6}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	l := newLoop(c, now)
	d, st := l.dispatch, &l.table.state
	d.begin(checkpoint.Pass{Asks: verdict.ByProto[bool]{probe.TCP: true}})
	work := func(batches int) {
		for range batches {
			fill(d, now)
			var answers []engine.Answer
			for i, p := range d.senders[0].batch {
				if i%2 == 0 {
					a := engine.Answer{Index: p.Index, Try: 1, At: now}
					a.Reason = probe.Reset + probe.Reason(p.Index%2)*(probe.HostUnreach-probe.Reset)
					answers = append(answers, a)
				}
			}
			l.receiver.receive(answers)
		}
	}
	work(int(plan.Len()/engine.MaxBatch) / 2)
	var file bytes.Buffer
	writes, then := 0, []verdict.Cell(nil)
	if err := checkpoint.Write(writeFunc(func(b []byte) (int, error) {
		if writes++; writes < 5 {
			work(3)
			then = append(then[:0], st.cells...)
		}
		return file.Write(b)
	}), source{l.parts, nil}, false); err != nil {
		t.Fatal(err)
	}
	if st.journal.copied != 0 || st.journal.patches != nil || writes < 6 {
		t.Errorf("%d copied, %d patches, %d writes", st.journal.copied, len(st.journal.patches), writes)
	}
	got, err := checkpoint.Decode(bytes.NewReader(file.Bytes()), int64(file.Len()), target.MaxEndpoints)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range got.TakeCells() {
		if c != checkpoint.Condense(then[i]) {
			t.Fatalf("cell %d is %#x in the file, was %#x", i, c, then[i])
		}
	}
	t.Logf("%d bytes for %d cells", file.Len(), len(got.TakeCells()))
}

type writeFunc func([]byte) (int, error)

func (f writeFunc) Write(b []byte) (int, error) { return f(b) }

// BenchmarkCheckpoint writes the checkpoint of a /8, to nowhere: of a silent one,
// and of one in which half has been asked and has answered.
func BenchmarkCheckpoint(b *testing.B) {
	plan, err := target.NewPlan(
		b.Context(),
		target.Config{Targets: []string{"10.0.0.0/8"}, Ports: []probe.Port{{Number: 417, Proto: probe.TCP}}},
	)
	if err != nil {
		b.Fatal(err)
	}
	for name, share := range map[string]uint64{"silent": 0, "1 in 100": 100, "half": 2} {
		b.Run(name, func(b *testing.B) {
			c := Config{Plan: plan, Engine: &connect.Engine{}, Checkpoint: "is kept"}
			if err := c.complete(); err != nil {
				b.Fatal(err)
			}
			l := newLoop(c, time.Now())
			for pos := range plan.Len() {
				if share > 0 && pos%share == 0 {
					l.table.state.cells[l.order.Index(pos)] = verdict.CellOf(verdict.Reset, 1)
				}
			}
			var size int
			for b.Loop() {
				size = 0
				count := writeFunc(func(p []byte) (int, error) { size += len(p); return len(p), nil })
				if err := checkpoint.Write(count, source{l.parts, nil}, false); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// FuzzCheckpoint reads streams that pass the checksum: whatever is in them, they are
// refused in a line, or a scan can resume from them.
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
		file := bytes.NewBuffer(bytes.Clone(good[:first]))
		w, _ := flate.NewWriter(file, flate.HuffmanOnly)
		w.Write(stream)
		w.Close()
		sum := sha256.Sum256(file.Bytes())
		file.Write(sum[:])
		c, err := checkpoint.Decode(bytes.NewReader(file.Bytes()), int64(file.Len()), 1<<16)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatal(err)
			}
			return
		}
		config := Resumed(c)
		config.Engine = noEngine{}
		if !c.Complete {
			c.Methods = nil
		}
		if err := config.complete(); err != nil {
			t.Fatal(err)
		}
		l := newLoop(config, time.Now())
		l.needed()
		l.out = queue.Start(func(Finding) error { return nil }, func(error) {})
		l.emitFound(t.Context())
		r := l.result()
		r.verdicts().emit(l.out)
		if err := l.out.Close(); err != nil {
			t.Fatal(err)
		}
		o := r.outcome(nil, nil)
		var sum64 uint64
		for _, n := range o.States {
			sum64 += n
		}
		if sum64 != o.Targets || o.Targets+o.NotReached != l.size {
			t.Errorf("%+v of %d", o.Summary, l.size)
		}
		open := map[uint64]bool{}
		for i, c := range l.table.state.cells {
			if c.Open() {
				open[uint64(i)] = true
			}
		}
		check(t, l, open)
	})
}

// noEngine sends nothing and receives nothing.
type noEngine struct{ engine.Engine }

func (noEngine) Methods() map[probe.Proto]string { return nil }
