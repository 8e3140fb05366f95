package report

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"onmux/report/phrase"
)

const (
	showAfter   = time.Second            // how long a run goes on without a word before its progress shows
	logEvery    = 30 * time.Second       // between two lines where there is no terminal
	redrawEvery = 100 * time.Millisecond // between two drawings for the sake of lines written above
	barWidth    = 20                     // columns, if there are enough
	barParts    = 1000                   // of a bar
)

// Progress draws a bar in the last line of a terminal: a share and a time to go
// that come from who does the work. Where there is no terminal, it writes a line now and
// then, as a log needs it. A nil Progress is one that nobody sees. It
// may be used from several goroutines; it starts none, and draws only when it is
// called.
type Progress struct {
	mu    sync.Mutex
	w     io.Writer
	width int
	since time.Time // of the first Update
	drawn time.Time
	line  string // as it should stand; "" before there is one, and after Clear
	shown int    // columns on the terminal
	torn  bool   // a line above was begun and not ended
}

// NewProgress draws on w, a terminal of so many columns, or no terminal if that is 0.
func NewProgress(w io.Writer, width int) *Progress { return &Progress{w: w, width: width} }

// Update shows that done of total is done, and that the rest takes about eta, or
// an unknown time if that is not above 0. The first second is silent.
func (p *Progress) Update(done, total uint64, eta time.Duration, what string) {
	if p == nil || total == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.since.IsZero() {
		p.since = now
	}
	if p.width == 0 {
		if now.Sub(p.since) >= logEvery && now.Sub(p.drawn) >= logEvery {
			p.drawn = now
			fmt.Fprintf(p.w, "onmux: %d %% done, %s\n", 100*min(done, total)/total, phrase.Visible(withETA(what, eta)))
		}
		return
	}
	if now.Sub(p.since) < showAfter {
		return
	}
	line := bar(done, total, min(barWidth, p.width/3)) + "  " + phrase.Visible(withETA(what, eta))
	if ASCII() {
		line = phrase.ASCII(line)
	}
	// The last column stays free: some terminals wrap as soon as it is taken.
	p.line = ""
	if p.width > 1 {
		p.line = phrase.Clip(line, p.width-1)
	}
	p.draw(now)
}

// withETA is what is done, and how long the rest takes if that is known.
func withETA(what string, eta time.Duration) string {
	if eta > 0 {
		what += ", " + phrase.Duration(max(eta.Round(time.Second), time.Second)) + " to go"
	}
	return what
}

// bar is " 42% [========>           ]". Each is drawn by one that has no past:
// the library's own would be over, once full, even if more work turned up.
func bar(done, total uint64, width int) string {
	b := progressbar.NewOptions64(barParts,
		progressbar.OptionSetWriter(io.Discard),
		progressbar.OptionSetWidth(width),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[",
			BarEnd: "]"}),
	)
	if n := int64(barParts * min(float64(done)/float64(total), 1)); n > 0 {
		b.Set64(n)
	} else {
		b.RenderBlank()
	}
	return strings.Trim(b.String(), " \r")
}

// Clear takes the bar off the terminal; the next Update draws it again.
func (p *Progress) Clear() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = ""
	p.wipe()
}

// Spaces wipe on every terminal; escape sequences do only on most.
func (p *Progress) wipe() {
	if p.shown > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.shown))
		p.shown = 0
	}
}

func (p *Progress) draw(now time.Time) {
	if p.torn {
		return
	}
	n := phrase.Columns(p.line)
	if n > 0 || p.shown > 0 {
		fmt.Fprintf(p.w, "\r%s%s", p.line, strings.Repeat(" ", max(0, p.shown-n)))
		p.drawn, p.shown = now, max(n, p.shown)
	}
}

// Wrap returns a writer to w that keeps the bar below what is written. A file or
// a pipe needs none, and is returned as it is.
func (p *Progress) Wrap(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice == 0 {
			return w
		}
	}
	if p == nil {
		return w
	}
	return above{p, w}
}

// above writes to the terminal that the bar is on, or to one that may be.
type above struct {
	p *Progress
	w io.Writer
}

func (a above) Write(text []byte) (int, error) {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	a.p.wipe()
	n, err := a.w.Write(text)
	if n > 0 {
		a.p.torn = text[n-1] != '\n'
	}
	if now := time.Now(); a.p.line != "" && now.Sub(a.p.drawn) >= redrawEvery {
		a.p.draw(now)
	}
	return n, err
}
