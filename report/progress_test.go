package report_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	. "onmux/report"
)

// screen is a terminal: what stands on its last line, and above that. It knows no escape sequences.
type screen struct {
	t     *testing.T
	width int
	line  []rune
	at    int
	above []string
}

func (s *screen) Write(b []byte) (int, error) {
	rest := string(b)
	for rest != "" {
		r := []rune(rest)[0]
		rest = rest[len(string(r)):]
		switch r {
		case '\r':
			s.at = 0
		case '\n':
			s.above = append(s.above, s.shows())
			s.line, s.at = nil, 0
		case '\x1b':
			s.t.Errorf("an escape: %q", b)
		default:
			cells := []rune{r, beside}[:text.RuneWidth(r)]
			for len(s.line) < s.at+len(cells) {
				s.line = append(s.line, ' ')
			}
			s.at += copy(s.line[s.at:], cells)
		}
		if s.at >= s.width {
			s.t.Errorf("column %d of %d, which may wrap: %q", s.at, s.width, s.shows())
		}
	}
	return len(b), nil
}

// beside is the second cell of a wide character.
const beside = -1

func (s *screen) shows() string {
	cells := slices.DeleteFunc(slices.Clone(s.line), func(r rune) bool { return r == beside })
	return strings.TrimRight(string(cells), " ")
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &screen{t: t, width: 80}
		p := NewProgress(s, s.width)
		out := p.Wrap(s)
		p.Update(1, 100, time.Minute, "pass 1")
		time.Sleep(500 * time.Millisecond)
		p.Update(2, 100, time.Minute, "pass 1")
		if s.shows() != "" {
			t.Errorf("in the first second it shows %q", s.shows())
		}
		time.Sleep(time.Second)
		p.Update(42, 100, 3*time.Minute+20*time.Second, "pass 1, 3 open")
		for _, want := range []string{"42%", "pass 1, 3 open", "3 m 20 s"} {
			if !strings.Contains(s.shows(), want) {
				t.Errorf("no %q in %q", want, s.shows())
			}
		}
		bar := s.shows()
		fmt.Fprintln(out, "10.0.0.7 open")
		if want := []string{"10.0.0.7 open"}; len(s.above) != 1 || s.above[0] != want[0] {
			t.Errorf("above stands %q, want %q", s.above, want)
		}
		time.Sleep(time.Second)
		fmt.Fprintln(out, "10.0.0.8 open")
		if s.shows() != bar {
			t.Errorf("after a line it shows %q, want %q", s.shows(), bar)
		}
		// A line that is not finished is not written over.
		time.Sleep(time.Second)
		fmt.Fprint(out, "half a")
		p.Update(50, 100, 0, "pass 2")
		fmt.Fprintln(out, " line")
		if got := s.above[len(s.above)-1]; got != "half a line" {
			t.Errorf("a line in two writes became %q", got)
		}
		// The work may grow, and be over.
		p.Update(50, 200, time.Second, "pass 2")
		if !strings.Contains(s.shows(), "25%") {
			t.Errorf("of 50 in 200 it shows %q", s.shows())
		}
		p.Update(999, 1000, 0, "pass 2")
		if !strings.Contains(s.shows(), "99%") {
			t.Errorf("before the end it shows %q", s.shows())
		}
		p.Update(1000, 1000, 0, "drain")
		p.Update(1000, 1000, 0, "drained")
		if !strings.Contains(s.shows(), "100%") || !strings.Contains(s.shows(), "drained") {
			t.Errorf("at the end it shows %q", s.shows())
		}
		p.Clear()
		p.Clear()
		if s.shows() != "" || s.at != 0 {
			t.Errorf("cleared, it shows %q", s.shows())
		}
		fmt.Fprintln(out, "done")
		if s.shows() != "" {
			t.Errorf("after a clear, a line brings back %q", s.shows())
		}
	})
}

// Whatever the text and however narrow the terminal, the bar stays on one line
// and nothing from outside acts on the terminal.
func TestProgressFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for width := 1; width < 140; width++ {
			s := &screen{t: t, width: max(width, 2)}
			p := NewProgress(s, width)
			p.Update(0, 1, 0, "")
			time.Sleep(2 * time.Second)
			p.Update(1<<62, 1<<63, 100*time.Hour, "pass 1, 世界世界世界 \x1b[2J\a\u202e"+strings.Repeat("x", width/2))
			p.Update(5, 3, -time.Hour, strings.Repeat("世", 100))
			if t.Failed() {
				t.Fatalf("at %d columns", width)
			}
		}
	})
}

func TestProgressForNobody(t *testing.T) {
	var p *Progress
	p.Update(1, 2, 0, "")
	p.Clear()
	if w := p.Wrap(io.Discard); w != io.Discard {
		t.Errorf("nobody's progress wraps: %v", w)
	}
	var b bytes.Buffer
	q := NewProgress(&b, 80)
	q.Update(0, 0, 0, "nothing to do")
	q.Clear()
	if b.Len() > 0 {
		t.Errorf("nothing to do drew %q", b.String())
	}
}

func TestProgressConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewProgress(io.Discard, 80)
		out := p.Wrap(io.Discard)
		p.Update(0, 1, 0, "")
		time.Sleep(2 * time.Second)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for i := range 100 {
					p.Update(uint64(i), 100, 0, "at once")
					fmt.Fprintln(out, i)
				}
				p.Clear()
			})
		}
		all.Wait()
	})
}

// TestProgressWithoutTerminal: where there is no terminal, long work writes a line now and
// then, and nothing else.
func TestProgressWithoutTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		p := NewProgress(&b, 0)
		for i := range uint64(700) { // a tenth of a second each
			p.Update(i, 1400, time.Minute, "pass 1")
			time.Sleep(100 * time.Millisecond)
		}
		p.Clear()
		want := "onmux: 21 % done, pass 1, 1 m 0 s to go\nonmux: 42 % done, pass 1, 1 m 0 s to go\n"
		if got := b.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
