package report

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// patience is how long a run goes on without a word before its progress shows.
const patience = time.Second

// Progress draws a bar on a terminal: a share and a time to go that come from
// who does the work. A nil Progress is one that nobody sees. It may be used from
// several goroutines.
type Progress struct {
	mu    sync.Mutex
	w     io.Writer
	width int
	since time.Time
	bar   *progressbar.ProgressBar // once it shows
	shown bool
}

// NewProgress draws on w, a terminal of so many columns.
func NewProgress(w io.Writer, width int) *Progress { return &Progress{w: w, width: width} }

// Update says that done of total is done, and that the rest takes about eta, or
// an unknown time if that is 0. The first second is silent.
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
	if now.Sub(p.since) < patience {
		return
	}
	if p.bar == nil {
		p.bar = p.draw()
	}
	if eta > 0 {
		what += ", " + duration(eta.Round(time.Second)) + " to go"
	}
	p.bar.Describe(Clip(Visible(what), max(p.width-24, 8)))
	p.bar.Set64(int64(1000 * min(float64(done)/float64(total), 1)))
	p.shown = true
}

// draw makes a bar of 1000 parts, without the library's own guesses at times.
func (p *Progress) draw() *progressbar.ProgressBar {
	return progressbar.NewOptions64(1000,
		progressbar.OptionSetWriter(p.w),
		progressbar.OptionSetWidth(max(min(20, p.width-40), 4)),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionThrottle(0),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
	)
}

// Clear takes the bar off the terminal; the next Update draws it again.
func (p *Progress) Clear() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *Progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[2K")
		p.shown = false
	}
}

// Wrap returns a writer to w, a terminal that may be the same one: the bar is
// taken off before each write.
func (p *Progress) Wrap(w io.Writer) io.Writer {
	if p == nil {
		return w
	}
	return behind{p, w}
}

type behind struct {
	p *Progress
	w io.Writer
}

func (b behind) Write(text []byte) (int, error) {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	b.p.clear()
	return b.w.Write(text)
}
