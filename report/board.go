package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"onmux/report/phrase"
)

// Board keeps a few lines at the bottom of a terminal, below all that is written through it, and
// replaces them in place: what stands there is written over, never wiped first, in one write. It
// changes no mode of the terminal, so that nothing has to be restored. A nil Board is one that
// nobody sees. It may be used from several goroutines; it starts none.
type Board struct {
	mu      sync.Mutex
	w       io.Writer
	size    func() (columns, rows int)
	lines   []string
	shown   []int  // columns of the lines on the terminal
	pending []byte // that is to be written above
	drawn   time.Time
}

// NewBoard is a Board on w, nil where that is no terminal that can move its cursor.
func NewBoard(w io.Writer) *Board {
	f, ok := w.(*os.File)
	if name := os.Getenv("TERM"); !ok || Width(w) == 0 || name == "dumb" || name == "" {
		return nil
	}
	return BoardOn(w, func() (columns, rows int) {
		if _, rows, err := term.GetSize(int(f.Fd())); err == nil {
			return Width(w), rows
		}
		return Width(w), 24
	})
}

// BoardOn is a Board on a terminal of a size, which may change.
func BoardOn(w io.Writer, size func() (columns, rows int)) *Board { return &Board{w: w, size: size} }

// BoardOf is the Board of a run, and what its report is written to: on the terminal of the report if
// that is one, below it, else on the terminal of messages, if that is one.
func BoardOf(terminal, out, messages io.Writer) (*Board, io.Writer) {
	if b := NewBoard(terminal); b != nil {
		return b, b
	}
	return NewBoard(messages), out
}

// Rows is how many lines it may have: half of the terminal, at most 16; none if that is too few.
func (b *Board) Rows() int {
	if b == nil {
		return 0
	}
	_, rows := b.size()
	if rows < 8 {
		return 0
	}
	return min(rows/2, 16)
}

// Show replaces the lines, as far as there is room for them.
func (b *Board) Show(lines []string) error {
	if b == nil {
		return nil
	}
	rows := b.Rows()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = lines[:min(len(lines), rows)]
	return b.draw()
}

// Write writes whole lines above the board. What comes soon after a drawing waits for the next.
func (b *Board) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending = append(b.pending, text...)
	if len(b.lines) > 0 && time.Since(b.drawn) < redrawEvery && len(b.pending) < 64<<10 {
		return len(text), nil
	}
	if err := b.draw(); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Close takes the lines off the terminal. What is written afterwards is written at once.
func (b *Board) Close() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = nil
	return b.draw()
}

// draw writes what is pending and the lines, over the lines that stand there.
func (b *Board) draw() error {
	columns, _ := b.size()
	var out bytes.Buffer
	if len(b.shown) > 0 {
		up := -1
		for _, n := range b.shown { // some wrap, if the terminal became narrower
			up += max(1, (n+columns-1)/columns)
		}
		out.WriteByte('\r')
		if up > 0 {
			fmt.Fprintf(&out, "\x1b[%dA", up)
		}
	}
	over := len(b.shown) > 0
	end := bytes.LastIndexByte(b.pending, '\n') + 1
	if len(b.lines) == 0 {
		end = len(b.pending)
	}
	text := b.pending[:end]
	if over {
		text = bytes.ReplaceAll(text, []byte("\n"), []byte("\x1b[K\n"))
	}
	out.Write(text)
	b.shown = b.shown[:0]
	for i, line := range b.lines {
		if ASCII() {
			line = phrase.ASCII(line)
		}
		line = phrase.Clip(line, max(columns-1, 1)) // some terminals wrap as soon as the last column is taken
		if i > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(line + "\x1b[K")
		b.shown = append(b.shown, phrase.Columns(line))
	}
	if over {
		out.WriteString("\x1b[J")
	}
	b.pending = append(b.pending[:0], b.pending[end:]...)
	b.drawn = time.Now()
	if out.Len() == 0 {
		return nil
	}
	_, err := b.w.Write(out.Bytes())
	return err
}
