package checkpoint

import (
	"fmt"
	"time"

	"onmux/scan/files"
)

// savingShare: after a checkpoint the next one waits this many times as long as
// writing it took, so that writing them takes a twentieth of a scan's time at most.
const savingShare = 20

// Saver writes the checkpoints of a scan to a file, which is replaced atomically.
// A nil Saver saves nothing.
type Saver struct {
	name   string
	source Source
	stop   chan struct{}
	done   chan struct{}
}

// NewSaver saves to a file, and nothing if name is "".
func NewSaver(name string, s Source) *Saver {
	if name == "" {
		return nil
	}
	return &Saver{name: name, source: s}
}

// Save writes a checkpoint. complete means that nothing is left to ask.
func (s *Saver) Save(complete bool) error {
	if s == nil {
		return nil
	}
	err := s.replace(complete)
	if err != nil {
		return fmt.Errorf("the checkpoint %s could not be written: %w", quoteName(s.name), err)
	}
	return nil
}

// Start begins to save at least so far apart, until Stop. An error of that is not
// reported: the last Save will fail too.
func (s *Saver) Start(every time.Duration) {
	if s == nil {
		return
	}
	s.stop, s.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(s.done)
		t := time.NewTimer(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
			case <-s.stop:
				return
			}
			begun := time.Now()
			_ = s.Save(false)
			t.Reset(max(every, savingShare*time.Since(begun)))
		}
	}()
}

// Stop ends what Start began, and waits for it.
func (s *Saver) Stop() {
	if s == nil {
		return
	}
	close(s.stop)
	<-s.done
}

// replace puts a new checkpoint in the place of the file, which only its owner may read.
func (s *Saver) replace(complete bool) error {
	f, err := files.Replace(s.name, 0o600)
	if err != nil {
		return err
	}
	if err := Write(f, s.source, complete); err != nil {
		f.Discard()
		return files.Cause(err)
	}
	return f.Commit()
}
