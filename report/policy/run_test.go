package policy_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	. "onmux/report/policy"
	"onmux/report/record"
)

// commands records what was asked of it; a probe takes a second.
type commands struct {
	found

	mu          sync.Mutex
	checks      []local.Request
	scans       []string
	probes, max int // running now, and at most
	services    []string
}

func (c *commands) Check(ctx context.Context, r local.Request) (local.Report, error) {
	c.checks = append(c.checks, r)
	return c.found.Check(ctx, r)
}

func (c *commands) Probe(ctx context.Context, p *Probe, id bool, emit func(record.Finding) error) (record.End, error) {
	c.count(1)
	defer c.count(-1)
	if id {
		c.mu.Lock()
		c.services = append(c.services, p.Host)
		c.mu.Unlock()
	}
	select {
	case <-time.After(time.Second):
		return c.found.Probe(ctx, p, id, emit)
	case <-ctx.Done():
		return record.End{}, errors.New("cut off in the middle of a question")
	}
}

func (c *commands) count(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probes += n
	c.max = max(c.max, c.probes)
}

func (c *commands) Scan(ctx context.Context, s *Scan, emit func(record.Finding) error) (record.End, error) {
	c.scans = append(c.scans, strings.Join(s.Targets, ","))
	return c.found.Scan(ctx, s, emit)
}

// TestVerifyAsksOnce: all rules about this machine share one check, those about the same
// network one scan, and probes run side by side, but not too many.
func TestVerifyAsksOnce(t *testing.T) {
	text := `
check:
  - {port: 8080/tcp, expect: free}
  - {port: "443/tcp,80/tcp", process: caddy}
  - {name: again, port: 80/tcp}
scan:
  - {name: a, targets: 10.0.0.0/28, expect: closed}
  - {name: b, targets: 10.0.1.0/28, expect: closed}
  - {name: c, targets: 10.0.0.0/28, count: open=0}
probe:
`
	for i := range 40 {
		text += fmt.Sprintf("  - {endpoint: \"h%d:80\"}\n", i)
	}
	text += "  - {endpoint: \"ssh:22\", service: ssh}\n"
	synctest.Test(t, func(t *testing.T) {
		c := &commands{found: found{end: whole}}
		var names []string
		begin := time.Now()
		_, err := Verify(t.Context(), parse(t, text), c, func(f record.Finding) error {
			if r, ok := f.(record.Rule); ok {
				names = append(names, r.Name)
			}
			return nil
		})
		if took := time.Since(begin); err != nil || took != 3*time.Second || c.max != 16 || c.probes != 0 {
			t.Errorf("%v, %d probes at once, %d still running: %v", took, c.max, c.probes, err)
		}
		want := []probe.Port{
			{Number: 80, Proto: probe.TCP}, {Number: 443, Proto: probe.TCP}, {Number: 8080, Proto: probe.TCP},
		}
		if len(c.checks) != 1 || !slices.Equal(c.checks[0].Ports, want) || !c.checks[0].Owners {
			t.Errorf("checks: %+v", c.checks)
		}
		if !slices.Equal(c.scans, []string{"10.0.0.0/28", "10.0.1.0/28"}) {
			t.Errorf("scans: %v", c.scans)
		}
		if !slices.Equal(c.services, []string{"ssh"}) {
			t.Errorf("identified: %v", c.services)
		}
		first, last := names[:4], names[len(names)-3:]
		if len(names) != 47 || fmt.Sprint(first, last) != "[check 8080/tcp check 443/tcp,80/tcp again probe h0:80] [a b c]" {
			t.Errorf("%d rules: %v … %v", len(names), first, last)
		}
	})
}

// TestVerifyInterrupted: each rule that was not judged has the cause of the end, and no scan
// begins after it.
func TestVerifyInterrupted(t *testing.T) {
	p := parse(t, "probe: [{endpoint: 'h:80'}]\nscan: [{targets: 10.0.0.0/28, expect: closed}]")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errors.New("no time is left"))
		defer cancel()
		c := &commands{found: found{end: whole}}
		var got []string
		end, err := Verify(ctx, p, c, func(f record.Finding) error {
			r := f.(record.Rule)
			got = append(got, r.Outcome.String()+" "+r.Error)
			return nil
		})
		want := []string{"cannot-tell no time is left", "cannot-tell no time is left"}
		if err != nil || !slices.Equal(got, want) || len(c.scans) != 0 {
			t.Errorf("%q, scans %v: %v", got, c.scans, err)
		}
		if end.Complete || !slices.Equal(end.Coverage, []string{"judged 0 of 2 rules"}) {
			t.Errorf("%+v", end)
		}
	})
}

// TestVerifyStops: an error of the report ends it.
func TestVerifyStops(t *testing.T) {
	p := parse(t, "probe: [{endpoint: 'a:80'}, {endpoint: 'b:80'}]")
	full, n := errors.New("no space left"), 0
	end, err := Verify(t.Context(), p, found{end: whole}, func(record.Finding) error { n++; return full })
	if err != full || n != 1 || !slices.Equal(end.Coverage, []string{"judged 1 of 1 rules"}) {
		t.Errorf("%d emitted, %v: %v", n, end.Coverage, err)
	}
}

// TestDescribeWritesNoPart: a policy that would leave something out is not written.
func TestDescribeWritesNoPart(t *testing.T) {
	p := parse(t, "probe: [{name: p, endpoint: 'a:80'}]")
	for _, c := range []struct {
		found
		want string
	}{
		{found{err: errors.New("no route")}, `rule "p" could not be judged, so no policy was written: no route`},
		{found{}, "not everything could be found out, so no policy was written"},
	} {
		if text, err := Describe(t.Context(), p, c, noon); err == nil || err.Error() != c.want || text != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// TestRulesHaveTheirPlace: a rule has its line, and its violations the order of addresses.
func TestRulesHaveTheirPlace(t *testing.T) {
	p, err := Parse("onmux.yaml", []byte("check:\n  - port: 80/tcp\nscan:\n  -\n    expect: closed\n"+
		"    targets: 10.0.0.0/28\n    port: 80/tcp\n"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var f found
	for _, a := range []string{"10.0.0.10", "10.0.0.9", "10.0.0.1"} {
		f.findings = append(f.findings, probe.Result{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr(a), Port: 80,
			Proto: probe.TCP}, State: probe.Open})
	}
	var got []string
	Verify(t.Context(), p, f, func(r record.Finding) error {
		switch r := r.(type) {
		case record.Rule:
			got = append(got, fmt.Sprint("line ", r.Line))
		case record.Violation:
			got = append(got, r.Address)
		}
		return nil
	})
	if want := "[line 2 line 5 10.0.0.1 10.0.0.9 10.0.0.10]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}
