package report

import (
	"net/netip"
	"testing"

	"onmux/probe"
	"onmux/probe/local"
)

func TestExpectHolder(t *testing.T) {
	few := uint32(2)
	root := uint32(0)
	listening := local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Listening}
	socket := local.Listener{
		Proto: probe.TCP, Port: 417, Address: netip.MustParseAddr("127.0.0.1"), State: local.Listening, Reach: "loopback",
		Backlog: &local.Backlog{Used: 2, Limit: 8}, UID: &root, NetNS: "host",
		Owners: []local.Owner{{Name: "nginx", User: "root", Place: local.Place{Unit: "nginx.service"}}, {Name: "helper", User: "www-data"}},
	}
	hidden := socket
	hidden.Owners = nil
	guessed := hidden
	guessed.User = "www-data"
	guessed.Origin = local.Origin{Place: local.Place{Unit: "nginx.service"},
		Candidates: []local.Candidate{{Process: local.Process{PID: 5, Name: "nginx"}, By: "cgroup"}}}
	activated := socket
	activated.Owners = []local.Owner{{PID: 1, Name: "systemd", User: "root", Place: local.Place{Unit: "init.scope"}, SocketUnit: "ssh.socket"}}
	activated.Unit = "ssh.socket"
	web := uint32(33)
	dropped := socket // by a server that gave up the rights with which it made the socket
	dropped.User, dropped.Owners = "root", []local.Owner{{Name: "nginx", User: "www-data", UID: &web}}
	fleeting := socket
	fleeting.User, fleeting.Owners = "root", []local.Owner{{PID: 5, Ended: true}}
	wide := socket
	wide.Address, wide.Reach = netip.MustParseAddr("::"), "any"
	busy := socket
	busy.Backlog = &local.Backlog{Used: 3, Limit: 8}
	unqueued := socket
	unqueued.Backlog = nil
	datagrams := unqueued
	datagrams.Proto = probe.UDP
	elsewhere := wide
	elsewhere.NetNS = "container 0123456789ab"

	for _, c := range []struct {
		name   string
		expect Holder
		stream []Finding
		want   Outcome
	}{
		{"loopback", Holder{Addr: "loopback"}, []Finding{listening, socket}, Holds},
		{"one of two is wide", Holder{Addr: "loopback"}, []Finding{listening, socket, wide}, Fails},
		{"another namespace is not ours", Holder{Addr: "loopback"}, []Finding{listening, socket, elsewhere}, Holds},
		{"any", Holder{Addr: "any"}, []Finding{listening, wide}, Holds},
		{"not any", Holder{Addr: "any"}, []Finding{listening, socket}, Fails},
		{"an address", Holder{Addr: "127.0.0.1"}, []Finding{listening, socket}, Holds},
		{"another address", Holder{Addr: "127.0.0.2"}, []Finding{listening, socket}, Fails},
		{"process", Holder{Process: "nginx"}, []Finding{listening, socket}, Holds},
		{"a sharer", Holder{Process: "helper", User: "www-data"}, []Finding{listening, socket}, Holds},
		{"another process", Holder{Process: "sshd"}, []Finding{listening, socket}, Fails},
		{"process not visible", Holder{Process: "nginx"}, []Finding{listening, hidden}, CannotTell},
		{"user by number, process not visible", Holder{User: "0"}, []Finding{listening, hidden}, Holds},
		{"a candidate is no owner", Holder{Process: "nginx"}, []Finding{listening, guessed}, CannotTell},
		{"nor is another a violation", Holder{Process: "sshd"}, []Finding{listening, guessed}, CannotTell},
		{"user of the socket", Holder{User: "www-data"}, []Finding{listening, guessed}, Holds},
		{"another user", Holder{User: "app"}, []Finding{listening, guessed}, CannotTell},
		{"the socket's user, where the owners are known", Holder{User: "root"}, []Finding{listening, dropped}, Fails},
		{"and its number", Holder{User: "0"}, []Finding{listening, dropped}, Fails},
		{"an owner's number", Holder{User: "33"}, []Finding{listening, dropped}, Holds},
		{"an owner whose user is not known", Holder{User: "root"}, []Finding{listening, fleeting}, CannotTell},
		{"unit of the socket", Holder{Unit: "nginx.service"}, []Finding{listening, guessed}, Holds},
		{"another unit", Holder{Unit: "apache2.service"}, []Finding{listening, guessed}, CannotTell},
		{"socket unit", Holder{Unit: "ssh.socket"}, []Finding{listening, activated}, Holds},
		{"unit of its owner", Holder{Unit: "init.scope"}, []Finding{listening, activated}, Holds},
		{"another socket unit", Holder{Unit: "cups.socket"}, []Finding{listening, activated}, Fails},
		{"unit", Holder{Unit: "nginx.service"}, []Finding{listening, socket}, Holds},
		{"queue", Holder{MaxBacklog: &few}, []Finding{listening, socket}, Holds},
		{"queue too long", Holder{MaxBacklog: &few}, []Finding{listening, busy}, Fails},
		{"queue not known", Holder{MaxBacklog: &few}, []Finding{listening, unqueued}, CannotTell},
		{"no queue", Holder{MaxBacklog: &few}, []Finding{listening, datagrams}, CannotTell},
		{"no queue, found", Holder{MaxBacklog: &few, Found: true}, []Finding{listening, socket, datagrams}, Holds},
		{"nothing listens", Holder{Process: "nginx"}, []Finding{local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Free}}, Fails},
		{"nothing here", Holder{Addr: "loopback"}, []Finding{local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Elsewhere}, elsewhere}, Fails},
		{"found elsewhere", Holder{Addr: "loopback", Found: true}, []Finding{local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Elsewhere}, elsewhere}, Holds},
		{"found to be sent on", Holder{Addr: "loopback", Found: true}, []Finding{local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Redirected}}, Fails},
		{"not known", Holder{Process: "nginx"}, []Finding{local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Unknown, Error: "x"}}, CannotTell},
	} {
		e, err := ExpectHolder(c.expect)
		if err != nil {
			t.Fatal(err)
		}
		j := NewJudge([]Expectation{e})
		violations := 0
		for _, f := range c.stream {
			violations += len(j.Finding(f))
		}
		j.End(End{Complete: true})
		if got := j.Outcome(); got != c.want || (violations > 0) != (c.want == Fails) {
			t.Errorf("%s: outcome %d with %d violations, want %d", c.name, got, violations, c.want)
		}
	}
}

// The holder of what --expect names is held against, not only of what listens.
func TestExpectHolderOfBound(t *testing.T) {
	held := func(state local.Word, name string) []Finding {
		return []Finding{local.Verdict{Port: 417, Proto: probe.TCP, Verdict: state}, local.Listener{
			Proto: probe.TCP, Port: 417, Address: netip.MustParseAddr("127.0.0.1"), State: state, NetNS: "host", Owners: []local.Owner{{Name: name}}}}
	}
	free := []Finding{local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Free}}
	for _, c := range []struct {
		expect string
		stream []Finding
		want   Outcome
	}{
		{"bound", held(local.Bound, "python3"), Holds},
		{"bound", held(local.Bound, "perl"), Fails},
		{"bound", held(local.Listening, "python3"), Fails},
		{"bound", free, Fails},
		{"bound,free", free, Holds},
		{"bound,listening", held(local.Listening, "python3"), Holds},
		{"bound,listening", held(local.Listening, "perl"), Fails},
		{"connected", held(local.Connected, "python3"), Holds},
		{"connected", held(local.Connected, "perl"), Fails},
		{"free", free, Fails}, // nobody holds it, and it is expected that somebody does
		{"bound=1", held(local.Bound, "python3"), Fails},
	} {
		words, err := ParseExpectation(c.expect, "check")
		if err != nil {
			t.Fatal(err)
		}
		e, err := ExpectHolder(Holder{Process: "python3"}.Of([]Expectation{words}))
		if err != nil {
			t.Fatal(err)
		}
		j := NewJudge([]Expectation{words, e})
		for _, f := range c.stream {
			j.Finding(f)
		}
		end := End{Complete: true}
		j.End(end)
		if got := j.Outcome(); got != c.want {
			t.Errorf("%s of %+v: %s, want %s", c.expect, c.stream, got, c.want)
		}
	}
}

func TestExpectHolderOfNoAddress(t *testing.T) {
	if _, err := ExpectHolder(Holder{Addr: "here"}); err == nil {
		t.Error("here is no address")
	}
}
