package text_test

import (
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/ports"
	. "onmux/report"
	. "onmux/report/record"
	. "onmux/report/reporttest"
)

func explained(ports ...ports.Info) Stream {
	s := Stream{Started: Start{Schema: Schema, Command: "explain", Version: "1", Started: Noon},
		Ended: End{Finished: Noon, Complete: true, Coverage: []string{"IANA's names"}}}
	for _, p := range ports {
		s.Findings = append(s.Findings, p)
	}
	return s
}

// onmux is 417 as an ordinary user of Linux has it explained.
func onmux() ports.Info {
	return ports.Info{Port: 417, Protos: probe.Protos(), Range: ports.System,
		Names: []ports.Name{{Name: "onmux", Proto: probe.TCP, Source: "IANA"}, {Name: "onmux", Proto: probe.UDP,
			Source: "IANA"}},
		Services: ports.Services{File: "/etc/services"}, UnprivilegedFrom: Ptr(1024), MayBind: Ptr(false),
		Ephemeral: Ptr(false), EphemeralRange: &ports.Span{First: 32768, Last: 60999}, Reserved: Ptr(false),
		History: ports.History(417)}
}

// others are ports about which other things are known.
func others() []ports.Info {
	iana := func(name string, p probe.Proto) ports.Name { return ports.Name{Name: name, Proto: p, Source: "IANA"} }
	return []ports.Info{
		{Port: 512, Protos: []probe.Proto{probe.UDP}, Range: ports.System,
			Services: ports.Services{File: "/etc/services",
				Lines: []ports.Service{{Line: 7, Name: "biff", Proto: "udp", Aliases: []string{"comsat", "mail"},
					Comment: "new mail"}}},
			Names: []ports.Name{iana("exec", probe.TCP), iana("comsat", probe.UDP),
				{Name: "biff", Proto: probe.UDP, Source: "/etc/services"}},
			UnprivilegedFrom: Ptr(1024), MayBind: Ptr(true)},
		{Port: 512, Protos: probe.Protos(), Range: ports.System, Services: ports.Services{File: "/etc/services",
			Error: "there is no such file"},
			Names: []ports.Name{iana("exec", probe.TCP), iana("comsat", probe.UDP)}, UnprivilegedFrom: Ptr(1024)},
		{Port: 6000, Protos: probe.Protos(), Range: ports.User, Services: ports.Services{File: "services"},
			Names: []ports.Name{{Name: "x11", Proto: probe.TCP, Source: "services"}}, UnprivilegedFrom: Ptr(0),
			MayBind: Ptr(true)},
		{Port: 50000, Protos: []probe.Proto{probe.TCP}, Range: ports.Dynamic,
			Services:         ports.Services{File: "services"},
			UnprivilegedFrom: Ptr(1024), MayBind: Ptr(true), Ephemeral: Ptr(true),
			EphemeralRange: &ports.Span{First: 32768, Last: 60999}},
		{Port: 50001, Protos: probe.Protos(), Range: ports.Dynamic, Services: ports.Services{File: "services"},
			Ephemeral: Ptr(true), EphemeralRange: &ports.Span{First: 32768, Last: 60999}, Reserved: Ptr(true)},
		{Port: 80, Protos: probe.Protos(), Range: ports.System, Services: ports.Services{File: "services"},
			Reserved: Ptr(true),
			Notes: []string{"on most Unix systems a port below 1024 needs root to bind; whether this one agrees " +
				"is not known"}},
	}
}

// Prose is not as wide as a wide terminal.
func TestExplainIsNarrow(t *testing.T) {
	if textOf(t, explained(onmux()), Options{Width: 200}) != textOf(t, explained(onmux()), Options{Width: 80}) {
		t.Error("200 columns are not written as 80 are")
	}
}

// hostilePort has the string wherever one comes from outside.
func hostilePort(bad string) ports.Info {
	p := onmux()
	p.Names[0].Name, p.Names[0].Source = bad, bad
	p.Services = ports.Services{File: bad, Error: bad,
		Lines: []ports.Service{{Line: 1, Name: bad, Proto: bad, Aliases: []string{bad}, Comment: bad}}}
	p.Notes, p.History = []string{bad}, []ports.Fact{{Fact: bad, Source: bad}}
	return p
}

func TestReplayRefusesPorts(t *testing.T) {
	start := strings.SplitAfter(string(Sample().Write(t, "jsonl")), "\n")[0]
	for _, c := range []struct{ record, err string }{
		{`"port":417,"protos":["tcp"],"range":"user","services":{"file":"x"}`, "port 417 is not in the range"},
		{`"port":417,"protos":["sctp"],"range":"system","services":{"file":"x"}`, "sctp"},
		{`"port":417,"protos":["tcp"],"range":"system","services":{"file":"x"},"names":[{"name":"x","source":"y"}]`,
			"no protocol"},
		{`"port":70000,"protos":["tcp"],"range":"dynamic","services":{"file":"x"}`, "70000"},
	} {
		err := Replay(strings.NewReader(start+`{"type":"port",`+c.record+"}\n"), NewRecorder())
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", c.record, err, c.err)
		}
	}
}
