package target

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"onmux/probe/wording"
	"onmux/scan/files"
)

const (
	maxLine    = 64 << 10 // bytes of one line of a target file
	maxTargets = 1 << 24  // words of all target files together
)

// reader passes on the targets of a command line and of files: @FILE among the arguments,
// and the files that are named apart; "-" is standard input. A file holds one or more
// targets a line; # starts a comment, blank lines count for nothing, lines may end in CR LF.
type reader struct {
	in      *files.Inputs // nil: @FILE is no target
	add     func(word)
	scratch []span
	n       int
}

// word is one target.
type word struct {
	text  string
	spans []span // overwritten by the next word; none for a name
	name  string
	err   error // what is wrong with an argument
}

// read passes on all targets. Errors name file and line.
func (r *reader) read(args, from []string) error {
	for _, a := range args {
		if file, ok := strings.CutPrefix(a, "@"); !ok || r.in == nil {
			r.pass(r.word(a))
		} else if err := r.file(file); err != nil {
			return err
		}
	}
	for _, file := range from {
		if err := r.file(file); err != nil {
			return err
		}
	}
	return nil
}

// word reads one target.
func (r *reader) word(text string) word {
	w := word{text: text}
	w.spans, w.name, w.err = appendTarget(r.scratch[:0], text)
	r.scratch = w.spans
	return w
}

func (r *reader) pass(w word) {
	r.n++
	r.add(w)
}

func (r *reader) file(name string) error {
	if name == "" {
		return errors.New("@ needs the name of a file, or - for standard input")
	}
	f, err := r.in.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.lines(files.Title(name), f)
}

func (r *reader) lines(name string, in io.Reader) error {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 0, 4096), maxLine)
	n := 0
	for s.Scan() {
		n++
		line := s.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff")) // a byte order mark
		}
		line, _, _ = bytes.Cut(line, []byte("#"))
		if err := r.words(string(line)); err != nil {
			return fmt.Errorf("%s:%d: %w", plain(name), n, err)
		}
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("%s:%d: the line is longer than %d bytes: write one target a line", plain(name), n+1, maxLine)
	} else if err != nil {
		return cannotRead(name, err)
	}
	return nil
}

// words passes on the targets of one line, each of which must be one.
func (r *reader) words(line string) error {
	for text := range strings.FieldsSeq(line) {
		if strings.HasPrefix(text, "@") {
			return fmt.Errorf("%s: a file of targets cannot name another one", clip(text))
		}
		w := r.word(text)
		if w.err != nil {
			return w.err
		}
		if r.n >= maxTargets {
			return fmt.Errorf("more than %s targets: name networks instead", wording.Number(maxTargets))
		}
		r.pass(w)
	}
	return nil
}

func cannotRead(name string, err error) error {
	return fmt.Errorf("reading %s: %w", plain(name), files.Cause(err))
}

// plain is a file's name, quoted only where a line could not hold it as it is.
func plain(name string) string {
	if name == "" || len(name) > 200 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return clip(name)
	}
	return name
}
