package target

import (
	"errors"
	"fmt"
	"strings"

	"onmux/probe/textfile"
	"onmux/probe/wording"
	"onmux/scan/files"
)

// maxTargets bounds the words of all target files together.
const maxTargets = 1 << 24

// reader passes on the targets of a command line and of files: @FILE among the arguments,
// and the files that are named apart; "-" is standard input. A file holds one or more
// targets a line, as textfile.Each reads them.
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
	return textfile.Each(files.Title(name), f, r.words)
}

// words passes on the targets of one line, each of which must be one.
func (r *reader) words(line []string) error {
	for _, text := range line {
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
