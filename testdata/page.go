//go:build ignore

// Page measures how long Chromium takes to show the page of 65,536 open endpoints, each with a
// service, or of a watch with as many flows: from the beginning of the load until the script has
// drawn everything and a picture of it is taken. It fails where the median is above -most or the
// page above -size.
//
//	CGO_ENABLED=0 go build -o onmux . && go run testdata/page.go -onmux ./onmux
//	go run testdata/page.go -onmux ./onmux -what watch
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/chromedp/chromedp"
)

func main() {
	log.SetFlags(0)
	onmux := flag.String("onmux", "./onmux", "the onmux binary")
	what := flag.String("what", "scan", "scan or watch")
	n := flag.Int("n", 65536, "endpoints, or flows")
	runs := flag.Int("runs", 5, "how often the page is loaded")
	most := flag.Duration("most", 2*time.Second, "bound of the median")
	size := flag.Int64("size", 3_000_000, "bound of the page in bytes")
	flag.Parse()
	if err := run(*onmux, *what, *n, *runs, *most, *size); err != nil {
		log.Fatal("page: ", err)
	}
}

func run(onmux, what string, n, runs int, most time.Duration, size int64) error {
	dir, err := os.MkdirTemp("", "page")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	document, page := filepath.Join(dir, "report.jsonl"), filepath.Join(dir, "page.html")
	if err := write(document, what, n); err != nil {
		return err
	}
	begun := time.Now()
	if out, err := exec.Command(onmux, "report", document, "-q", "-o", "html="+page).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %.300s", err, out)
	}
	info, err := os.Stat(page)
	if err != nil {
		return err
	}
	fmt.Printf("%s of %d: %d bytes, written in %d ms\n", what, n, info.Size(), time.Since(begun).Milliseconds())
	times, err := load("file://"+page, runs)
	if err != nil {
		return err
	}
	slices.Sort(times)
	median := times[len(times)/2]
	fmt.Printf("shown after %v ms, median %.0f ms\n", times, median)
	if median > float64(most.Milliseconds()) || info.Size() > size {
		return fmt.Errorf("the bounds are %v and %d bytes", most, size)
	}
	return nil
}

// load opens the page in a new tab so many times, and returns the milliseconds that each took.
func load(url string, runs int) ([]float64, error) {
	dir, err := os.MkdirTemp("", "chromium")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WindowSize(1400, 900), chromedp.UserDataDir(dir))
	ctx, cancel = chromedp.NewExecAllocator(ctx, o...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		return nil, err
	}
	var times []float64
	for range runs {
		tab, end := chromedp.NewContext(ctx)
		if err := chromedp.Do(tab, chromedp.Navigate("about:blank")); err != nil {
			end()
			return nil, err
		}
		begun := time.Now()
		err := chromedp.Do(tab, chromedp.Navigate(url), chromedp.WaitReady(chromedp.CSS("body[data-ready]")))
		if err == nil {
			_, err = chromedp.Run(tab, chromedp.CaptureScreenshot())
		}
		times = append(times, float64(time.Since(begun).Milliseconds()))
		end()
		if err != nil {
			return nil, err
		}
	}
	return times, nil
}

// write writes a document of n endpoints or flows.
func write(name, what string, n int) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	b := bufio.NewWriter(f)
	const day = "2026-01-01T"
	const start = `{"type":"start","schema":"onmux/1","command":"%s","version":"1",` +
		`"started":"` + day + `00:00:00Z"}` + "\n"
	fmt.Fprintf(b, start, what)
	a, endpoints := netip.MustParseAddr("10.20.0.0"), n
	for i := range n {
		switch {
		case what == "watch" && i%64 != 0:
			endpoints--
		case what == "watch":
			fmt.Fprintf(b, `{"type":"endpoint","address":"%s","port":22,"proto":"tcp","state":"open",`+
				`"reason":"syn-ack"}`+"\n", a)
		default:
			fmt.Fprintf(b, `{"type":"endpoint","address":"%s","port":22,"proto":"tcp","state":"open","reason":"syn-ack",`+
				`"rtt_ms":%.3f,"tries":1,"ttl":64,"confidence":"high","service":{"name":"ssh","product":"OpenSSH",`+
				`"version":"%d.%dp1","banner":"SSH-2.0-OpenSSH_%[3]d.%[4]dp1","confidence":"high","rule":"ssh"},`+
				`"evidence":["a SYN-ACK after %.3[2]f ms"]}`+"\n", a, float64(i*7919%50000+1)/1000, i%9+1, i%7)
		}
		if what == "watch" {
			at := time.Duration(i*7919%80000) * time.Second
			clock := func(d time.Duration) string { return time.Time{}.Add(d).Format(time.TimeOnly) }
			fmt.Fprintf(b, `{"type":"flow","client":"10.0.%d.%d","client_port":%d,"address":"%s","port":22,"proto":"tcp",`+
				`"state":"open","reason":"syn-ack","first":"%s%sZ","last":"%[5]s%[7]sZ","sent":{"packets":9,"bytes":%[8]d},`+
				`"received":{"packets":9,"bytes":%[9]d}}`+"\n", i%200, i%250, 1024+i%60000, a, day, clock(at),
				clock(at+time.Duration(i%500)*time.Second), i%3000, i%90000)
		}
		if what != "watch" || i%64 == 63 {
			a = a.Next()
		}
	}
	fmt.Fprintf(b, `{"type":"summary","finished":"2026-01-01T00:00:00Z","complete":true,"coverage":[],"summary":{`+
		`"targets":%d,"states":{"open":%[1]d},"duration_ms":1}}`+"\n", endpoints)
	return b.Flush()
}
