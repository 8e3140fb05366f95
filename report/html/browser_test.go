package html_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/png"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	cdpnetwork "github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report/phrase"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/scan"
	"onmux/scan/control"
)

// TestPage looks at pages in one Chromium, which each test gives a tab of its own.
func TestPage(t *testing.T) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium to look at the page with")
	}
	limited, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.WindowSize(1200, 900), chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute))
	allocated, cancel := chromedp.NewExecAllocator(limited, o...)
	defer cancel()
	running, cancel := chromedp.NewContext(allocated)
	defer cancel()
	if err := chromedp.Do(running, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]func(*testing.T, *browser){
		"everything":     everythingWorks,
		"dark":           followsColorScheme,
		"many endpoints": drawsManyEndpoints,
		"hostile text":   showsHostileText,
		"check":          showsCheck,
		"diff":           showsChanges,
		"narrow":         fitsNarrowScreens,
		"no inflation":   showsPlainTable,
		"accessible":     isAccessible,
		"IPv6":           drawsIPv6,
		"flows":          drawsFlows,
		"zones":          drawsZones,
	} {
		t.Run(name, func(t *testing.T) { test(t, newTab(t, running)) })
	}
}

// browser is a tab of Chromium. What the page complains of or asks for fails the
// test that looks at it.
type browser struct {
	ctx context.Context
	mu  sync.Mutex
	bad []string
}

// newTab opens a tab of the browser that ctx is of.
func newTab(t *testing.T, ctx context.Context) *browser {
	t.Helper()
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{ctx: ctx}
	complain := func(format string, args ...any) {
		b.mu.Lock()
		b.bad = append(b.bad, fmt.Sprintf(format, args...))
		b.mu.Unlock()
	}
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *cdpnetwork.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, "file://") && !strings.HasPrefix(e.Request.URL, "data:") {
				complain("it asks for %s", e.Request.URL)
			}
		case *runtime.EventExceptionThrown:
			complain("exception: %s", e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			complain("console.%s", e.Type)
		case *cdplog.EventEntryAdded:
			complain("log: %s", e.Entry.Text)
		}
	})
	if err == nil {
		_, err = chromedp.Call(ctx, cdpnetwork.Enable, cdpnetwork.EnableParams{})
	}
	if err == nil {
		_, err = chromedp.Call(ctx, cdplog.Enable, cdp.Empty{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *browser) run(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// show opens the page that a stream makes.
func (b *browser) show(t *testing.T, s Stream) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, s.Write(t, "html"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.run(t, chromedp.Navigate("file://"+file), chromedp.WaitReady(chromedp.CSS("body[data-ready]")))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, bad := range b.bad {
			t.Error(bad)
		}
		b.bad = nil
	})
}

// value is what an expression is in the page.
func value[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func want[T comparable](t *testing.T, b *browser, expression string, wanted T) {
	t.Helper()
	if got := value[T](t, b, expression); got != wanted {
		t.Errorf("%s is %v instead of %v", expression, got, wanted)
	}
}

// network24 is a scan of 192.0.2.0/24 in which .7 and .9 are open, 64 to 127
// filtered, and the rest closed.
func network24() Stream {
	s := Sample()
	at := func(last byte) probe.Endpoint {
		return probe.Endpoint{Addr: netip.AddrFrom4([4]byte{192, 0, 2, last}), Port: 417, Proto: probe.TCP}
	}
	open := func(last byte, rtt probe.Millis) Finding {
		return probe.Result{Endpoint: at(last), State: probe.Open, Reason: probe.SynAck, RTT: rtt,
			Evidence: []string{"a SYN-ACK came"},
			Details:  probe.Details{Service: &probe.Service{Name: "ssh", Product: "OpenSSH", Version: "9.2p1"}}}
	}
	dull := func(first, last byte, state probe.State, why probe.Reason) Finding {
		return scan.Range{First: at(first).Addr, Last: at(last).Addr, Count: uint64(last-first) + 1, Port: 417,
			Proto: probe.TCP, State: state, Reason: why}
	}
	s.Findings = []Finding{open(9, 3e6), open(7, 1e6), open(8, 2e6), dull(0, 6, probe.Closed, probe.Reset),
		dull(10, 63, probe.Closed, probe.Reset), dull(64, 127, probe.Filtered, probe.NoResponse),
		dull(128, 255, probe.Closed, probe.Reset)}
	s.Ended.Complete = true
	s.Ended.Summary = scan.Summary{Targets: 256, States: map[string]uint64{"open": 3, "closed": 189, "filtered": 64},
		Controls: &control.Summary{Asked: 6, Answered: 4, Windows: []control.Window{
			{From: Noon, To: Noon.Add(time.Second), Asked: 3, Answered: 3},
			{From: Noon.Add(time.Second), To: Noon.Add(2 * time.Second), Asked: 3, Answered: 1}}}}
	return s
}

// everythingWorks: map, histogram and table are there, and do what they should by
// keyboard and by mouse.
func everythingWorks(t *testing.T, b *browser) {
	b.show(t, network24())
	want(t, b, `document.querySelector('h1').textContent`, "onmux scan: 3 open, 189 closed, 64 filtered")
	want(t, b, `[...document.querySelectorAll('.counts li')].map(e => e.textContent).join()`,
		"3 open,189 closed,64 filtered")
	want(t, b, `[...document.querySelectorAll('tbody th')].map(e => e.textContent).join()`,
		"192.0.2.7:417/tcp,192.0.2.8:417/tcp,192.0.2.9:417/tcp")
	want(t, b, `[...document.querySelectorAll('.services li')].map(e => e.textContent).join()`, "3 ssh")
	b.run(t, chromedp.Click(chromedp.CSS(`#ranges`)))
	want(t, b, `document.querySelectorAll('tbody tr').length`, 7)
	want(t, b, `document.querySelector('#rtt svg').getAttribute('aria-label')`,
		"3 answers took from 1.0 ms to 3.0 ms; half of them at most 2.0 ms, nine in ten at most 3.0 ms")
	want(t, b, `document.querySelectorAll('#plain').length`, 0)
	want(t, b, `[.008, .0994, .1].map(ms => duration(ms, t => t.toFixed(2))).join()`, "8 µs,99 µs,0.10 ms")

	// The table sorts, up and down, and marks the column.
	b.run(t, chromedp.Click(chromedp.CSS(`button[data-key="p"]`)))
	want(t, b, `document.querySelector('tbody th').textContent`, "192.0.2.0-192.0.2.6 417/tcp")
	want(t, b, `document.querySelectorAll('tbody th')[1].textContent`, "192.0.2.7:417/tcp")
	b.run(t, chromedp.Focus(chromedp.CSS(`button[data-key="t"]`)), chromedp.KeyEvent(kb.Enter),
		chromedp.KeyEvent(kb.Enter))
	want(t, b, `document.querySelector('th[aria-sort]').getAttribute('aria-sort')`, "descending")
	want(t, b, `[...document.querySelectorAll('td.number')].map(e => e.textContent).join()`,
		"3.00 ms,2.00 ms,1.00 ms,,,,")

	// It filters by text, also that of the evidence, and by state.
	look := func(text, word string) {
		t.Helper()
		b.run(t, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`
			document.getElementById('search').value = %q;
			document.getElementById('word').value = %q;
			document.getElementById('word').dispatchEvent(new Event('change'))`, text, word)))
	}
	b.run(t, chromedp.SendKeys(chromedp.CSS(`#search`), "OPENSSH"))
	want(t, b, `document.querySelectorAll('tbody tr').length`, 3)
	want(t, b, `document.getElementById('shown').textContent`, "1 to 3 of 3, from 7")
	look("a syn-ack CAME", "")
	want(t, b, `document.querySelectorAll('tbody tr').length`, 3)
	look("nothing like that", "")
	want(t, b, `document.getElementById('shown').textContent`, "none of 7")
	look("", "filtered")
	want(t, b, `[...document.querySelectorAll('tbody tr')].map(e => e.textContent).join()`,
		"192.0.2.64-192.0.2.127 417/tcpfilteredno-response64 addresses")
	look("", "")

	// The map is reached by keyboard, and shows where it is and what is there.
	b.run(t, chromedp.Focus(chromedp.CSS(`.addresses`)))
	for range 7 {
		b.run(t, chromedp.KeyEvent(kb.ArrowRight))
	}
	want(t, b, `document.getElementById('here').textContent`,
		"192.0.2.7\n417/tcp  open  syn-ack  1.00 ms  ssh OpenSSH 9.2p1")
	b.run(t, chromedp.KeyEvent(kb.ArrowDown))
	want(t, b, `document.getElementById('here').textContent`,
		"192.0.2.71\n192.0.2.64-192.0.2.127 417/tcp  filtered  no-response  64 addresses")
	b.run(t, chromedp.KeyEvent(kb.End))
	want(t, b, `document.getElementById('here').textContent.split('\n')[0]`, "192.0.2.255")

	// And by mouse: the cell of .9 stands in the first row.
	b.run(t, chromedp.Evaluate[chromedp.Void](`{
		const box = document.querySelector('.addresses').getBoundingClientRect(), side = (box.width - 108) / 64;
		document.querySelector('.addresses').dispatchEvent(new MouseEvent('mousemove',
			{clientX: box.left + 108 + 9.5 * side, clientY: box.top + side / 2}));
	}`))
	want(t, b, `document.getElementById('here').textContent.split('  ')[3]`, "3.00 ms")
}

// followsColorScheme: the page follows what its reader prefers.
func followsColorScheme(t *testing.T, b *browser) {
	b.show(t, network24())
	brightness := func(preferred string) float64 {
		if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia,
			emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme",
				Value: preferred}}}); err != nil {
			t.Fatal(err)
		}
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		m, _, err := image.Decode(bytes.NewReader(png))
		if err != nil {
			t.Fatal(err)
		}
		sum, n := 0.0, 0.0
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x += 7 {
			for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y += 7 {
				r, g, b, _ := m.At(x, y).RGBA()
				sum, n = sum+float64(r+g+b)/3/0xffff, n+1
			}
		}
		return sum / n
	}
	if light, dark := brightness("light"), brightness("dark"); light < 0.8 || dark > 0.3 {
		t.Errorf("brightness %.2f in the light, %.2f in the dark", light, dark)
	}
}

// drawsManyEndpoints: a /16, reported one by one, is drawn and can be searched.
func drawsManyEndpoints(t *testing.T, b *browser) {
	s := Sample()
	s.Findings = nil
	a := netip.MustParseAddr("10.20.0.0")
	for i := range 65536 {
		r := probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: 417, Proto: probe.TCP}, State: probe.Closed,
			Reason: probe.Reset, RTT: probe.Millis(1000 * (i%5000 + 1))}
		if i%4096 == 0 {
			r.State, r.Reason = probe.Open, probe.SynAck
		}
		s.Findings = append(s.Findings, r)
		a = a.Next()
	}
	s.Ended.Summary = scan.Summary{Targets: 65536, States: map[string]uint64{"open": 16, "closed": 65520}}
	b.show(t, s)
	want(t, b, `document.querySelector('.addresses').getAttribute('aria-label').slice(0, 24)`,
		"Map of 65,536 addresses.")
	want(t, b, `document.getElementById('shown').textContent`, "1 to 50 of 65,536")
	b.run(t, chromedp.SendKeys(chromedp.CSS(`#search`), "10.20.255.25"))
	want(t, b, `[...document.querySelectorAll('tbody th')].map(e => e.textContent).join()`,
		"10.20.255.25:417/tcp,10.20.255.250:417/tcp,10.20.255.251:417/tcp,10.20.255.252:417/tcp,"+
			"10.20.255.253:417/tcp,10.20.255.254:417/tcp,10.20.255.255:417/tcp")
	b.run(t, chromedp.Focus(chromedp.CSS(`.addresses`)), chromedp.KeyEvent(kb.End))
	want(t, b, `document.getElementById('here').textContent.split('\n')[0]`, "10.20.255.255")
}

// showsCheck: a check has a row for each socket, and one for each port without any.
func showsCheck(t *testing.T, b *browser) {
	s := Sample()
	s.Started.Command = "check"
	s.Findings = []Finding{
		local.Verdict{Port: 80, Proto: probe.TCP, Verdict: local.Listening, Why: "nginx listens"},
		local.Listener{Proto: probe.TCP, Address: netip.MustParseAddr("127.0.0.1"), Port: 80, State: local.Listening,
			Reach: "loopback"},
		local.Listener{Proto: probe.TCP, Address: netip.MustParseAddr("::1"), Port: 80, State: local.Listening,
			Reach: "loopback"},
		local.Verdict{Port: 81, Proto: probe.TCP, Verdict: local.Free, Why: "no socket holds it"},
	}
	b.show(t, s)
	want(
		t,
		b,
		`[...document.querySelectorAll('thead th')].map(e => e.textContent).join()`,
		"port,verdict,address,reach,held by",
	)
	want(
		t,
		b,
		`[...document.querySelectorAll('tbody tr')].map(e => [...e.children].map(c => c.textContent).join('|')).join()`,
		"80/tcp|listening|127.0.0.1:80|loopback|owner not visiblenginx listens,"+
			"80/tcp|listening|[::1]:80|loopback|owner not visible,81/tcp|free|||no socket holds it",
	)
}

// showsChanges: a comparison lists its changes by kind, and folds what may be none.
func showsChanges(t *testing.T, b *browser) {
	s := Sample()
	s.Started.Command, s.Started.Args = "diff", []string{"diff", "old.json", "new.json"}
	change := func(what, was, is string, c probe.Confidence) Change {
		return Change{What: what, Address: Addr4, Port: 80, Proto: probe.TCP, Old: was, New: is, Confidence: c}
	}
	s.Findings = []Finding{change(Appeared, "closed", "open", ""), change(Vanished, "open", "closed", ""),
		change(Changed, "closed", "filtered", probe.Low)}
	b.show(t, s)
	want(
		t,
		b,
		`[...document.querySelectorAll('.kind')].map(e => e.open + ' ' + e.querySelector('summary').textContent).join()`,
		"true Appeared (1),true Vanished (1),false Not certain (1)",
	)
	want(t, b, `[...document.querySelectorAll('.appeared td')].map(e => e.textContent).join()`, "closed,open")
	want(t, b, `document.title.slice(0, 30)`, "onmux diff old.json new.json, ")
}

// fitsNarrowScreens: on 400 pixels nothing but the page scrolls, and each row is a card.
func fitsNarrowScreens(t *testing.T, b *browser) {
	b.run(t, chromedp.EmulateViewport(400, 800))
	b.show(t, network24())
	want(t, b, `document.documentElement.scrollWidth <= 400`, true)
	want(t, b, `getComputedStyle(document.querySelector('tbody tr')).display`, "block")
	want(t, b, `getComputedStyle(document.querySelector('tbody td'), '::before').content`, `"state"`)
	want(t, b, `document.querySelector('.addresses').getBoundingClientRect().right <= 400`, true)
	// 16 cells a row leave each of the 16 rows of a /24 room for its label.
	want(t, b, `document.querySelector('.addresses').getBoundingClientRect().height >= 14 * 16`, true)
	want(t, b, `[...document.querySelectorAll('tbody td.number')].every(
		td => (td.textContent === '') === (getComputedStyle(td).display === 'none'))`, true)
}

// showsPlainTable: where rows cannot be inflated, the plain table stays.
func showsPlainTable(t *testing.T, b *browser) {
	_, err := chromedp.Call(b.ctx, cdppage.AddScriptToEvaluateOnNewDocument,
		cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: "delete window.DecompressionStream"})
	if err != nil {
		t.Fatal(err)
	}
	b.show(t, network24())
	want(t, b, `document.querySelectorAll('#plain tbody tr').length`, 7)
}

// showsHostileText: what peers send is text in the page, to the letter.
func showsHostileText(t *testing.T, b *browser) {
	all := Sample()
	all.Findings, all.Ended.Coverage = nil, nil
	var wanted []string
	for _, text := range Corpus {
		text = text[:min(len(text), 1<<12)]
		wanted = append(wanted, strings.Join(strings.Fields(phrase.Visible(text)), " "))
		s := WithText(text)
		all.Findings = append(all.Findings, s.Findings...)
		all.Ended.Coverage = append(all.Ended.Coverage, s.Ended.Coverage...)
	}
	b.show(t, all)
	for _, where := range []string{"#violations", "#all", "body"} {
		shown := strings.Join(strings.Fields(value[string](t, b, `document.querySelector('`+where+`').textContent`)),
			" ")
		for _, w := range wanted {
			if !strings.Contains(shown, w) {
				t.Errorf("%s does not show %.40q", where, w)
			}
		}
	}
	want(t, b, `document.querySelectorAll('script').length`, 2)
	want(t, b, `document.querySelectorAll('img, iframe, a, object, form, base').length`, 0)
}

// drawsIPv6: addresses of IPv6 are drawn, and written as others write them.
func drawsIPv6(t *testing.T, b *browser) {
	s := Sample()
	s.Findings = nil
	wanted := []string{"10.0.0.1", "::1", "2001:db8::", "2001:db8::1:0:0:1", "2001:db8:0:1:1:1:1:1", "fe80::1",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}
	for _, a := range wanted {
		s.Findings = append(s.Findings, probe.Result{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr(a), Port: 417,
			Proto: probe.TCP}, State: probe.Closed, Reason: probe.Reset})
	}
	b.show(t, s)
	b.run(t, chromedp.Focus(chromedp.CSS(`.addresses`)), chromedp.KeyEvent(kb.Home))
	for _, a := range wanted {
		want(t, b, `document.getElementById('here').textContent.split('\n')[0]`, a)
		b.run(t, chromedp.KeyEvent(kb.ArrowRight))
	}
}

// drawsFlows: the time line and the picture of who talks to whom are as wide as the page, wide or
// narrow, also where no script runs; rows of clients and endpoints are where the lines between them end.
func drawsFlows(t *testing.T, b *browser) {
	const row = `(() => {
		const picture = document.querySelector('.links svg').getBoundingClientRect();
		return [...document.querySelectorAll('.talk ul')].every(ul => [...ul.children].every((li, i, all) => {
			const box = li.getBoundingClientRect();
			return Math.abs((box.top + box.bottom) / 2 - picture.top - picture.height * (i + .5) / all.length) < 2;
		}));
	})()`
	for _, width := range []int64{400, 1400} {
		b.run(t, chromedp.EmulateViewport(width, 900))
		b.show(t, office())
		want(t, b, `document.documentElement.scrollWidth <= innerWidth`, true)
		want(t, b, `document.querySelectorAll('.lanes li').length`, 26)
		want(t, b, `[...document.querySelectorAll('.lanes svg')].every(e => e.getBoundingClientRect().width > 300)`, true)
		want(t, b, `document.querySelectorAll('.talk li').length`, 17+17)
		want(t, b, row, true)
		want(t, b, `[...document.querySelectorAll('.talk li, .lanes li')].every(e => e.scrollWidth <= e.clientWidth + 1)`,
			true)
	}
}

// isAccessible: axe-core finds nothing, in light and dark, on wide and narrow screens. Its
// script is in the file that AXE_CORE names.
func isAccessible(t *testing.T, b *browser) {
	file := os.Getenv("AXE_CORE")
	if file == "" {
		t.Skip("AXE_CORE does not name axe.min.js (npm install axe-core)")
	}
	axe, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	change := Change{What: Appeared, Address: Addr4, Port: 80, Proto: probe.TCP, Old: "closed", New: "open"}
	for name, s := range map[string]Stream{"scan": network24(), "everything": Sample(), "many": manyOpen(),
		"zones": zoned("a", "b", "c"), "many zones": zoned("a", "b", "c", "d", "e", "f", "g", "h"),
		"watch": office(),
		"diff":  {Started: Start{Command: "diff", Started: Noon}, Findings: []Finding{change}}} {
		for _, c := range []struct {
			width  int64
			scheme string
		}{{1200, "light"}, {1200, "dark"}, {400, "light"}} {
			b.run(t, chromedp.EmulateViewport(c.width, 900))
			if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: c.scheme}}}); err != nil {
				t.Fatal(err)
			}
			b.show(t, s)
			b.run(t, chromedp.Evaluate[chromedp.Void](string(axe)))
			b.run(t, chromedp.Evaluate[chromedp.Void](`window.found = undefined; axe.run().then(r => {
				window.found = r.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 120) + ' ' +
					n.failureSummary).join('; ')).join('\n'); }); undefined`))
			if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](`window.found !== undefined`)); err != nil {
				t.Fatal(err)
			}
			want(t, b, `window.found`, "")
			if t.Failed() {
				t.Fatalf("%s, %d pixels, %s", name, c.width, c.scheme)
			}
		}
	}
}
