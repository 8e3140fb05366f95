package scan

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// saveShare is how many times as long as a checkpoint took the next one waits.
const saveShare = 20

// save writes a checkpoint, if the sweep keeps one.
func (s *sweep) save(complete bool) error {
	if s.Checkpoint == "" || s.Resume != nil && s.Resume.Complete() {
		return nil
	}
	err := replaceFile(s.Checkpoint, func(f *os.File) error { return s.write(f, complete) })
	if err != nil {
		return fmt.Errorf("the checkpoint %s could not be written: %w", plain(s.Checkpoint), err)
	}
	return nil
}

// keeper writes checkpoints of a sweep until it is stopped. It is nil if none are
// wanted.
type keeper struct {
	stop chan struct{}
	done chan struct{}
}

func (s *sweep) startKeeper() *keeper {
	if s.Checkpoint == "" {
		return nil
	}
	k := &keeper{make(chan struct{}), make(chan struct{})}
	go func() {
		defer close(k.done)
		t := time.NewTimer(s.SaveEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
			case <-k.stop:
				return
			}
			begun := time.Now()
			s.save(false) // if it fails, the last one will tell
			t.Reset(max(s.SaveEvery, saveShare*time.Since(begun)))
		}
	}()
	return k
}

func (k *keeper) close() {
	if k == nil {
		return
	}
	close(k.stop)
	<-k.done
}

// lastSave writes the checkpoint that the sweep ends with, when nobody else
// touches it any more. stopped is why it ended early, or nil.
func (s *sweep) lastSave(stopped error) error {
	s.journal.sent = s.sent
	if s.over {
		return s.save(stopped == nil)
	}
	// The answers that were on their way have been waited for; what did not leave
	// is asked first.
	s.stamps.begin()
	s.journal.settled = s.walk.pos
	for _, h := range s.crew {
		if len(h.batch) > 0 {
			s.journal.settled = min(s.journal.settled, h.posns[0])
		}
	}
	return s.save(false)
}

// replaceFile puts a file in the place of another, as a whole or not at all, even
// if the machine stops in the middle.
func replaceFile(name string, write func(*os.File) error) error {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	f, err := besides(name)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
		return bare(err)
	}
	if d, err := os.Open(filepath.Dir(name)); err == nil { // the new name is to last, too; not all systems can promise that
		d.Sync()
		d.Close()
	}
	return nil
}

// besides is a new file in the folder of another, which only its owner may read.
func besides(name string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".onmux-checkpoint-*")
	return f, bare(err)
}

// bare is a file's error without the names of temporary files.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
