package expect_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local"
	. "onmux/report/expect"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/scan"
)

func TestParseExpectation(t *testing.T) {
	for _, test := range []struct{ in, command, err string }{
		{"open", "scan", ""}, {"closed,filtered", "probe", ""}, {"open|filtered", "scan", ""},
		{"closed, filtered", "scan", ""},
		{"open=0", "scan", ""}, {"open==0", "scan", ""}, {"open != 3", "scan", ""}, {"open>=1", "scan", ""},
		{"listening", "check", ""}, {"free=2", "check", ""}, {"unknown", "check", ""},
		{"open", "check", "not among the words: listening"}, {"listening", "scan", "not among the words: open"},
		{"", "scan", "not among"}, {"open,", "scan", "not among"}, {"ajar", "scan", "not among"},
		{"Open", "scan", "not among"},
		{"open=", "scan", "is not a count"}, {"open=-1", "scan", "is not a count"}, {"open=>1", "scan", "is not a count"},
		{"open=1.5", "scan", "is not a count"}, {"open<>1", "scan", "is not a count"}, {"open!1", "scan", "is not a count"},
		{"open=18446744073709551616", "scan", "is not a count"},
		{"open,closed=1", "scan", "a count is of one word"}, {"=1", "scan", "not among"},
	} {
		e, err := Parse(test.in, test.command)
		switch {
		case test.err == "" && err != nil:
			t.Errorf("%q for %s: %v", test.in, test.command, err)
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%q for %s: %v, want %q", test.in, test.command, err, test.err)
		case err == nil && e.String() != strings.ReplaceAll(test.in, " ", ""):
			t.Errorf("%q came out as %q", test.in, e)
		}
	}
}

// states makes Findings: a range for a word with a count, an endpoint for one
// without.
func states(words ...string) []Finding {
	var out []Finding
	for _, w := range words {
		var s probe.State
		word, many := strings.CutSuffix(w, "*5")
		if err := s.UnmarshalText([]byte(word)); err != nil {
			panic(err)
		}
		if many {
			out = append(out, scan.Range{First: Addr4, Last: Addr4, Count: 5, Port: 417, Proto: probe.TCP, State: s})
		} else {
			out = append(out, probe.Result{Endpoint: probe.Endpoint{Addr: Addr4, Port: 417, Proto: probe.TCP},
				State: s})
		}
	}
	return out
}

func TestJudge(t *testing.T) {
	missing := func(n uint64) End { return End{Complete: false, Summary: scan.Summary{NotReached: n}} }
	whole := End{Complete: true}
	for _, test := range []struct {
		expect     string // separated by spaces
		found      []Finding
		end        End
		want       Outcome
		violations int
	}{
		{"", states("open", "closed"), whole, Holds, 0},
		{"", states("open", "unknown"), whole, CannotTell, 0},
		{"", states("open"), missing(1), CannotTell, 0},
		{"", nil, whole, Holds, 0},

		{"closed", states("closed", "closed*5"), whole, Holds, 0},
		{"closed", states("closed", "open"), whole, Fails, 1},
		{"closed", states("open*5"), whole, Fails, 1},
		{"closed,filtered", states("closed", "filtered"), whole, Holds, 0},
		{"closed", states("closed", "unknown"), whole, CannotTell, 0},
		{"closed", states("open", "unknown"), whole, Fails, 1},
		{"closed,unknown", states("closed", "unknown"), whole, Holds, 0},
		{"unknown", states("open"), whole, Fails, 1},
		{"closed", states("closed"), missing(1), CannotTell, 0},
		{"closed", states("open"), missing(1), Fails, 1},
		{"closed open", states("closed"), whole, Fails, 1},

		{"open=0", states("closed"), whole, Holds, 0},
		{"open=0", nil, whole, Holds, 0},
		{"open=0", states("open"), whole, Fails, 1},
		{"open=0", states("closed", "unknown"), whole, CannotTell, 0},
		{"open=0", states("closed"), missing(1), CannotTell, 0},
		{"open=0", states("open"), missing(1), Fails, 1},
		{"open=5", states("open*5"), whole, Holds, 0},
		{"open=6", states("open*5", "open"), whole, Holds, 0},
		{"open=6", states("open*5"), whole, Fails, 1},
		{"open=6", states("open*5", "unknown"), whole, CannotTell, 0},
		{"open=7", states("open*5", "unknown"), whole, Fails, 1},
		{"open=7", states("open*5", "unknown"), missing(1), CannotTell, 0},
		{"open!=5", states("open"), whole, Holds, 0},
		{"open!=5", states("open*5"), whole, Fails, 1},
		{"open!=5", states("open*5", "unknown"), whole, CannotTell, 0},
		{"open!=4", states("open*5", "unknown*5"), whole, Holds, 0},
		{"open<2", states("open"), whole, Holds, 0},
		{"open<1", states("open"), whole, Fails, 1},
		{"open<2", states("open", "unknown"), whole, CannotTell, 0},
		{"open<3", states("open", "unknown"), whole, Holds, 0},
		{"open<=1", states("open"), whole, Holds, 0},
		{"open<=1", states("open", "open"), whole, Fails, 1},
		{"open<=1", states("open", "unknown"), whole, CannotTell, 0},
		{"open>1", states("open", "open"), whole, Holds, 0},
		{"open>1", states("open"), whole, Fails, 1},
		{"open>1", states("open", "unknown"), whole, CannotTell, 0},
		{"open>=1", states("open"), missing(100), Holds, 0},
		{"open>=1", states("closed"), whole, Fails, 1},
		{"open>=1", states("closed"), missing(1), CannotTell, 0},
		{"open>=7", states("closed", "unknown*5"), missing(1), Fails, 1},
		{"unknown=0", states("open", "unknown"), whole, Fails, 1},
		{"unknown=1", states("open", "unknown"), whole, Holds, 0},
		{"unknown<=1", states("open", "unknown"), whole, Holds, 0},

		{"open>=1 closed,open", states("open", "closed"), whole, Holds, 0},
		{"open>=2 closed,open", states("open", "closed"), whole, Fails, 1},
		{"open>=1 closed,open", states("open", "unknown"), whole, CannotTell, 0},
	} {
		var expect []Expectation
		for _, s := range strings.Fields(test.expect) {
			e, err := Parse(s, "scan")
			if err != nil {
				t.Fatal(err)
			}
			expect = append(expect, e)
		}
		j := NewJudge(expect)
		violations := 0
		for _, f := range test.found {
			violations += len(j.Finding(f))
		}
		violations += len(j.End(test.end))
		if got := j.Outcome(); got != test.want || violations != test.violations {
			t.Errorf("%q of %v, %d not reached: outcome %d with %d violations, want %d with %d", test.expect,
				words(test.found), test.end.Summary.NotReached, got, violations, test.want, test.violations)
		}
	}
}

func words(found []Finding) (out []string) {
	for _, f := range found {
		switch f := f.(type) {
		case probe.Result:
			out = append(out, f.State.String())
		case scan.Range:
			out = append(out, f.State.String()+"*")
		}
	}
	return out
}

func TestViolations(t *testing.T) {
	expect := func(s, command string) *Judge {
		e, err := Parse(s, command)
		if err != nil {
			t.Fatal(err)
		}
		return NewJudge([]Expectation{e})
	}
	last := netip.MustParseAddr("192.0.2.9")
	for _, test := range []struct {
		judge *Judge
		found Finding
		want  Violation
	}{
		{expect("closed,filtered", "scan"), states("open")[0],
			Violation{What: "192.0.2.1:417/tcp", Expected: "closed,filtered", Actual: "open", Address: "192.0.2.1",
				Port: 417, Proto: "tcp"}},
		{expect("closed", "scan"), scan.Range{First: Addr4, Last: last, Count: 9, Port: 417, Proto: probe.UDP,
			State: probe.OpenFiltered},
			Violation{What: "192.0.2.1-192.0.2.9 port 417/udp", Expected: "closed", Actual: "open|filtered",
				Address: "192.0.2.1-192.0.2.9", Port: 417, Proto: "udp"}},
		{expect("free", "check"), local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Listening},
			Violation{What: "417/tcp", Expected: "free", Actual: "listening", Port: 417, Proto: "tcp"}},
	} {
		if got := test.judge.Finding(test.found); !reflect.DeepEqual(got, []Violation{test.want}) {
			t.Errorf("got %+v, want %+v", got, test.want)
		}
	}
	j := expect("free", "check")
	if got := j.Finding(local.Listener{State: local.Listening}); got != nil {
		t.Errorf("a listener is not a verdict: %v", got)
	}
	j = expect("open<1", "scan")
	j.Finding(states("open")[0])
	want := []Violation{{What: "count", Expected: "open<1", Actual: "open=1"}}
	if got := j.End(End{Complete: true}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func FuzzParseExpectation(f *testing.F) {
	f.Add("open>=1")
	f.Add("closed,filtered")
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Parse(s, "scan")
		if err != nil {
			return
		}
		again, err := Parse(e.String(), "scan")
		if err != nil || again.String() != e.String() {
			t.Errorf("%q: %v", s, err)
		}
		NewJudge([]Expectation{e}).Finding(states("open")[0])
	})
}

// What is open as every port of its host is, and names no service, is none that was wanted
// and one too many where none should be.
func TestJudgeDecoys(t *testing.T) {
	decoy := states("open")[0].(probe.Result)
	decoy.Openness = &probe.Openness{Controls: 4, Answered: 4, Everywhere: true}
	named := decoy
	named.Service = &probe.Service{Name: "ssh"}
	for _, test := range []struct {
		expect string
		of     Finding
		want   Outcome
	}{
		{"open", decoy, Fails}, {"open,closed", decoy, Fails}, {"closed", decoy, Fails}, {"open>=1", decoy, Fails},
		{"open=1", decoy, Fails},
		{"open=0", decoy, Fails}, {"open<1", decoy, Fails}, {"open<2", decoy, Holds}, {"open!=1", decoy, Fails},
		{"closed=0", decoy, Holds},
		{"open", named, Holds}, {"open>=1", named, Holds}, {"open=0", named, Fails},
	} {
		e, err := Parse(test.expect, "scan")
		if err != nil {
			t.Fatal(err)
		}
		j := NewJudge([]Expectation{e})
		j.Finding(test.of)
		j.End(End{Complete: true})
		if got := j.Outcome(); got != test.want {
			t.Errorf("%s: %v, want %v", test.expect, got, test.want)
		}
	}
}
