package watch_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/local/socket"
	"onmux/probe/local/watch"
	"onmux/probe/nettest"
)

func TestMain(m *testing.M) { os.Exit(nettest.Alone(m)) }

// errDone ends a watch that has seen enough.
var errDone = errors.New("done")

// Sockets that begin and stop listening are reported once each, whichever protocol and
// family; those at other ports, connections and sockets that are only bound are not.
func TestRun(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		q := socket.Query{IPv4: true, IPv6: true, Ports: map[probe.Proto][]uint16{
			probe.TCP: {4701, 4702, 4703}, probe.UDP: {4701}}}
		before := nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 4701), nettest.Listen(1))
		w, listening, err := watch.New(t.Context(), q)
		if err != nil {
			return err
		}
		defer w.Close()
		if len(listening) != 1 || listening[0].Local.Port() != 4701 || w.Listening() != 1 {
			t.Errorf("at first %+v", listening)
		}
		nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 4709), nettest.Listen(1))
		nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 4702))
		nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 4703), nettest.Connect(4709))
		opened := []*nettest.Socket{
			before,
			nettest.Open(t, unix.AF_INET6, unix.SOCK_STREAM, nettest.Bind("::1", 4702), nettest.Listen(1)),
			nettest.Open(t, unix.AF_INET, unix.SOCK_DGRAM, nettest.Bind("127.0.0.1", 4701)),
		}
		var got []string
		err = w.Run(t.Context(), func(changes []watch.Change) error {
			for _, c := range changes {
				what := "stopped "
				if c.Began {
					what = "began "
				}
				got = append(got, what+c.Socket.Local.String()+"/"+c.Socket.Proto.String())
			}
			switch len(got) {
			case 2: // both that began
				for _, s := range opened {
					if err := unix.Shutdown(s.FD, unix.SHUT_RDWR); err != nil && err != unix.ENOTCONN {
						return err
					}
				}
				opened[2].Close()
			case 5:
				return errDone
			}
			return nil
		})
		slices.Sort(got)
		want := []string{"began 127.0.0.1:4701/udp", "began [::1]:4702/tcp", "stopped 127.0.0.1:4701/tcp",
			"stopped 127.0.0.1:4701/udp", "stopped [::1]:4702/tcp"}
		if !errors.Is(err, errDone) || !slices.Equal(got, want) {
			t.Errorf("%v, %q, want %q", err, got, want)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// The end of a socket comes from the kernel, at once and without a list. Whoever has no
// privileges gets it, too.
func TestDestroyed(t *testing.T) {
	h := nettest.NewHost(t)
	nettest.AsNobody(t, h, func() error {
		first := nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 4711), nettest.Listen(1))
		second, err := unix.Dup(first.FD)
		if err != nil {
			return err
		}
		w, _, err := watch.New(t.Context(), socket.Query{IPv4: true, Ports: map[probe.Proto][]uint16{probe.TCP: {4711}}})
		if err != nil {
			return err
		}
		defer w.Close()
		unix.Close(second) // which is not the end
		first.Close()
		err = w.Run(t.Context(), func(changes []watch.Change) error {
			if len(changes) != 1 || changes[0].Began || changes[0].Socket.Local.Port() != 4711 {
				t.Errorf("%+v", changes)
			}
			return errDone
		})
		if !errors.Is(err, errDone) {
			t.Error(err)
		}
		return nil
	})
}

// The end of the context is the end of a watch, and no error.
func TestRunEnds(t *testing.T) {
	nettest.Need(t)
	ctx, cancel := context.WithCancel(t.Context())
	w, _, err := watch.New(ctx, socket.Query{IPv4: true, Ports: map[probe.Proto][]uint16{probe.TCP: {4721}}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cancel()
	if err := w.Run(ctx, func([]watch.Change) error { return nil }); err != nil {
		t.Error(err)
	}
}

// Thousands of sockets are compared without an allocation for each.
func BenchmarkList(b *testing.B) {
	const crowd = 5000
	nettest.Need(b)
	limit := unix.Rlimit{Cur: crowd + 1000, Max: crowd + 1000}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		b.Skip("cannot open so many sockets: ", err)
	}
	q := socket.Query{IPv4: true, IPv6: true, Ports: make(map[probe.Proto][]uint16)}
	for n := range uint16(crowd) {
		nettest.Open(b, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 6000+n), nettest.Listen(1))
		q.Ports[probe.TCP] = append(q.Ports[probe.TCP], 6000+n)
	}
	lister := socket.NewLister(q)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if _, err := lister.Each(b.Context(), func(socket.Socket) { n++ }); err != nil || n < crowd {
			b.Fatal(n, err)
		}
	}
}
