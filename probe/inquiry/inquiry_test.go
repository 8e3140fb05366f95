package inquiry

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
)

func TestMain(m *testing.M) { nettest.Main(m) }

// endpoints are n on loopback, of which the first listens.
func endpoints(t *testing.T, n int) []probe.Result {
	nettest.Need(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	asked := make([]probe.Result, n)
	for i := range asked {
		asked[i] = probe.Result{Endpoint: probe.Endpoint{Addr: netip.AddrFrom4([4]byte{127, 0, 0, byte(i + 1)}), Port: port,
			Proto: probe.TCP}, Host: "h", Notes: []string{"known"}}
	}
	return asked
}

// Results come in the order of the endpoints, and bring what was known of them.
func TestAskInOrder(t *testing.T) {
	asked := endpoints(t, 2*parallel)
	said := 0
	i := 0
	for r, err := range New(Config{Watch: func(done, all int) { said = done }}).Ask(t.Context(), asked) {
		want := probe.Closed
		if i == 0 {
			want = probe.Open
		}
		if r.Endpoint != asked[i].Endpoint || r.State != want || r.Host != "h" || r.Notes[0] != "known" || err != nil {
			t.Errorf("%d: %+v %v", i, r, err)
		}
		i++
	}
	if i != len(asked) || said != i {
		t.Errorf("%d of %d, and %d were said", i, len(asked), said)
	}
}

// Who stops listening gets no more, and what the context's end cut off has no tries.
func TestAskEnds(t *testing.T) {
	asked := endpoints(t, 2*parallel)
	for range New(Config{}).Ask(t.Context(), asked) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for r, err := range New(Config{Identify: true, Verify: true, Path: true}).Ask(ctx, asked) {
		if r.Tries != 0 || r.Notes[0] != "known" || err == nil {
			t.Errorf("%+v", r)
		}
	}
}

// Attempts are told as they come; an error of who is told ends them, and is the end.
func TestRepeat(t *testing.T) {
	asked := endpoints(t, 3)
	told := 0
	finals, cut, err := New(Config{}).Repeat(t.Context(), Repeat{Count: 4, Interval: time.Millisecond}, asked,
		func(probe.Attempt) error { told++; return nil })
	if err != nil || cut != 0 || told != 12 || len(finals) != 3 {
		t.Fatalf("%d told, %d cut, %d finals: %v", told, cut, len(finals), err)
	}
	for i, r := range finals {
		if r.Endpoint != asked[i].Endpoint || r.Attempts == nil || r.Attempts.Sent != 4 || r.Attempts.Answered != 4 {
			t.Errorf("%+v", r)
		}
	}
	full := errors.New("full")
	told = 0
	_, cut, err = New(Config{}).Repeat(t.Context(), Repeat{Interval: time.Millisecond}, asked,
		func(probe.Attempt) error { told++; return full })
	if err != full || told != 1 {
		t.Errorf("%d told, %d cut: %v", told, cut, err)
	}
}

// Where time runs out before it was found out what speaks, the verdict stands, and says so.
func TestAskCutWhileNaming(t *testing.T) {
	nettest.Need(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // it accepts, and sends nothing; the second connection is to identify the service
		for range 2 {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
		cancel()
		<-t.Context().Done()
	}()
	asked := []probe.Result{{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("127.0.0.1"),
		Port: l.Addr().(*net.TCPAddr).AddrPort().Port(), Proto: probe.TCP}, Notes: []string{"known"}}}
	for r, err := range New(Config{Identify: true}).Ask(ctx, asked) {
		if r.State != probe.Open || r.Tries != 1 || err == nil || len(r.Notes) != 2 ||
			r.Notes[1] != "there was no time to find out what speaks there" {
			t.Errorf("%+v %v", r, err)
		}
	}
}
