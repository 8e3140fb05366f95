package expect

import (
	"net/netip"
	"testing"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	"onmux/report/record"
)

func TestHolder(t *testing.T) {
	few := uint32(2)
	root := uint32(0)
	listening := local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Listening}
	held := local.Listener{
		Proto: probe.TCP, Port: 417, Address: netip.MustParseAddr("127.0.0.1"), State: local.Listening,
		Reach:   "loopback",
		Backlog: &socket.Backlog{Used: 2, Limit: 8}, UID: &root, NetNS: "host",
		Owners: []owner.Owner{{Name: "nginx", User: "root", Place: owner.Place{Unit: "nginx.service"}},
			{Name: "helper", User: "www-data"}},
	}
	hidden := held
	hidden.Owners = nil
	guessed := hidden
	guessed.User = "www-data"
	guessed.Origin = owner.Origin{Place: owner.Place{Unit: "nginx.service"},
		Candidates: []owner.Candidate{{Process: owner.Process{PID: 5, Name: "nginx"}, By: "cgroup"}}}
	activated := held
	activated.Owners = []owner.Owner{{PID: 1, Name: "systemd", User: "root", Place: owner.Place{Unit: "init.scope"},
		SocketUnit: "ssh.socket"}}
	activated.Unit = "ssh.socket"
	web := uint32(33)
	dropped := held // by a server that gave up the rights with which it made the socket
	dropped.User, dropped.Owners = "root", []owner.Owner{{Name: "nginx", User: "www-data", UID: &web}}
	fleeting := held
	fleeting.User, fleeting.Owners = "root", []owner.Owner{{PID: 5, Ended: true}}
	wide := held
	wide.Address, wide.Reach = netip.MustParseAddr("::"), "any"
	busy := held
	busy.Backlog = &socket.Backlog{Used: 3, Limit: 8}
	unqueued := held
	unqueued.Backlog = nil
	datagrams := unqueued
	datagrams.Proto = probe.UDP
	elsewhere := wide
	elsewhere.NetNS = "container 0123456789ab"

	for _, c := range []struct {
		name   string
		expect Holder
		stream []record.Finding
		want   record.Outcome
	}{
		{"loopback", Holder{Addr: "loopback"}, []record.Finding{listening, held}, record.Holds},
		{"one of two is wide", Holder{Addr: "loopback"}, []record.Finding{listening, held, wide}, record.Fails},
		{"another namespace is not ours", Holder{Addr: "loopback"}, []record.Finding{listening, held, elsewhere},
			record.Holds},
		{"any", Holder{Addr: "any"}, []record.Finding{listening, wide}, record.Holds},
		{"not any", Holder{Addr: "any"}, []record.Finding{listening, held}, record.Fails},
		{"an address", Holder{Addr: "127.0.0.1"}, []record.Finding{listening, held}, record.Holds},
		{"another address", Holder{Addr: "127.0.0.2"}, []record.Finding{listening, held}, record.Fails},
		{"process", Holder{Process: "nginx"}, []record.Finding{listening, held}, record.Holds},
		{"a sharer", Holder{Process: "helper", User: "www-data"}, []record.Finding{listening, held}, record.Holds},
		{"another process", Holder{Process: "sshd"}, []record.Finding{listening, held}, record.Fails},
		{"process not visible", Holder{Process: "nginx"}, []record.Finding{listening, hidden}, record.CannotTell},
		{"user by number, process not visible", Holder{User: "0"}, []record.Finding{listening, hidden}, record.Holds},
		{"a candidate is not an owner", Holder{Process: "nginx"}, []record.Finding{listening, guessed}, record.CannotTell},
		{"nor is another a violation", Holder{Process: "sshd"}, []record.Finding{listening, guessed},
			record.CannotTell},
		{"user of the socket", Holder{User: "www-data"}, []record.Finding{listening, guessed}, record.Holds},
		{"another user", Holder{User: "app"}, []record.Finding{listening, guessed}, record.CannotTell},
		{"the socket's user, where the owners are known", Holder{User: "root"}, []record.Finding{listening, dropped},
			record.Fails},
		{"and its number", Holder{User: "0"}, []record.Finding{listening, dropped}, record.Fails},
		{"an owner's number", Holder{User: "33"}, []record.Finding{listening, dropped}, record.Holds},
		{"an owner whose user is not known", Holder{User: "root"}, []record.Finding{listening, fleeting},
			record.CannotTell},
		{"unit of the socket", Holder{Unit: "nginx.service"}, []record.Finding{listening, guessed}, record.Holds},
		{"another unit", Holder{Unit: "apache2.service"}, []record.Finding{listening, guessed}, record.CannotTell},
		{"socket unit", Holder{Unit: "ssh.socket"}, []record.Finding{listening, activated}, record.Holds},
		{"unit of its owner", Holder{Unit: "init.scope"}, []record.Finding{listening, activated}, record.Holds},
		{"another socket unit", Holder{Unit: "cups.socket"}, []record.Finding{listening, activated}, record.Fails},
		{"unit", Holder{Unit: "nginx.service"}, []record.Finding{listening, held}, record.Holds},
		{"queue", Holder{MaxBacklog: &few}, []record.Finding{listening, held}, record.Holds},
		{"queue too long", Holder{MaxBacklog: &few}, []record.Finding{listening, busy}, record.Fails},
		{"queue not known", Holder{MaxBacklog: &few}, []record.Finding{listening, unqueued}, record.CannotTell},
		{"no queue", Holder{MaxBacklog: &few}, []record.Finding{listening, datagrams}, record.CannotTell},
		{"no queue, found", Holder{MaxBacklog: &few, Found: true}, []record.Finding{listening, held, datagrams},
			record.Holds},
		{"nothing listens", Holder{Process: "nginx"}, []record.Finding{local.Verdict{Port: 417, Proto: probe.TCP,
			Verdict: local.Free}}, record.Fails},
		{"nothing here", Holder{Addr: "loopback"}, []record.Finding{local.Verdict{Port: 417, Proto: probe.TCP,
			Verdict: local.Elsewhere}, elsewhere}, record.Fails},
		{"found elsewhere", Holder{Addr: "loopback", Found: true},
			[]record.Finding{local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Elsewhere}, elsewhere},
			record.Holds},
		{"found to be sent on", Holder{Addr: "loopback", Found: true},
			[]record.Finding{local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Redirected}}, record.Fails},
		{"not known", Holder{Process: "nginx"}, []record.Finding{local.Verdict{Port: 417, Proto: probe.TCP,
			Verdict: local.Unknown, Error: "x"}}, record.CannotTell},
	} {
		e, err := OfHolder(c.expect)
		if err != nil {
			t.Fatal(err)
		}
		j := NewJudge([]Expectation{e})
		violations := 0
		for _, f := range c.stream {
			violations += len(j.Finding(f))
		}
		j.End(record.End{Complete: true})
		if got := j.Outcome(); got != c.want || (violations > 0) != (c.want == record.Fails) {
			t.Errorf("%s: outcome %d with %d violations, want %d", c.name, got, violations, c.want)
		}
	}
}

// The holder of what --expect names is held against, not only of what listens.
func TestHolderOfBound(t *testing.T) {
	held := func(state local.Word, name string) []record.Finding {
		return []record.Finding{local.Verdict{Port: 417, Proto: probe.TCP, Verdict: state}, local.Listener{
			Proto: probe.TCP, Port: 417, Address: netip.MustParseAddr("127.0.0.1"), State: state, NetNS: "host",
			Owners: []owner.Owner{{Name: name}}}}
	}
	free := []record.Finding{local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Free}}
	for _, c := range []struct {
		expect string
		stream []record.Finding
		want   record.Outcome
	}{
		{"bound", held(local.Bound, "python3"), record.Holds},
		{"bound", held(local.Bound, "perl"), record.Fails},
		{"bound", held(local.Listening, "python3"), record.Fails},
		{"bound", free, record.Fails},
		{"bound,free", free, record.Holds},
		{"bound,listening", held(local.Listening, "python3"), record.Holds},
		{"bound,listening", held(local.Listening, "perl"), record.Fails},
		{"connected", held(local.Connected, "python3"), record.Holds},
		{"connected", held(local.Connected, "perl"), record.Fails},
		{"free", free, record.Fails}, // nobody holds it, and it is expected that somebody does
		{"bound=1", held(local.Bound, "python3"), record.Fails},
	} {
		words, err := Parse(c.expect, "check")
		if err != nil {
			t.Fatal(err)
		}
		e, err := OfHolder(Holder{Process: "python3"}.Of([]Expectation{words}))
		if err != nil {
			t.Fatal(err)
		}
		j := NewJudge([]Expectation{words, e})
		for _, f := range c.stream {
			j.Finding(f)
		}
		end := record.End{Complete: true}
		j.End(end)
		if got := j.Outcome(); got != c.want {
			t.Errorf("%s of %+v: %s, want %s", c.expect, c.stream, got, c.want)
		}
	}
}

func TestHolderOfNoAddress(t *testing.T) {
	if _, err := OfHolder(Holder{Addr: "here"}); err == nil {
		t.Error("here is not an address")
	}
}

// The kernel cuts the names of processes at 15 bytes: both are meant.
func TestHolderNames(t *testing.T) {
	for _, c := range []struct {
		expected string
		of       owner.Owner
		want     record.Outcome
	}{
		{"postgres_exporter", owner.Owner{Name: "postgres_exporter", Comm: "postgres_export"}, record.Holds},
		{"postgres_export", owner.Owner{Name: "postgres_exporter", Comm: "postgres_export"}, record.Holds},
		{"postgres_exporter", owner.Owner{Name: "postgres_export"}, record.Holds}, // in a report of earlier versions
		{"postgres_exporter", owner.Owner{Name: "postgres_export", Exe: "/x/postgres_export"}, record.Fails},
		{"postgres_exp", owner.Owner{Name: "postgres_exporter", Comm: "postgres_export"}, record.Fails},
		{"nginx-debug", owner.Owner{Name: "nginx"}, record.Fails},
	} {
		e, err := OfHolder(Holder{Process: c.expected})
		if err != nil {
			t.Fatal(err)
		}
		j := NewJudge([]Expectation{e})
		j.Finding(local.Listener{Port: 417, Proto: probe.TCP, State: local.Listening, Owners: []owner.Owner{c.of}})
		j.End(record.End{Complete: true})
		if got := j.Outcome(); got != c.want {
			t.Errorf("--process %s, %+v: %s, want %s", c.expected, c.of, got, c.want)
		}
	}
}
