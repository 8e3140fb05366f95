package listen

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"onmux/probe"
	"onmux/probe/farend"
	"onmux/probe/recent"
)

// Reply is what a client that sends no keyed question gets.
type Reply uint8

// The replies.
const (
	Greet   Reply = iota // Text: at once over TCP, for each datagram over UDP
	Echo                 // what it sent
	Discard              // nothing
)

// Config is where to listen, and what to answer. At least one of IPv4 and IPv6 must be set.
type Config struct {
	Ports      []probe.Port
	IPv4, IPv6 bool
	Addr       netip.Addr // to listen on; the zero value is every one
	Reply      Reply
	Text       string      // of Greet; over UDP no more of it than the datagram had bytes
	TLS        bool        // over TCP, with a certificate that is made for this run
	Key        *farend.Key // answers keyed questions; nil: to none
}

// Bounds.
const (
	maxConnections = 256              // at once; more are closed at once
	maxIdle        = 30 * time.Second // of a connection
	maxLife        = 5 * time.Minute
	firstData      = 2 * time.Second // after which a connection without data is reported
	maxData        = 256             // bytes of what was sent that are reported
	maxWaiting     = 1024            // arrivals that wait to be reported; more are counted only
	pause          = 3 * time.Second // without a keyed question, after which no more are expected
	maxReplies     = 1000            // datagrams a second that are answered, all clients together
)

// Counts are sums of a run: of arrivals, those that were reported.
type Counts struct {
	TCP        uint64 `json:"tcp"`                 // connections
	UDP        uint64 `json:"udp"`                 // datagrams; the keyed ones of a client count once
	Proven     uint64 `json:"proven"`              // of both, with a keyed question
	Refused    uint64 `json:"refused,omitzero"`    // connections that were closed: too many at once
	Unreported uint64 `json:"unreported,omitzero"` // arrivals that came faster than they were reported
	Unanswered uint64 `json:"unanswered,omitzero"` // datagrams beyond the bound on answers
}

// BindError is a port on which this machine does not let us listen.
type BindError struct {
	Port probe.Port
	Err  error
}

func (e *BindError) Error() string {
	return fmt.Sprintf("cannot listen on %s: %s", e.Port, cause(e.Err))
}

// Unwrap returns the cause.
func (e *BindError) Unwrap() error { return e.Err }

// cause is the system's own words.
func cause(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return err
}

// Listener has the sockets. Open makes one, Run uses and closes it.
type Listener struct {
	config  Config
	streams []*net.TCPListener
	packets []*packetSocket
	tls     *tls.Config       // nil: none
	respond *farend.Responder // nil: nobody is answered
	names   interfaces
	slots   chan struct{} // one for each connection
	missing []string
	proven  clients
	replies *rate.Limiter
	counts  counts
	paths   paths
	asked   atomic.Int64 // when the last keyed question came, in nanoseconds of Unix time
}

// counts is a Counts that goroutines share.
type counts struct {
	mu sync.Mutex
	Counts
}

func (c *counts) add(f func(*Counts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.Counts)
}

// arrival counts one that is reported.
func (c *counts) arrival(a Arrival) {
	c.add(func(c *Counts) {
		if a.Proto == probe.TCP {
			c.TCP++
		} else {
			c.UDP++
		}
		if a.Proven {
			c.Proven++
		}
	})
}

// Open binds every port, or none: an error is a *BindError. The caller must call Run.
func Open(ctx context.Context, c Config) (*Listener, error) {
	l := &Listener{
		config: c, slots: make(chan struct{}, maxConnections), names: readInterfaces(),
		replies: rate.NewLimiter(maxReplies, maxReplies),
		proven:  clients{known: recent.New[[2]netip.AddrPort, struct{}](maxClients)},
		paths:   paths{found: recent.New[uint64, []probe.Hop](keptPaths)},
	}
	if c.Key != nil {
		l.respond = farend.NewResponder(*c.Key)
	}
	var err error
	if c.TLS {
		if l.tls, err = selfSigned(); err != nil {
			return nil, err
		}
	}
	for _, port := range c.Ports {
		if err := l.bind(ctx, port); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

// bind opens a socket for each family. A family that this machine does not have is missing,
// unless the other one is, too.
func (l *Listener) bind(ctx context.Context, port probe.Port) error {
	bound, absent := 0, error(nil)
	for _, family := range []struct {
		use    bool
		name   string
		number string
		all    netip.Addr
	}{
		{l.config.IPv4, "IPv4", "4", netip.IPv4Unspecified()}, {l.config.IPv6, "IPv6", "6", netip.IPv6Unspecified()},
	} {
		at := netip.AddrPortFrom(family.all, port.Number)
		if l.config.Addr.IsValid() {
			if l.config.Addr.Is4() != family.all.Is4() {
				continue
			}
			at = netip.AddrPortFrom(l.config.Addr, port.Number)
		}
		if !family.use {
			continue
		}
		err := l.open(ctx, port.Proto, family.number, at)
		switch {
		case err == nil:
			bound++
		case !l.config.Addr.IsValid() && isMissing(err):
			absent = err
			if !slices.Contains(l.missing, family.name) {
				l.missing = append(l.missing, family.name)
			}
		default:
			return &BindError{port, err}
		}
	}
	if bound == 0 {
		return &BindError{port, cmp.Or(absent, errors.New("the address is of a family that is left out"))}
	}
	return nil
}

func (l *Listener) open(ctx context.Context, proto probe.Proto, family string, at netip.AddrPort) error {
	config := net.ListenConfig{Control: saveSYN}
	config.SetMultipathTCP(false) // of whose listeners the kernel keeps no SYN
	if proto == probe.TCP {
		s, err := config.Listen(ctx, "tcp"+family, at.String())
		if err == nil {
			l.streams = append(l.streams, s.(*net.TCPListener))
		}
		return err
	}
	s, err := config.ListenPacket(ctx, "udp"+family, at.String())
	if err == nil {
		l.packets = append(l.packets, newPacketSocket(s.(*net.UDPConn), family == "6"))
	}
	return err
}

// Addresses are the sockets that listen.
func (l *Listener) Addresses() []probe.Endpoint {
	var all []probe.Endpoint
	add := func(a net.Addr, proto probe.Proto) {
		at := addrPortOf(a)
		all = append(all, probe.Endpoint{Addr: at.Addr(), Port: at.Port(), Proto: proto})
	}
	for _, s := range l.streams {
		add(s.Addr(), probe.TCP)
	}
	for _, s := range l.packets {
		add(s.conn.LocalAddr(), probe.UDP)
	}
	return all
}

// Missing are the families, as "IPv6", on which this machine cannot listen.
func (l *Listener) Missing() []string { return l.missing }

func (l *Listener) close() {
	for _, s := range l.streams {
		s.Close()
	}
	for _, s := range l.packets {
		s.conn.Close()
	}
}

// Run answers until the context ends, or emit fails, which is the error then. It calls emit
// for one arrival after the other, and returns when every connection is closed.
func (l *Listener) Run(ctx context.Context, emit func(Arrival) error) (Counts, error) {
	ctx, cancel := context.WithCancel(ctx)
	arrivals := make(chan Arrival, maxWaiting)
	report := func(a Arrival) {
		select {
		case arrivals <- a:
		default:
			l.counts.add(func(c *Counts) { c.Unreported++ })
		}
	}
	var work sync.WaitGroup
	for _, s := range l.streams {
		work.Go(func() { l.accept(ctx, s, &work, report) })
	}
	for _, s := range l.packets {
		work.Go(func() { l.receive(ctx, s, &work, report) })
	}
	stop := context.AfterFunc(ctx, l.close)
	go func() { // ends with the sockets; the loop below waits for it
		work.Wait()
		close(arrivals)
	}()
	var failed error
	var ending sync.WaitGroup // not work, which may be over by then
	for a := range arrivals {
		if failed == nil {
			l.counts.arrival(a)
			if failed = emit(a); failed != nil {
				ending.Go(func() {
					l.finish(ctx)
					cancel()
				})
			}
		}
	}
	cancel()
	ending.Wait()
	if stop() {
		l.close()
	}
	l.counts.mu.Lock()
	defer l.counts.mu.Unlock()
	return l.counts.Counts, failed
}

// finish waits until clients that are in the middle of their keyed questions have asked them,
// for a while.
func (l *Listener) finish(ctx context.Context) {
	for end := time.Now().Add(maxIdle); time.Now().Before(end); {
		quiet := time.Since(time.Unix(0, l.asked.Load()))
		if quiet >= pause || probe.Sleep(ctx, pause-quiet) != nil {
			return
		}
	}
}

// accept takes connections until the socket is closed.
func (l *Listener) accept(ctx context.Context, s *net.TCPListener, work *sync.WaitGroup, report func(Arrival)) {
	for {
		c, err := s.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		} else if err != nil { // out of descriptors, or the client is gone already
			if probe.Sleep(ctx, 10*time.Millisecond) != nil {
				return
			}
			continue
		}
		select {
		case l.slots <- struct{}{}:
		default:
			l.counts.add(func(c *Counts) { c.Refused++ })
			_ = c.SetLinger(0)
			c.Close()
			continue
		}
		work.Go(func() {
			defer func() { <-l.slots }()
			l.serve(ctx, c, report)
		})
	}
}
