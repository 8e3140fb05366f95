package job

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/inquiry"
	"onmux/report/record"
	"onmux/scan"
)

func endpoint(a string, s probe.State) probe.Result {
	return probe.Result{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr(a), Port: 417, Proto: probe.TCP}, State: s}
}

// A run ends with the last open endpoint that was to be found. What is known beside it is
// written, other open endpoints are not, and the counts are those of the records.
func TestFirst(t *testing.T) {
	decoy := endpoint("10.0.0.9", probe.Open)
	decoy.Openness = &probe.Openness{Everywhere: true}
	found := []record.Finding{
		endpoint("10.0.0.1", probe.Closed), endpoint("10.0.0.2", probe.Open), decoy, endpoint("10.0.0.3", probe.Open),
		endpoint("10.0.0.4", probe.Open), endpoint("10.0.0.5", probe.Closed), endpoint("10.0.0.6", probe.Open),
	}
	for _, tt := range []struct {
		most     uint64
		emitted  int
		open     uint64 // in the sum
		complete bool
	}{
		{0, 7, 5, true}, {5, 7, 5, true}, {4, 7, 5, true}, {3, 6, 4, false}, {2, 5, 3, false}, {1, 4, 2, false},
	} {
		emitted := 0
		limit := first{most: tt.most}
		end, err := limit.run(t.Context(), func(record.Finding) error { emitted++; return nil },
			func(ctx context.Context, emit func(record.Finding) error) (record.End, error) {
				end := newEnd("all")
				end.Summary.Targets, end.Summary.States["open"], end.Summary.States["closed"] = 7, 5, 2
				for _, f := range found {
					if err := emit(f); err != nil {
						return end, err
					}
				}
				return end, nil
			})
		if err != nil || emitted != tt.emitted || end.Summary.States["open"] != tt.open || end.Complete != tt.complete {
			t.Errorf("--first %d: %d records, %+v, %v", tt.most, emitted, end, err)
		}
		wantFirst := tt.most
		if tt.complete {
			wantFirst = 0
		}
		if s := end.Summary; end.First != wantFirst || s.Targets+s.NotReached != 7 || s.Targets != s.States["open"]+2 {
			t.Errorf("--first %d: %+v", tt.most, end)
		}
	}
}

// What was silent when a run stopped may only not have answered yet: it has no record. What was
// silent before has.
func TestFirstLeavesSilence(t *testing.T) {
	silent := endpoint("10.0.0.1", probe.Filtered)
	silent.Reason = probe.NoResponse
	span := scan.Range{Count: 5, State: probe.Filtered, Reason: probe.NoResponse}
	refused := scan.Range{Count: 3, State: probe.Closed, Reason: probe.Reset}
	emitted := 0
	limit := first{most: 1}
	end, err := limit.run(t.Context(), func(record.Finding) error { emitted++; return nil },
		func(_ context.Context, emit func(record.Finding) error) (record.End, error) {
			end := newEnd("all")
			end.Summary.Targets, end.Summary.States = 11, map[string]uint64{"open": 1, "filtered": 7, "closed": 3}
			for _, f := range []record.Finding{silent, endpoint("10.0.0.2", probe.Open), silent, span, refused} {
				if err := emit(f); err != nil {
					return end, err
				}
			}
			return end, nil
		})
	s := end.Summary
	if err != nil || emitted != 3 || s.Targets != 5 || s.NotReached != 6 || s.States["filtered"] != 1 ||
		end.Coverage[1] != "stopped after 1 open endpoint (--first); 6 had not answered yet, and have no record" {
		t.Errorf("%d records, %+v, %v", emitted, end, err)
	}
}

// A run that was interrupted, or failed, before it found enough has not stopped by itself.
func TestFirstIsNotReached(t *testing.T) {
	broken := errors.New("broken")
	limit := first{most: 2}
	end, err := limit.run(t.Context(), func(record.Finding) error { return nil },
		func(_ context.Context, emit func(record.Finding) error) (record.End, error) {
			return record.End{}, errors.Join(emit(endpoint("10.0.0.1", probe.Open)), broken)
		})
	if !errors.Is(err, broken) || end.First != 0 {
		t.Errorf("%+v, %v", end, err)
	}
}

// A probe does not wait for an endpoint that is silent when it has found enough behind it.
func TestFirstOfProbe(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	asked := []probe.Result{
		{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("127.0.0.1"), Proto: probe.UDP,
			Port: uint16(silent.LocalAddr().(*net.UDPAddr).Port)}},
		{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("127.0.0.1"), Proto: probe.TCP,
			Port: uint16(open.Addr().(*net.TCPAddr).Port)}},
	}
	var got []probe.Result
	p := Probe{First: 1, Inquiry: inquiry.Config{Timeout: time.Hour}}
	end, err := p.Run(t.Context(), asked, func(f record.Finding) error {
		got = append(got, f.(probe.Result))
		return nil
	})
	if err != nil || len(got) != 1 || got[0].State != probe.Open || got[0].Proto != probe.TCP {
		t.Errorf("%+v, %v", got, err)
	}
	if end.First != 1 || end.Complete || end.Summary.NotReached != 1 || len(end.Coverage) == 0 ||
		!slices.Contains(end.Coverage, "stopped after 1 open endpoint (--first)") {
		t.Errorf("%+v", end)
	}
}
