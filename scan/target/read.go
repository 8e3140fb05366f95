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

// Read returns args with each @FILE replaced by the targets in that file,
// then the targets in the files named by from; "-" is standard input. A file holds
// one or more targets a line; # starts a comment, blank lines count for nothing,
// lines may end in CR LF. Errors name file and line.
func Read(args, from []string, in *files.Inputs) ([]string, error) {
	r := reader{in: in}
	for _, a := range args {
		file, ok := strings.CutPrefix(a, "@")
		if !ok {
			r.out = append(r.out, a)
		} else if err := r.file(file); err != nil {
			return nil, err
		}
	}
	for _, file := range from {
		if err := r.file(file); err != nil {
			return nil, err
		}
	}
	return r.out, nil
}

type reader struct {
	in      *files.Inputs
	scratch []span
	out     []string
}

func (r *reader) file(name string) error {
	if name == "" {
		return errors.New("@ needs the name of a file, or - for standard input")
	}
	f, err := r.in.Open(name)
	if err != nil {
		return cannotRead(files.Title(name), err)
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

// words adds the targets of one line, each of which must be one.
func (r *reader) words(line string) error {
	for word := range strings.FieldsSeq(line) {
		if strings.HasPrefix(word, "@") {
			return fmt.Errorf("%s: a file of targets cannot name another one", clip(word))
		}
		spans, _, err := appendTarget(r.scratch[:0], word)
		if err != nil {
			return err
		}
		if r.scratch = spans; len(r.out) >= maxTargets {
			return fmt.Errorf("more than %s targets: name networks instead", wording.Number(maxTargets))
		}
		r.out = append(r.out, word)
	}
	return nil
}

func cannotRead(name string, err error) error {
	return fmt.Errorf("cannot read targets from %s: %w", plain(name), files.Cause(err))
}

// plain is a file's name, quoted only where a line could not hold it as it is.
func plain(name string) string {
	if name == "" || len(name) > 200 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return clip(name)
	}
	return name
}
