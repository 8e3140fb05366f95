package recog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// maxText bounds the text that patterns are held against, in bytes.
const maxText = 4 << 10

// Software is what a fingerprint says.
type Software struct {
	Vendor, Product, Version string
	Description              string // of the fingerprint
}

// Library is a folder of fingerprints. Its methods may be called at the same time.
type Library struct {
	dir   string
	mu    sync.Mutex
	files map[string]*file // by name, without .xml; nil: there is none
	notes []string
}

// Open looks into a folder, or the folder xml in it, for Recog's files. None of
// them is read yet. An error says that there are none.
func Open(dir string) (*Library, error) {
	for _, d := range []string{dir, filepath.Join(dir, "xml")} {
		all, err := filepath.Glob(filepath.Join(escapeGlob(d), "*.xml"))
		if err == nil && len(all) > 0 {
			return &Library{dir: d, files: make(map[string]*file)}, nil
		}
	}
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder", dir)
	}
	return nil, fmt.Errorf("%s has no fingerprints (*.xml)", dir)
}

// escapeGlob takes the meaning from what a pattern gives one.
func escapeGlob(s string) string {
	if filepath.Separator == '\\' {
		return s
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// Find is the software of the first fingerprint in a file ("ssh_banners") that
// text matches. At most 4 KiB of text are looked at.
func (l *Library) Find(name, text string) (Software, bool) {
	f := l.file(name)
	if f == nil {
		return Software{}, false
	}
	return f.find(text[:min(len(text), maxText)])
}

// Notes says what was left out of the files that were read so far, in order.
func (l *Library) Notes() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.notes)
}

// file reads one when it is first asked for.
func (l *Library) file(name string) *file {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f, known := l.files[name]; known {
		return f
	}
	f, err := readFile(filepath.Join(l.dir, name+".xml"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		l.notes = append(l.notes, fmt.Sprintf("fingerprints: %v", err))
	case f.left > 0:
		l.notes = append(l.notes,
			fmt.Sprintf("fingerprints: %s.xml: %d of %d patterns are left out: Go's regular expressions cannot express them",
				name, f.left, f.left+len(f.prints)))
	}
	l.files[name] = f
	return f
}

// readFile reads a file; of one that breaks off, what stands before is kept.
func readFile(path string) (*file, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f, err := parse(r)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return f, err
}
