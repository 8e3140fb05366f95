package listen_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/farend"
	"onmux/probe/listen"
	"onmux/probe/nettest"
)

// run listens on a host until the test ends. Arrivals come through the channel; counts
// ends the run.
type run struct {
	arrivals chan listen.Arrival
	stop     func() listen.Counts
}

func start(t *testing.T, h *nettest.Host, c listen.Config) *run {
	t.Helper()
	if c.Ports == nil {
		c.Ports = []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 417, Proto: probe.UDP}}
	}
	c.IPv4, c.IPv6 = true, true
	ctx, cancel := context.WithCancel(t.Context())
	r := &run{arrivals: make(chan listen.Arrival, 4096)}
	var l *listen.Listener
	if err := h.Do(func() (err error) { l, err = listen.Open(ctx, c); return }); err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	var counts listen.Counts
	done.Go(func() {
		var err error
		if counts, err = l.Run(ctx, func(a listen.Arrival) error { r.arrivals <- a; return nil }); err != nil {
			t.Error(err)
		}
		close(r.arrivals)
	})
	r.stop = sync.OnceValue(func() listen.Counts {
		cancel()
		done.Wait()
		return counts
	})
	t.Cleanup(func() { r.stop() })
	return r
}

func dial(t *testing.T, network string, to netip.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial(network, netip.AddrPortFrom(to, 417).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c net.Conn, n int) string {
	t.Helper()
	buf := make([]byte, n)
	if _, err := io.ReadFull(c, buf); err != nil {
		t.Fatal(err)
	}
	return string(buf)
}

// Who came is reported: from where, to which address, by which interface and how many hops away, with
// what.
func TestArrivals(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	r := start(t, h, listen.Config{Reply: listen.Echo})
	for _, to := range []netip.Addr{h.Addr4, h.Addr6} {
		for _, network := range []string{"tcp", "udp"} {
			c := dial(t, network, to)
			send(t, c, "who\x1b[31m\n")
			if got := receive(t, c, 9); got != "who\x1b[31m\n" {
				t.Errorf("%s %s: echo %q", network, to, got)
			}
			a := <-r.arrivals
			from := netip.MustParseAddrPort(c.LocalAddr().String())
			if a.Proto.String() != network || netip.AddrPortFrom(a.Client, a.ClientPort) != from || a.Address != to ||
				a.Port != 417 || a.Bytes != 9 || a.Data != `who\x1b[31m\n` || a.TTL != 64 || a.Hops() != 0 ||
				a.Interface == "" || a.Time.IsZero() {
				t.Errorf("%s from %s: %+v", network, from, a)
			}
			if syn := a.SYN; network == "tcp" && (syn == nil || syn.MSS < 1000 || syn.Scale == nil ||
				!slices.Contains(syn.Options, "sack") || syn.Window == 0) {
				t.Errorf("SYN: %+v", syn)
			}
		}
	}
	if got := r.stop(); got != (listen.Counts{TCP: 2, UDP: 2}) {
		t.Errorf("%+v", got)
	}
}

// A greeting is sent at once over TCP. A datagram is never answered with more bytes than it had.
func TestGreeting(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	r := start(t, h, listen.Config{Text: "hello\r\n"})
	c := dial(t, "tcp", h.Addr4)
	if got := receive(t, c, 7); got != "hello\r\n" {
		t.Errorf("%q", got)
	}
	for question, want := range map[string]string{"": "", "a": "h", "abcdefghijk": "hello\r\n"} {
		c := dial(t, "udp", h.Addr4)
		send(t, c, question)
		buf := make([]byte, 100)
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != want {
			t.Errorf("%q: %q, %v", question, buf[:n], err)
		}
		<-r.arrivals
	}
	c.Close()
	if a := <-r.arrivals; a.Proto != probe.TCP || a.Bytes != 0 {
		t.Errorf("%+v", a)
	}
}

// TLS is spoken with a certificate for the host's addresses.
func TestTLS(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	k := farend.NewKey("k")
	r := start(t, h, listen.Config{Reply: listen.Echo, TLS: true, Key: &k})
	c := tls.Client(dial(t, "tcp", h.Addr4), &tls.Config{InsecureSkipVerify: true, ServerName: "host.example"})
	send(t, c, "hello")
	if got := receive(t, c, 5); got != "hello" {
		t.Errorf("%q", got)
	}
	if a := <-r.arrivals; a.TLS == nil || a.TLS.Version != "TLS 1.3" ||
		a.TLS.ServerName != "host.example" || a.Data != "hello" {
		t.Errorf("%+v %+v", a, a.TLS)
	}
	plain := dial(t, "tcp", h.Addr4)
	send(t, plain, "GET / HTTP/1.0\r\n\r\n")
	if a := <-r.arrivals; a.TLS == nil || a.TLS.Error == "" {
		t.Errorf("%+v", a)
	}
	// The proof does not depend on TLS.
	e := probe.Endpoint{Addr: h.Addr4, Port: 417, Proto: probe.TCP}
	if got, err := farend.Ask(t.Context(), new(net.Dialer).DialContext, e,
		farend.Options{Key: k, Timeout: 20 * time.Second}); err != nil || !got.Proven {
		t.Errorf("%+v, %v", got, err)
	}
}

// A port that is in use is an error with the port, and none stays bound.
func TestBindError(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	start(t, h, listen.Config{})
	two := []probe.Port{{Number: 418, Proto: probe.UDP}, {Number: 417, Proto: probe.TCP}}
	for range 2 {
		err := h.Do(func() error {
			_, err := listen.Open(t.Context(), listen.Config{Ports: two, IPv4: true, IPv6: true})
			return err
		})
		bind, ok := errors.AsType[*listen.BindError](err)
		if !ok || bind.Port != two[1] || !errors.Is(err, syscall.EADDRINUSE) ||
			err.Error() != "cannot listen on 417/tcp: address already in use" {
			t.Errorf("%v", err)
		}
	}
}

// Connections beyond the bound are closed, and the listener goes on.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	r := start(t, h, listen.Config{Reply: listen.Discard})
	var all []net.Conn
	refused := 0
	for i := range 300 {
		c, err := net.Dial("tcp", netip.AddrPortFrom(h.Addr4, 417).String())
		if err == nil {
			all = append(all, c)
		}
		if i < 256 { // they are open, in the order of accept
			continue
		}
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		if err != nil {
			refused++
		}
	}
	for _, c := range all {
		c.Close()
	}
	for range 256 {
		<-r.arrivals
	}
	if got := r.stop(); refused != 44 || got.Refused != 44 || got.TCP != 256 {
		t.Errorf("%d refused, %+v", refused, got)
	}
}

// The far end is proven to a prober that has its key, and to nobody else.
func TestFarEnd(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	k := farend.NewKey("secret")
	r := start(t, h, listen.Config{Key: &k, Text: "a greeting before the answer\r\n"})
	for _, to := range []netip.Addr{h.Addr4, h.Addr6} {
		for _, proto := range probe.Protos() {
			e := probe.Endpoint{Addr: to, Port: 417, Proto: proto}
			got, err := farend.Ask(t.Context(), new(net.Dialer).DialContext, e,
				farend.Options{Key: k, Timeout: 20 * time.Second})
			if err != nil || !got.Proven || got.Seen != got.Source || got.Server != e.AddrPort() || got.RTT <= 0 {
				t.Fatalf("%s: %+v, %v", e, got, err)
			}
			if proto == probe.UDP {
				if f := got.Forward; f == nil || f.Arrived != f.Sent || f.Duplicated+f.Reordered != 0 || f.TTL != 64 ||
					f.MTU != f.MTUTried || f.MTU < 1280 {
					t.Errorf("%s: forward %+v", e, f)
				}
				if b := got.Back; b == nil || b.Arrived != b.Sent || b.MTU != b.MTUTried {
					t.Errorf("%s: back %+v", e, b)
				}
			}
			if a := <-r.arrivals; !a.Proven {
				t.Errorf("%+v", a)
			}
		}
	}
	for _, proto := range probe.Protos() {
		e := probe.Endpoint{Addr: h.Addr4, Port: 417, Proto: proto}
		_, err := farend.Ask(t.Context(), new(net.Dialer).DialContext, e,
			farend.Options{Key: farend.NewKey("other"), Timeout: 300 * time.Millisecond})
		if !errors.Is(err, farend.ErrNoAnswer) {
			t.Errorf("%s: another key: %v", e, err)
		}
	}
	if got := r.stop(); got.Proven != 4 {
		t.Errorf("%+v", got)
	}
}

// A listener that has had enough arrivals still answers peers that have a question.
func TestEnough(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	k := farend.NewKey("secret")
	var l *listen.Listener
	if err := h.Do(func() (err error) {
		l, err = listen.Open(t.Context(), listen.Config{Ports: []probe.Port{{Number: 417, Proto: probe.UDP}}, IPv4: true,
			Key: &k})
		return
	}); err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	enough := errors.New("enough")
	done.Go(func() {
		if _, err := l.Run(t.Context(), func(listen.Arrival) error { return enough }); !errors.Is(err, enough) {
			t.Error(err)
		}
	})
	e := probe.Endpoint{Addr: h.Addr4, Port: 417, Proto: probe.UDP}
	got, err := farend.Ask(t.Context(), new(net.Dialer).DialContext, e,
		farend.Options{Key: k, Timeout: 20 * time.Second})
	if err != nil || got.Forward == nil || got.Forward.Arrived != got.Forward.Sent {
		t.Errorf("%+v, %v", got, err)
	}
	done.Wait()
}

// What the path does to datagrams is measured for each direction.
func TestFaultyPath(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rules string
		check func(f *probe.FarEnd) bool
	}{
		{"a fifth of the questions is lost",
			"chain input { type filter hook input priority 0; udp dport 417 numgen inc mod 5 0 drop; }",
			func(f *probe.FarEnd) bool { return f.Forward.Arrived == 40 && f.Back.Arrived == f.Back.Sent }},
		{"a fifth of the answers is lost",
			"chain output { type filter hook output priority 0; udp sport 417 numgen inc mod 5 0 drop; }",
			func(f *probe.FarEnd) bool {
				return f.Forward.Arrived == f.Forward.Sent && f.Back.Sent == 50 && f.Back.Arrived <= 41 && f.Back.Arrived >= 39
			}},
		{"long packets do not arrive",
			"chain input { type filter hook input priority 0; udp dport 417 meta length > 1401 drop; }",
			func(f *probe.FarEnd) bool { return f.Forward.MTU == 1401 && f.Back.MTU == 1401 }},
		{"long packets do not come back",
			"chain output { type filter hook output priority 0; udp sport 417 meta length > 1333 drop; }",
			func(f *probe.FarEnd) bool { return f.Forward.MTU == f.Forward.MTUTried && f.Back.MTU == 1333 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := nettest.NewReadyHost(t)
			h.Ruleset(t, "table inet faults { "+tt.rules+" }")
			k := farend.NewKey("secret")
			start(t, h, listen.Config{Key: &k, Reply: listen.Discard})
			e := probe.Endpoint{Addr: h.Addr4, Port: 417, Proto: probe.UDP}
			got, err := farend.Ask(t.Context(), new(net.Dialer).DialContext, e,
				farend.Options{Key: k, Timeout: 20 * time.Second})
			if err != nil || got.Forward == nil || !tt.check(got) {
				t.Fatalf("%+v, %v; forward %+v, back %+v", got, err, got.Forward, got.Back)
			}
		})
	}
}

// Both ends show the routers on the way. Here the client is far away, as the listener searches
// in the network namespace of the test.
func TestBothPaths(t *testing.T) {
	t.Parallel()
	c := nettest.NewChain(t, 3)
	k := farend.NewKey("secret")
	l, err := listen.Open(t.Context(), listen.Config{IPv4: true, IPv6: true, Key: &k,
		Ports: []probe.Port{{Number: 4170, Proto: probe.TCP}, {Number: 4170, Proto: probe.UDP}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _, _ = l.Run(ctx, func(listen.Arrival) error { return nil }) })
	defer done.Wait()
	defer cancel()
	far := c.Hosts[2]
	dial := func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = far.Do(func() error {
			conn, err = new(net.Dialer).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}
	for _, hops := range [][]netip.Addr{c.Hops4, c.Hops6} {
		for _, proto := range probe.Protos() {
			e := probe.Endpoint{Addr: sourceTo(t, hops[2]), Port: 4170, Proto: proto}
			got, err := farend.Ask(t.Context(), dial, e, farend.Options{Key: k, Timeout: 20 * time.Second, Path: true})
			if err != nil || len(got.Path) != 3 || got.Path[2].Address != hops[2] || !got.Path[2].IsEnd() ||
				got.Path[0].Reason != probe.TimeExceeded || got.Path[0].RTT <= 0 {
				t.Errorf("%s: %+v, %v", e, got, err)
			}
		}
	}
}

// sourceTo is the address of this end from which packets leave.
func sourceTo(t *testing.T, to netip.Addr) netip.Addr {
	t.Helper()
	c := dial(t, "udp", to)
	return netip.MustParseAddrPort(c.LocalAddr().String()).Addr()
}

// An address that is translated on the way is known to both ends.
func TestTranslated(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	seen := h.Addr4.Next() // of nobody
	h.Ruleset(t, `table ip nat {
		chain prerouting { type nat hook prerouting priority -100; tcp dport 4417 redirect to :417; }
		chain input { type nat hook input priority 100; tcp dport 417 snat to `+seen.String()+`; } }`)
	k := farend.NewKey("secret")
	start(t, h, listen.Config{Key: &k})
	e := probe.Endpoint{Addr: h.Addr4, Port: 4417, Proto: probe.TCP}
	got, err := farend.Ask(t.Context(), new(net.Dialer).DialContext, e,
		farend.Options{Key: k, Timeout: 20 * time.Second})
	if err != nil || got.Server.Port() != 417 || got.Seen.Addr() != seen || got.Source.Addr() == seen {
		t.Errorf("%+v, %v", got, err)
	}
}

// Two listeners do not answer each other for ever.
func TestNoLoop(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	r := start(t, h, listen.Config{Reply: listen.Echo})
	// This end has the listener's own port, as a forged sender would.
	c, err := net.ListenPacket("udp4", ":417")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.WriteTo([]byte("ping"), net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.Addr4, 417))); err != nil {
		t.Fatal(err)
	}
	if a := <-r.arrivals; !strings.Contains(a.Data, "ping") {
		t.Errorf("%+v", a)
	}
	// The answer to the next one is the only one that comes.
	other := dial(t, "udp", h.Addr4)
	send(t, other, "pong")
	if got := receive(t, other, 4); got != "pong" {
		t.Errorf("%q", got)
	}
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := c.ReadFrom(make([]byte, 9)); err == nil {
		t.Errorf("%d bytes came back", n)
	}
}
