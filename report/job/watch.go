package job

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"onmux/probe/ports"
	"onmux/report"
	"onmux/report/phrase"
	"onmux/report/phrase/passing"
	"onmux/report/record"
	"onmux/scan/capture"
	"onmux/scan/files"
	"onmux/scan/wire"
)

// Watch finds out who offers ports and who tries to reach them, by packets of captures or
// of this machine's interfaces.
type Watch struct {
	wire.Config
	Inputs *files.Inputs
	Files  []string      // captures; - is standard input
	Live   *wire.Live    // where there are no Files
	Each   bool          // a record for each endpoint instead of ranges
	Keep   io.Writer     // of the packets of the ports, as pcapng; nil for none
	Board  *report.Board // shows what passes at present, if there are no Files; nil for none
	Late   error         // the cause of a context after which a live report is incomplete
}

// memory is from which size on the garbage collector works harder: what a watch keeps is at most
// 350 MB, with garbage it would be twice that.
const memory = 420 << 20

// Run is the Job.
func (j Watch) Run(ctx context.Context, emit func(record.Finding) error) (end record.End, err error) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 { // nobody has set GOMEMLIMIT
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(memory))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var broken error
	stop := func(err error) {
		if err != nil && broken == nil {
			broken = err
			cancel(err)
		}
	}
	if j.Live != nil {
		j.Begun = func(f wire.Flow) {
			f.Event = wire.Began
			stop(emit(f))
		}
		j.Live.Refresh = func(w *wire.Watch) {
			if rows := j.Board.Rows(); rows > 0 {
				stop(j.Board.Show(passing.Table(w.Standings(rows), time.Now(), rows)))
			}
		}
	}
	var kept *capture.Writer
	if j.Keep != nil {
		buffered := bufio.NewWriterSize(j.Keep, 64<<10)
		defer func() { err = errors.Join(err, buffered.Flush()) }()
		if kept, err = capture.NewWriter(buffered); err != nil {
			return record.End{}, err
		}
		j.Config.Keep = func(p capture.Packet) { stop(kept.Write(p)) }
	}
	w := wire.New(j.Config)
	complete, notes, failed := j.read(ctx, w)
	stop(j.Board.Close())
	outcome, err := w.Result(j.Each, func(f wire.Finding) error { return emit(phrase.Finding(f)) })
	if kept != nil {
		stop(kept.End(outcome.Ended, outcome.Lost))
	}
	end = record.End{Complete: complete, Coverage: append(passing.Coverage(outcome), notes...), Summary: outcome.Summary}
	if errors.Is(broken, report.ErrEnded) {
		broken = nil
	}
	return end, errors.Join(failed, broken, err)
}

// CheckCaptures finds files that cannot be read or are no captures, before anything is
// written.
func CheckCaptures(names []string) error {
	for _, name := range names {
		if info, err := os.Stat(name); name == "-" || err == nil && !info.Mode().IsRegular() && !info.IsDir() {
			continue // it can be read once
		}
		in := files.Inputs{}
		f, err := in.Open(name)
		if err != nil {
			return err
		}
		_, err = capture.NewReader(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// read takes in all packets. A capture that is cut short or damaged is read as far as it goes, and
// noted.
func (j Watch) read(ctx context.Context, w *wire.Watch) (complete bool, notes []string, err error) {
	if j.Live != nil {
		err := j.Live.Read(ctx, w)
		return err == nil && !errors.Is(context.Cause(ctx), j.Late), nil, err
	}
	complete = true
	for _, name := range j.Files {
		f, err := j.Inputs.Open(name)
		if err != nil {
			return false, notes, err
		}
		err = errors.Join(w.Read(ctx, interruptible(ctx, f)), f.Close())
		switch {
		case ctx.Err() != nil:
			return false, append(notes, files.Title(name)+" was not read to its end"), nil
		case errors.Is(err, capture.ErrFormat):
			return false, notes, fmt.Errorf("%s: %w", files.Title(name), err)
		case err != nil:
			complete = false
			notes = append(notes, files.Title(name)+" was not read to its end: "+err.Error())
		}
	}
	return complete, notes, nil
}

// interruptible is f, or where reading may wait for others, a reader that ends when the context does.
func interruptible(ctx context.Context, f io.Reader) io.Reader {
	if file, ok := f.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			return f
		}
	}
	r := &waiting{ctx: ctx, parts: make(chan part)}
	go func() {
		var buffers [2][]byte // one is read while the other is used
		for i := 0; ; i = 1 - i {
			if buffers[i] == nil {
				buffers[i] = make([]byte, 64<<10)
			}
			n, err := f.Read(buffers[i])
			select {
			case r.parts <- part{buffers[i][:n], err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return r
}

// part is what one call of Read returned.
type part struct {
	bytes []byte
	err   error
}

// waiting is a reader that ends when the context does.
type waiting struct {
	ctx   context.Context //nolint:containedctx // io.Reader takes none
	parts chan part
	last  part
}

func (w *waiting) Read(b []byte) (int, error) {
	if len(w.last.bytes) == 0 && w.last.err == nil {
		select {
		case w.last = <-w.parts:
		case <-w.ctx.Done():
			return 0, context.Cause(w.ctx)
		}
	}
	n := copy(b, w.last.bytes)
	if w.last.bytes = w.last.bytes[n:]; n > 0 {
		return n, nil
	}
	return 0, w.last.err
}

// PortsAndFiles separates the arguments of a watch that can be ports from others, which are files.
func PortsAndFiles(args []string) (specs, captures []string) {
	for _, a := range args {
		if _, err := ports.Parse([]string{a}, nil); a != "-" && (err == nil || a != "" && a[0] == '@') {
			specs = append(specs, a)
		} else {
			captures = append(captures, a)
		}
	}
	return slices.Clip(specs), captures
}
