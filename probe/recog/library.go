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

// maxText bounds the text that is compared with patterns, in bytes.
const maxText = 4 << 10

// Software is what a fingerprint identifies.
type Software struct {
	Vendor, Product, Version string
	Description              string // of the fingerprint
}

// Library is a directory of fingerprints. Its methods may be called at the same time.
type Library struct {
	dir   string
	cache fileCache
}

// fileCache is the files that were read so far.
type fileCache struct {
	mu    sync.Mutex       // guards all fields
	files map[string]*file // by name, without .xml; nil: there is none
	notes []Note
}

// Open finds Recog's files in a directory, or in the directory xml in it. None of them is
// read yet. It is an error if there are none.
func Open(dir string) (*Library, error) {
	for _, d := range []string{dir, filepath.Join(dir, "xml")} {
		all, err := filepath.Glob(filepath.Join(escapeGlob(d), "*.xml"))
		if err == nil && len(all) > 0 {
			return &Library{dir: d, cache: fileCache{files: make(map[string]*file)}}, nil
		}
	}
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", dir)
	}
	return nil, fmt.Errorf("%s has no fingerprints (*.xml)", dir)
}

// escapeGlob escapes the metacharacters of filepath.Match.
func escapeGlob(s string) string {
	if filepath.Separator == '\\' {
		return s
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// Find is the software of the first fingerprint in a file ("ssh_banners") that
// text matches. At most 4 KiB of text are compared.
func (l *Library) Find(name, text string) (Software, bool) {
	f := l.cache.read(l.dir, name)
	if f == nil {
		return Software{}, false
	}
	return f.find(text[:min(len(text), maxText)])
}

// Note is what a file lacks.
type Note struct {
	File        string // without its ending
	Left, Total int    // patterns that Go's regular expressions cannot express, of all
	Err         error  // of reading, after which the rest of the file is missing
}

// Notes states what was left out of the files that were read so far, in order.
func (l *Library) Notes() []Note {
	if l == nil {
		return nil
	}
	l.cache.mu.Lock()
	defer l.cache.mu.Unlock()
	return slices.Clone(l.cache.notes)
}

// read returns a file of a directory, which it reads when it is first needed.
func (c *fileCache) read(dir, name string) *file {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, known := c.files[name]; known {
		return f
	}
	f, err := readFile(filepath.Join(dir, name+".xml"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		c.notes = append(c.notes, Note{File: name, Err: err})
	case f.left > 0:
		c.notes = append(c.notes, Note{File: name, Left: f.left, Total: f.left + len(f.prints)})
	}
	c.files[name] = f
	return f
}

// readFile reads a file; of one with an error, what precedes it is kept.
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
