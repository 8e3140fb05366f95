package inquiry

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/report/phrase/evidence"
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
	all := make([]probe.Result, n)
	for i := range all {
		all[i] = probe.Result{Endpoint: probe.Endpoint{Addr: netip.AddrFrom4([4]byte{127, 0, 0, byte(i + 1)}), Port: port,
			Proto: probe.TCP}, Origin: probe.Origin{Host: "h"}, Notes: []string{"known"}}
	}
	return all
}

// Results come in the order of the endpoints, and bring what was known of them.
func TestRunInOrder(t *testing.T) {
	all := endpoints(t, 2*parallel)
	progress := 0
	i := 0
	for r, err := range New(Config{Progress: func(done, _ int) { progress = done }}).Run(t.Context(), all) {
		want := probe.Closed
		if i == 0 {
			want = probe.Open
		}
		if r.Endpoint != all[i].Endpoint || r.State != want || r.Host != "h" || r.Notes[0] != "known" || err != nil {
			t.Errorf("%d: %+v %v", i, r, err)
		}
		i++
	}
	if i != len(all) || progress != i {
		t.Errorf("%d of %d, and progress was %d", i, len(all), progress)
	}
}

// A caller that stops gets no more results, and one that the context's end cut off has no tries.
func TestAskEnds(t *testing.T) {
	all := endpoints(t, 2*parallel)
	for range New(Config{}).Run(t.Context(), all) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for r, err := range New(Config{Identify: true, Verify: true, Path: true}).Run(ctx, all) {
		if r.Tries != 0 || r.Notes[0] != "known" || err == nil {
			t.Errorf("%+v", r)
		}
	}
}

// Attempts are emitted as they come; an error of emit ends them, and is returned.
func TestRepeat(t *testing.T) {
	all := endpoints(t, 3)
	emitted := 0
	finals, cut, err := New(Config{}).RunRepeatedly(t.Context(), Repeat{Count: 4, Interval: time.Millisecond}, all,
		func(probe.Attempt) error { emitted++; return nil })
	if err != nil || cut != 0 || emitted != 12 || len(finals) != 3 {
		t.Fatalf("%d emitted, %d cut, %d finals: %v", emitted, cut, len(finals), err)
	}
	for i, r := range finals {
		if r.Endpoint != all[i].Endpoint || r.Attempts == nil || r.Attempts.Sent != 4 || r.Attempts.Answered != 4 {
			t.Errorf("%+v", r)
		}
	}
	full := errors.New("full")
	emitted = 0
	_, cut, err = New(Config{}).RunRepeatedly(t.Context(), Repeat{Interval: time.Millisecond}, all,
		func(probe.Attempt) error { emitted++; return full })
	if err != full || emitted != 1 {
		t.Errorf("%d emitted, %d cut: %v", emitted, cut, err)
	}
}

// Names lead elsewhere meanwhile: the new endpoint is asked, the old one is not asked again
// until they lead back.
func TestRepeatRefreshes(t *testing.T) {
	all := endpoints(t, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var back atomic.Bool // the name leads to the first endpoint again
	r := Repeat{Interval: time.Millisecond, Refresh: func(context.Context) ([]probe.Result, error) {
		if back.Load() {
			return all[:1], nil
		}
		return all[1:], nil
	}}
	second := 0
	finals, cut, err := New(Config{}).RunRepeatedly(ctx, r, all[:1], func(a probe.Attempt) error {
		switch {
		case a.Endpoint == all[1].Endpoint:
			second++
			back.Store(true)
		case second > 0:
			cancel()
		}
		return nil
	})
	if err != nil || cut != 0 || len(finals) != 2 || second == 0 {
		t.Fatalf("%d finals, %d cut, %d attempts at the second: %v", len(finals), cut, second, err)
	}
	for i, f := range finals {
		if f.Endpoint != all[i].Endpoint || f.Attempts == nil {
			t.Errorf("%+v", f)
		}
	}
}

// Where time runs out before the service was identified, the verdict stands, with a note.
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
	all := []probe.Result{{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("127.0.0.1"),
		Port: l.Addr().(*net.TCPAddr).AddrPort().Port(), Proto: probe.TCP}, Notes: []string{"known"}}}
	for r, err := range New(Config{Identify: true}).Run(ctx, all) {
		if r.State != probe.Open || r.Tries != 1 || err == nil || len(r.Notes) != 1 ||
			!slices.Equal(evidence.Notes(&r), []string{"there was no time to identify the service"}) {
			t.Errorf("%+v %v", r, err)
		}
	}
}

// One connection finds out the state and the service; without a service, it ends by a FIN,
// too.
func TestOneConnection(t *testing.T) {
	for _, config := range []Config{{}, {Identify: true}} {
		all, listener := listening(t)
		ended := make(chan error, 10)
		nettest.Accept(t, listener, func(c net.Conn) {
			if config.Identify {
				io.WriteString(c, "SSH-2.0-OpenSSH_9.2p1\r\n")
			}
			_, err := io.Copy(io.Discard, c)
			ended <- err
		})
		for r, err := range New(config).Run(t.Context(), all) {
			if err != nil || r.State != probe.Open || config.Identify && (r.Service == nil || len(r.Exchanges) != 1) {
				t.Errorf("%+v, %v", r, err)
			}
		}
		if err := <-ended; err != nil || len(ended) > 0 {
			t.Errorf("ended with %v, and %d more connections", err, len(ended))
		}
	}
}

// An endpoint that stops accepting connections is probed once more: its state is the new one.
func TestStopsAnswering(t *testing.T) {
	all, listener := listening(t)
	nettest.Accept(t, listener, func(c net.Conn) {
		c.Read(make([]byte, 1))
		listener.Close()
	})
	for r, err := range New(Config{Identify: true}).Run(t.Context(), all) {
		if err != nil || r.State != probe.Closed || r.Withdrawn == nil || r.Withdrawn.After != "http" ||
			r.Withdrawn.State != probe.Open || r.Withdrawn.End != probe.EndRefused || r.Tries != 2 {
			t.Errorf("%+v %+v, %v", r, r.Withdrawn, err)
		}
	}
}

// listening is an endpoint on loopback, and what listens there.
func listening(t *testing.T) ([]probe.Result, net.Listener) {
	nettest.Need(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	return []probe.Result{{Endpoint: probe.Endpoint{Addr: at.Addr(), Port: at.Port(), Proto: probe.TCP}}}, l
}
