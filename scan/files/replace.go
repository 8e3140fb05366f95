package files

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Replacement is a temporary file beside the one that it will replace. It is for one goroutine;
// Commit or Discard must be called.
type Replacement struct {
	*os.File
	target string
}

// Replace begins to replace the file of that name by a new one, with the mode before the umask. If name is
// a symbolic link, also to a file that does not exist yet, the file that it leads to is the
// one to replace.
func Replace(name string, mode fs.FileMode) (*Replacement, error) {
	target, err := follow(name)
	if err != nil {
		return nil, err
	}
	removeAbandoned(target)
	for {
		// Not os.CreateTemp, which takes no mode.
		temp := filepath.Join(filepath.Dir(target), prefixOf(target)+rand.Text())
		f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return nil, Cause(err)
		}
		if ok, err := lock(f); err == nil && ok && isAt(f, temp) {
			return &Replacement{f, target}, nil
		} else if err != nil {
			f.Close()
			os.Remove(temp)
			return nil, Cause(err)
		}
		f.Close() // another process took it for abandoned before it was locked
	}
}

// prefixOf is how the names of files begin that are kept beside a file. A hash, because the
// name may be as long as names may be.
func prefixOf(target string) string {
	sum := sha256.Sum256([]byte(filepath.Base(target)))
	return ".onmux-" + hex.EncodeToString(sum[:6]) + "-"
}

// removeAbandoned removes the temporary files of processes that were killed while they
// replaced the file: those that nobody has locked. It is an attempt: what cannot be removed stays.
func removeAbandoned(target string) {
	if !canLock {
		return
	}
	entries, err := os.ReadDir(filepath.Dir(target))
	if err != nil {
		return
	}
	prefix := prefixOf(target)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || e.Name() == prefix+"lock" || !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(filepath.Dir(target), e.Name())
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			continue
		}
		if ok, err := lock(f); ok && err == nil && isAt(f, path) {
			os.Remove(path)
		}
		f.Close()
	}
}

// Target is the path of the file to replace, with no symbolic links.
func (f *Replacement) Target() string { return f.target }

// Discard removes the temporary file; the other stays as it is.
func (f *Replacement) Discard() {
	f.Close()
	os.Remove(f.Name())
}

// Commit puts the file in its place, on disk. If it fails, the other stays as it is.
func (f *Replacement) Commit() error {
	err := f.Sync()
	if !canLock { // such systems may not rename an open file; the others keep its lock until it is in place
		err = errors.Join(err, f.Close())
	}
	if err == nil {
		err = os.Rename(f.Name(), f.target)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	if canLock {
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return Cause(err)
	}
	syncFolder(f.target)
	return nil
}

// Cause is an error about a file without the file's name, which may be a temporary one.
func Cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}

// follow returns where a name leads through symbolic links, also if nothing is there yet.
func follow(name string) (string, error) {
	name, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	for range 40 { // as many as Linux follows
		dir, err := filepath.EvalSymlinks(filepath.Dir(name))
		if err != nil {
			return "", Cause(err)
		}
		name = filepath.Join(dir, filepath.Base(name))
		link, err := os.Readlink(name)
		if err != nil {
			return name, nil
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(dir, link)
		}
		name = link
	}
	return "", errors.New("too many symbolic links")
}
