package scan

import (
	"fmt"
	"time"

	"onmux/scan/files"
)

// saveShare is how many times as long as a checkpoint took the next one waits.
const saveShare = 20

// save writes a checkpoint, if the sweep keeps one.
func (s *sweep) save(complete bool) error {
	if s.Checkpoint == "" || s.Resume != nil && s.Resume.Complete() {
		return nil
	}
	f, err := files.Replace(s.Checkpoint, 0o600)
	if err == nil {
		if err = s.write(f, complete); err != nil {
			f.Discard()
		} else {
			err = f.Commit()
		}
	}
	if err != nil {
		return fmt.Errorf("the checkpoint %s could not be written: %w", plain(s.Checkpoint), files.Cause(err))
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
