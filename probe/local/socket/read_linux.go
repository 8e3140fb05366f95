package socket

import (
	"context"
	"errors"
	"strings"

	"onmux/probe"
)

// Reader is a place to read sockets from. What Read returns together with an
// error is true, and perhaps not all.
type Reader interface {
	From() From
	Read(context.Context, probe.Proto, Query) (Table, error)
}

// Read reads from the kernel, or from /proc/net where that is refused. The calling
// thread's own files are read, because it may be in another namespace than the
// rest of the process. The error is the context's.
func Read(ctx context.Context, q Query) (Survey, error) {
	return ReadFrom(ctx, q, NewDiag(), ProcNet{"/proc/thread-self/net"})
}

// ReadFrom is Read from a choice of places, of which diag may be nil.
func ReadFrom(ctx context.Context, q Query, diag *Diag, files ProcNet) (Survey, error) {
	readers := []Reader{files}
	if diag != nil {
		readers = []Reader{diag, files}
	}
	s := ReadAny(ctx, q, readers...)
	if err := ctx.Err(); err != nil {
		return Survey{}, err
	}
	for i := range s.Sources {
		source := &s.Sources[i]
		if source.From == FromKernel && source.Proto == probe.TCP && !s.Table.hasBound(probe.TCP) {
			reported, err := diag.listsBound(ctx)
			source.NoBound, source.BoundErr = err != nil || !reported, err
		}
	}
	s.NoIPv6 = q.IPv6 && files.LacksIPv6()
	s.Raw = files.raw(ctx)
	return s, ctx.Err()
}

// ReadAny reads each protocol from the first reader that has all its sockets, and
// names the devices of the calling thread's network namespace.
func ReadAny(ctx context.Context, q Query, readers ...Reader) Survey {
	s := Survey{Table: make(Table)}
	for _, proto := range q.Protos() {
		c, source := readFirst(ctx, proto, q, readers)
		source.NoBound = proto == probe.TCP && source.From == FromProc
		s.Sources = append(s.Sources, source)
		s.Table = s.Table.merge(c)
	}
	for _, r := range readers {
		if files, ok := r.(ProcNet); ok {
			s.Overflows = files.overflows(s.Table)
		}
	}
	s.Table.boundDrops(s.Overflows)
	s.Table.nameDevices()
	return s
}

// readFirst reads from the first reader that can be read whole. If there is
// none, it returns what the first one has that has anything: every socket seen is
// a fact.
func readFirst(ctx context.Context, proto probe.Proto, q Query, readers []Reader) (Table, Source) {
	s := Source{Proto: proto, IPv4: q.IPv4, IPv6: q.IPv6}
	var refused []error
	var part Table
	for _, r := range readers {
		c, err := r.Read(ctx, proto, q)
		if err == nil || errors.Is(err, errInterrupted) {
			s.From, s.Err, s.Fallback = r.From(), err, inOneLine(refused)
			return c, s
		}
		refused = append(refused, err)
		if len(part) == 0 && len(c) > 0 {
			part, s.From = c, r.From()
		}
	}
	s.Err = inOneLine(refused)
	return part, s
}

// inOneLine joins errors as errors.Join does, but in one line.
func inOneLine(errs []error) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return joined{errors.Join(errs...)}
}

type joined struct{ error }

func (j joined) Error() string { return strings.ReplaceAll(j.error.Error(), "\n", "; ") }

func (j joined) Unwrap() error { return j.error }
