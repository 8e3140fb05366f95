package scan

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"onmux/probe"
	"onmux/scan/checkpoint"
	"onmux/scan/engine"
	"onmux/scan/target"
	"onmux/scan/timing"
	"onmux/scan/verdict"
)

// FuzzReceive takes questions and answers of every kind, in any order, and checks
// that the counts agree with the table and that nothing open is reported twice or
// taken back.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x00\x00\x01\x02\x01\x03\x01\x09\x05\x02"))
	f.Add([]byte{1, 2, 1, 0, 1, 3, 2, 4, 1, 0, 0, 1, 3, 9, 0, 2, 1, 5, 0, 3, 1, 255, 255, 7})
	ports := []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 417, Proto: probe.UDP}}
	plan, err := target.NewPlan(f.Context(), target.Config{Targets: []string{"10.0.0.1-8", "2001:db8::1"}, Ports: ports})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := Config{Plan: plan}
		c.Shard = target.Shard{I: 1, N: 1}
		c.Timeout = DefaultTimeout
		now := time.Unix(0, 0)
		l := newLoop(c, now)
		d := l.dispatch
		d.pace = timing.NewPacer(1e6, now)
		all := verdict.ByProto[bool]{probe.TCP: true, probe.UDP: true}
		d.begin(checkpoint.Pass{Asks: all})
		open := map[uint64]bool{}
		for ; len(b) >= 4; b = b[4:] {
			now = now.Add(time.Duration(b[3]) * time.Millisecond)
			switch b[0] % 4 {
			case 0: // ask some
				fill(d, now)
				if b[1]%4 == 0 {
					l.table.release(d.senders[0])
				}
				if d.cursor.done() && d.pass.Number < engine.MaxTries {
					l.table.end()
					d.begin(checkpoint.Pass{Asks: all})
				}
			default:
				a := engine.Answer{Index: uint64(b[1]), Try: int(int8(b[2])), At: now}
				if b[0]&0x40 != 0 {
					a.Index = binary.LittleEndian.Uint64(append([]byte{b[1], b[2], b[3]}, 0, 0, 0, 0, 0xff))
				}
				a.Reason = probe.Reason(b[2] % 18)
				a.RTT = probe.Millis(int64(int8(b[3])) * 1e6)
				switch b[0] >> 4 & 3 {
				case 1:
					a.Responder = netip.MustParseAddr("192.0.2.1")
				case 2:
					a.Responder = plan.At(a.Index % plan.Len()).Addr
				}
				for _, found := range l.receiver.receive([]engine.Answer{a}) {
					if open[a.Index] || found.(probe.Result).State != probe.Open {
						t.Fatalf("%+v is reported open, before: %v", found, open[a.Index])
					}
					open[a.Index] = true
				}
			}
		}
		check(t, l, open)
	})
}

// check counts anew what the table counts as it goes.
func check(t *testing.T, l *loop, open map[uint64]bool) {
	var askable, silent verdict.ByProto[int64]
	r, st := l.result(), &l.table.state
	for i, c := range st.cells {
		p := l.proto(uint64(i))
		a, s, _ := c.Counts()
		askable[p] += a
		silent[p] += s
		if c.Open() != open[uint64(i)] {
			t.Errorf("%d is %#x, reported open: %v", i, c, open[uint64(i)])
		}
		if c.Tries() == 0 && c != 0 {
			t.Errorf("%d is %#x without a try", i, c)
		}
		r := r.verdicts().single(uint64(i))
		if c.Asked() && (r.State != c.State(p) || r.State == probe.Unknown && r.Error == "") {
			t.Errorf("%#x is reported as %+v", c, r)
		}
	}
	if askable != st.askable || silent != st.silent || int(st.open) != len(open) {
		t.Errorf(
			"askable %v, silent %v, open %d; counted %v, %v, %d",
			st.askable,
			st.silent,
			st.open,
			askable,
			silent,
			len(open),
		)
	}
	for _, p := range probe.Protos() {
		tally := st.measurable(p, &l.limits)
		if loss, missed, ok := tally.Measure(st.silent[p], st.pass.Done[p]); ok && !(loss >= 0 && loss < 1 && missed >= 0) {
			t.Errorf("a loss of %v, %v missed", loss, missed)
		}
	}
	if w := l.dispatch.wait(); w <= 0 || w > l.Timeout {
		t.Errorf("the wait is %v", w)
	}
}
