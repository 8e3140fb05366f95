package netlink

import (
	"context"
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func linksRequest() *Request { return NewRequest(unix.RTM_GETLINK, make([]byte, unix.SizeofIfInfomsg)) }

// A request ends with its context, at its bounds, and with what its caller returns.
func TestDumpEnds(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	own := errors.New("own")
	for name, c := range map[string]struct {
		ctx    context.Context
		client Client
		each   error
		want   error
	}{
		"read":            {t.Context(), Client{}, nil, nil},
		"within a bound":  {t.Context(), Client{MaxBytes: 1 << 20}, nil, nil},
		"above a bound":   {t.Context(), Client{MaxBytes: 1}, nil, ErrTooLarge},
		"over":            {over, Client{}, nil, context.Canceled},
		"by the caller":   {t.Context(), Client{}, own, own},
		"no such family":  {t.Context(), Client{Family: 99}, nil, unix.EPROTONOSUPPORT},
		"read once again": {t.Context(), Client{Buffer: make([]byte, 1<<16)}, nil, nil},
	} {
		rows, resets := 0, 0
		err := c.client.Dump(
			c.ctx,
			linksRequest(),
			func() { rows = 0; resets++ },
			func(uint16, []byte) error { rows++; return c.each },
		)
		if !errors.Is(err, c.want) || (err == nil) != (rows > 0 && c.want == nil) || resets < 1 {
			t.Errorf("%s: %d rows, %d resets, %v", name, rows, resets, err)
		}
	}
	narrow := Client{Buffer: make([]byte, 64)}
	if err := narrow.Dump(t.Context(), linksRequest(), nil, func(uint16, []byte) error { return nil }); err == nil {
		t.Error("a datagram that was cut off passes")
	}
	closed := Client{Family: 99}
	if err := closed.Dump(t.Context(), linksRequest(), nil, nil); !errors.As(err, new(*OpenError)) {
		t.Errorf("no socket: %v", err)
	}
}

// A dump is repeated while it is interrupted, a few times, if it can be reset.
func TestRepeat(t *testing.T) {
	whole, interrupted := progress{done: true}, progress{done: true, interrupted: true}
	type answer struct {
		p   progress
		err error
	}
	for name, c := range map[string]struct {
		answers []answer
		reset   bool
		dumps   int
		want    error
	}{
		"whole":             {[]answer{{whole, nil}}, true, 1, nil},
		"interrupted twice": {[]answer{{interrupted, nil}, {interrupted, nil}, {whole, nil}}, true, 3, nil},
		"full, then busy":   {[]answer{{progress{}, unix.ENOBUFS}, {progress{}, unix.EBUSY}, {whole, nil}}, true, 3, nil},
		"always":            {[]answer{{interrupted, nil}}, true, maxAttempts, ErrInterrupted},
		"without a reset":   {[]answer{{interrupted, nil}}, false, 1, ErrInterrupted},
		"refused":           {[]answer{{progress{done: true}, unix.EPERM}}, true, 1, unix.EPERM},
	} {
		dumps, resets := 0, 0
		var reset func()
		if c.reset {
			reset = func() { resets++ }
		}
		err := repeat(reset, func() (progress, error) {
			a := c.answers[min(dumps, len(c.answers)-1)]
			dumps++
			return a.p, a.err
		})
		if err != c.want || dumps != c.dumps || c.reset && resets != dumps {
			t.Errorf("%s: %d dumps, %d resets, %v", name, dumps, resets, err)
		}
	}
}

// One object is found by its name, and what is not there has the kernel's error.
func TestLookup(t *testing.T) {
	all, err := Links(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(l Link) bool { return l.Flags&unix.IFF_LOOPBACK != 0 })
	if i < 0 {
		t.Fatalf("no loopback among %+v", all)
	}
	lo, err := LookupLink(t.Context(), all[i].Index)
	if err != nil || lo.Name != all[i].Name || lo.MTU == 0 {
		t.Errorf("%+v, %v; want %+v", lo, err, all[i])
	}
	if l, err := LookupLink(t.Context(), 1<<30); !errors.Is(err, unix.ENODEV) {
		t.Errorf("%+v, %v", l, err)
	}
}
