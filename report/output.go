package report

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"onmux/probe/wording"
	"onmux/report/ci"
	"onmux/report/document"
	"onmux/report/html"
	"onmux/report/nmap"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/report/text"
	"onmux/scan/files"
)

// formats is the table of what a report can be written as.
var formats = []struct {
	name string
	open func(io.Writer, record.Options) record.Handler

	commandLines bool // a report in it has those of processes
}{
	{"text", text.New, true},
	{"json", document.New, true},
	{"jsonl", document.NewLines, true},
	{"csv", ci.NewCSV, false},
	{"nmap-xml", nmap.New, false},
	{"junit", ci.NewJUnit, false},
	{"tap", ci.NewTAP, false},
	{"github", ci.NewGitHub, false},
	{"markdown", ci.NewMarkdown, false},
	{"prom", ci.NewProm, false},
	{"nagios", ci.NewNagios, false},
	{"html", html.New, true},
	{templated, document.NewTemplate, true},
}

// templated is the format of a template of the user's own.
const templated = "template"

// Formats lists the names of the formats that need no template, the default first.
func Formats() []string {
	var names []string
	for _, f := range formats {
		if f.name != templated {
			names = append(names, f.name)
		}
	}
	return names
}

func isFormat(name string) bool { return name == templated || slices.Contains(Formats(), name) }

// New opens a handler that writes one of Formats to w. It does not buffer: each
// call of the handler writes at once what it can, in one or a few writes.
func New(format string, w io.Writer, o record.Options) (record.Handler, error) {
	for _, f := range formats {
		if f.name == format && (o.Template != nil || format != templated) {
			return f.open(w, o), nil
		}
	}
	if format == templated {
		return nil, errors.New("the format template needs --format TEMPLATE, which it writes by")
	}
	return nil, unknownFormat(format)
}

func unknownFormat(format string) error {
	return fmt.Errorf("%q is not an output format: the formats are %s%s", format, strings.Join(Formats(), ", "),
		wording.DidYouMean(format, Formats()))
}

// ParseTemplate reads what the format "template" writes by: see document.Template.
func ParseTemplate(text string) (func(record.Finding, func([]byte) error) error, error) {
	t, err := document.ParseTemplate(text)
	if err != nil {
		return nil, err
	}
	return t.Write, nil
}

// Output is where a report goes, and in which format.
type Output struct {
	Format string
	File   string // "" means standard output
	Follow bool   // the file is written record by record, not replaced in the end
}

// stdoutNames are files that are standard output already. Opening one of them
// anew would write over what else goes there.
var stdoutNames = []string{"", "-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}

// IsStdout reports whether it is standard output.
func (o Output) IsStdout() bool { return slices.Contains(stdoutNames, o.File) }

func (o Output) String() string {
	if o.IsStdout() {
		return "standard output"
	}
	return phrase.Visible(o.File)
}

// ParseOutput reads FORMAT, FORMAT=FILE or jsonl=FILE,follow; the file - is standard output.
func ParseOutput(s string) (Output, error) {
	format, file, named := strings.Cut(s, "=")
	file, follow := strings.CutSuffix(file, ",follow")
	switch {
	case !isFormat(format):
		return Output{}, unknownFormat(format)
	case named && file == "":
		return Output{}, fmt.Errorf("%q names no file: write %s=FILE, or %s for standard output", s, format, format)
	case follow && format != "jsonl":
		return Output{}, errors.New("only jsonl is written as it is found: jsonl=FILE,follow")
	case follow && slices.Contains(stdoutNames, file):
		return Output{}, errors.New("standard output is always written as it is found: leave ,follow out")
	case file == "-":
		file = ""
	}
	return Output{format, file, follow}, nil
}

// Sinks writes one stream to every output. An output that fails gets nothing more
// and doesn't disturb the others: methods return an error when none is left, and
// Close those of all. Not for concurrent use.
type Sinks struct {
	record.Func // writes a record to every output
	all         []*sink
	atOnce      bool // findings are not flushed one by one
}

type sink struct {
	Output
	target  target
	buf     *bufio.Writer
	h       record.Handler
	ended   bool
	private bool  // see restrict
	err     error // the first; nothing is written after it
}

// Open opens every output before anything is sent: a file that cannot be
// written is an error here, and leaves no traces. Files appear, or are
// replaced, when Close has everything on disk; what is not a regular file (a
// device, a FIFO) is written as findings come, like standard output. A FIFO is
// waited for until it has a reader or ctx ends; its reader has two more seconds then.
func Open(ctx context.Context, outputs []Output, stdout io.Writer, o record.Options) (*Sinks, error) {
	if err := distinct(outputs); err != nil {
		return nil, err
	}
	s := &Sinks{atOnce: o.AtOnce}
	s.Func = s.finding
	seen := make(map[string]bool)
	for _, out := range outputs {
		k := &sink{Output: out}
		err := k.open(ctx, stdout, o)
		if err == nil {
			s.all = append(s.all, k)
			if path := k.target.path(); path != "" && seen[path] {
				err = twice(out)
			} else {
				seen[path] = true
			}
		}
		if err != nil {
			for _, k := range s.all {
				k.target.discard()
			}
			return nil, err
		}
	}
	return s, nil
}

func distinct(outputs []Output) error {
	var first *Output
	followed := make(map[string]bool)
	for i, o := range outputs {
		switch {
		case !isFormat(o.Format):
			return unknownFormat(o.Format)
		case followed[o.File]: // it is locked
			return twice(o)
		case o.Follow:
			followed[o.File] = true
		case !o.IsStdout():
		case first == nil:
			first = &outputs[i]
		default:
			return fmt.Errorf("%s and %s would both go to standard output: give one a file, as in -o %s=FILE",
				first.Format, o.Format, o.Format)
		}
	}
	return nil
}

func twice(o Output) error {
	return fmt.Errorf("two reports would both go to %s: give each a file of its own", o)
}

func (k *sink) open(ctx context.Context, stdout io.Writer, o record.Options) (err error) {
	if k.IsStdout() {
		k.target = direct{Writer: stdout}
	} else {
		o.Color, o.Width, o.Live = false, 0, false
		if k.target, err = openFile(ctx, k.File, k.Follow); err != nil {
			return k.wrap(err)
		}
	}
	k.buf = bufio.NewWriterSize(k.target, 64<<10)
	k.h, err = New(k.Format, k.buf, o)
	if err == nil && k.Format != "jsonl" && !o.Live {
		k.h = newSorter(k.h)
	}
	return err
}

// restrict keeps others from reading a file that is about to have a command line.
func (k *sink) restrict() error {
	if k.private || !hasCommandLines(k.Format) {
		return nil
	}
	k.private = true
	return k.target.restrict()
}

func hasCommandLines(format string) bool {
	for _, f := range formats {
		if f.name == format {
			return f.commandLines
		}
	}
	return false
}

// Start opens the stream of every output.
func (s *Sinks) Start(start record.Start) error {
	return s.each(func(k *sink) error { return k.h.Start(start) }, true)
}

func (s *Sinks) finding(f record.Finding) error {
	private := record.HasCommandLine(f)
	return s.each(func(k *sink) error {
		if private {
			if err := k.restrict(); err != nil {
				return err
			}
		}
		return record.Write(k.h, f)
	}, !s.atOnce)
}

// End ends the stream of every output.
func (s *Sinks) End(end record.End) error {
	return s.each(func(k *sink) error { k.ended = true; return k.h.End(end) }, true)
}

// each calls do for the outputs that still work, and flushes those that somebody
// may be reading along. The error, when none works any more, is that of the first.
func (s *Sinks) each(do func(*sink) error, flush bool) error {
	works := len(s.all) == 0
	for _, k := range s.all {
		if k.err != nil {
			continue
		}
		k.err = do(k)
		if k.err == nil && k.target.live() && flush {
			k.err = k.buf.Flush()
		}
		works = works || k.err == nil
	}
	if works {
		return nil
	}
	return s.all[0].wrap(s.all[0].err)
}

// Close puts files in their place and returns what went wrong with any output,
// one line each. A file whose output failed, or that has no end, stays as
// it was. Errors unwrap to those of the system. A second call does nothing.
func (s *Sinks) Close() error {
	var errs []error
	for _, k := range s.all {
		if err := k.close(); err != nil {
			errs = append(errs, k.wrap(err))
		}
	}
	s.all = nil
	return errors.Join(errs...)
}

func (k *sink) close() error {
	if k.err == nil {
		k.err = k.buf.Flush()
	}
	if k.err != nil || !k.ended {
		k.target.discard()
		return k.err
	}
	return k.target.commit()
}

// wrap adds which output an error is of. Paths inside the error go: they may be
// those of a temporary file.
func (k *sink) wrap(err error) error {
	return fmt.Errorf("cannot write the %s report to %s: %w", k.Format, k.Output, files.Cause(err))
}

// Fits reports what is wrong with a format for the records of a command.
func Fits(format, command string) error {
	switch {
	case command == "explain" && !slices.Contains([]string{"text", "json", "jsonl"}, format):
		return errors.New("explain is written as text, json or jsonl only")
	case format == "nmap-xml":
		return nmap.Fits(command)
	}
	return nil
}
