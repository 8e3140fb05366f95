package target

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"onmux/probe"
	"onmux/probe/hostport"
	"onmux/probe/ports"
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
	protos  []probe.Proto // for ports with no suffix
	noPorts bool          // targets have none
	add     func(word)
	specs   map[string]*portSpace // the ports of targets by how they were written
	scratch []span
	n       int
}

// word is one target.
type word struct {
	text  string
	spans []span // overwritten by the next word; none for a name
	name  string
	ports *portSpace // of its own; nil if it has none
	err   error      // what is wrong with an argument
}

var errNoTargets = errors.New("no targets: " + targetForms)

// Words lists the targets of a command line and of the files in it (Config.Targets),
// none of which is looked up. Errors name file and line.
func Words(args []string, in *files.Inputs, protos []probe.Proto) (all []string, err error) {
	var bad problems
	r := reader{in: in, protos: protos, add: func(w word) {
		bad.add(w.err)
		all = append(all, w.text)
	}}
	if err := r.read(args, nil); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errNoTargets
	}
	return all, bad.err()
}

// read passes on all targets. Errors name file and line.
func (r *reader) read(args, from []string) error {
	for _, a := range args {
		if file, ok := strings.CutPrefix(a, "@"); !ok || r.in == nil {
			r.pass(r.word(strings.TrimFunc(a, unicode.IsSpace)))
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
	host, spec, err := hostport.Split(text)
	if err == nil {
		w.spans, w.name, err = appendTarget(r.scratch[:0], host)
		r.scratch = w.spans
	}
	if err == nil && spec != "" {
		w.ports, err = r.portsOf(text, spec)
	}
	w.err = err
	return w
}

// portsOf reads the ports of a target.
func (r *reader) portsOf(text, spec string) (*portSpace, error) {
	if r.noPorts {
		return nil, fmt.Errorf("%s has a port, which cannot be given here", clip(text))
	}
	if known := r.specs[spec]; known != nil {
		return known, nil
	}
	list, err := ports.Parse([]string{spec}, r.protos)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", textfile.Plain(text), err)
	}
	space, err := newPortSpace(list)
	if err != nil {
		return nil, err
	}
	if r.specs == nil {
		r.specs = make(map[string]*portSpace)
	}
	space.own = true
	r.specs[spec] = &space
	return &space, nil
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
