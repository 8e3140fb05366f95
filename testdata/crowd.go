//go:build ignore

// Crowd fills the network and pid namespace it runs in with processes that hold
// sockets, and times commands in it. testdata/crowd.sh makes the namespaces.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Each process holds this many sockets.
const each = 10

func main() {
	log.SetFlags(0)
	sockets := flag.Int("sockets", 50000, "how many `sockets` there are, ten a process")
	few := flag.Int("few", 1000, "how many there are when memory is measured first")
	listen := flag.Int("listen", 10, "how many of ten sockets `listen`; the others are ends of connections")
	runs := flag.Int("runs", 7, "how often each command is timed")
	onmux := flag.String("onmux", "./onmux", "the onmux binary")
	rss := flag.Bool("rss", false, "run the arguments as a command and print how much memory it took")
	flag.Parse()
	if *rss {
		fmt.Println(memory(flag.Args()))
		return
	}
	if *listen < 2 || *listen > each || *listen%2 != 0 {
		log.Fatal("-listen is 2, 4, 6, 8 or 10")
	}
	if err := run(*sockets, *few, *listen, *runs, *onmux); err != nil {
		log.Fatal("crowd: ", err)
	}
}

func run(sockets, few, listen, runs int, onmux string) error {
	c, err := newCrowd(listen)
	if err != nil {
		return err
	}
	defer c.end()
	holder, err := c.hold("127.0.0.1:417")
	if err != nil {
		return err
	}
	jobs := jobs(onmux)
	for _, n := range []int{few, sockets} {
		for len(c.held)*each < n {
			if err := c.grow(); err != nil {
				return err
			}
		}
		rows, err := measure(jobs, runs, fmt.Sprint(holder))
		if err != nil {
			return err
		}
		fmt.Printf("\n%d sockets (%d of ten listen), %d processes, medians of %d runs\n\n", n, listen, len(c.held), runs)
		printRows(rows)
	}
	return nil
}

// crowd is processes that hold sockets and end with their input.
type crowd struct {
	listen int
	null   *os.File
	in     *os.File // what they read
	alive  *os.File // its other end
	held   []*os.Process
	cat    string
	next   int // port number of a listener
}

func newCrowd(listen int) (*crowd, error) {
	cat, err1 := exec.LookPath("cat")
	null, err2 := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	in, alive, err3 := os.Pipe()
	return &crowd{listen: listen, null: null, in: in, alive: alive, cat: cat}, errors.Join(err1, err2, err3)
}

// grow starts one more process.
func (c *crowd) grow() error {
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	var first string
	for range c.listen {
		// Ports below the range from which connections leave, on many addresses.
		addr := fmt.Sprintf("127.1.%d.1:%d", c.next/30000, 1024+c.next%30000)
		c.next++
		l, err := net.Listen("tcp4", addr)
		if err != nil {
			return err
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			return err
		}
		files = append(files, f)
		if first == "" {
			first = addr
			for range (each - c.listen) / 2 {
				ends, err := pair(l)
				files = append(files, ends...)
				if err != nil {
					return err
				}
			}
		}
	}
	_, err := c.start(files)
	return err
}

// pair is both ends of a connection.
func pair(l net.Listener) ([]*os.File, error) {
	near, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		return nil, err
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		return nil, err
	}
	defer far.Close()
	a, err1 := near.(*net.TCPConn).File()
	b, err2 := far.(*net.TCPConn).File()
	return []*os.File{a, b}, errors.Join(err1, err2)
}

func (c *crowd) start(files []*os.File) (int, error) {
	attr := &os.ProcAttr{Files: append([]*os.File{c.in, c.null, c.null}, files...)}
	p, err := os.StartProcess(c.cat, []string{"cat"}, attr)
	if err != nil {
		return 0, err
	}
	c.held = append(c.held, p)
	return p.Pid, nil
}

// hold starts the process that everybody looks for.
func (c *crowd) hold(addr string) (int, error) {
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return c.start([]*os.File{f})
}

func (c *crowd) end() {
	c.alive.Close()
	for _, p := range c.held {
		p.Wait()
	}
}

// job is a command that finds what listens on 417/tcp, and what its output has
// if it did.
type job struct {
	args []string
	has  []string // "PID" stands for the holder's
}

func jobs(onmux string) []job {
	all := []job{
		{[]string{onmux, "--version"}, []string{"onmux"}},
		{[]string{onmux, "check", "417/tcp", "-q"}, []string{"417/tcp listening"}},
		{[]string{onmux, "check", "417", "-q"}, []string{"417/tcp listening", "417/udp free"}},
		{[]string{onmux, "check", "417/tcp"}, []string{"cat (pid PID"}},
		{[]string{onmux, "check", "--all-ports", "--proto", "tcp", "-q"}, []string{"417/tcp listening"}},
		{[]string{"ss", "-lnt"}, []string{":417 "}},
		{[]string{"ss", "-lnt", "sport = :417"}, []string{":417 "}},
		{[]string{"ss", "-lntp"}, []string{":417 ", "pid=PID,"}},
		{[]string{"ss", "-lntp", "sport = :417"}, []string{":417 ", "pid=PID,"}},
		{[]string{"lsof", "-nP", "-i", ":417"}, []string{"PID"}},
		{[]string{"fuser", "417/tcp"}, []string{"PID"}},
		{[]string{"netstat", "-lntp"}, []string{":417 ", "PID/cat"}},
	}
	return slices.DeleteFunc(all, func(j job) bool {
		_, err := exec.LookPath(j.args[0])
		if err != nil {
			fmt.Println("not installed:", j.args[0])
		}
		return err != nil
	})
}

type row struct {
	name  string
	times []time.Duration
	cpu   []time.Duration // user's and system's, which other load disturbs less
	rss   string          // KiB
}

func median(sorted []time.Duration) time.Duration { return sorted[len(sorted)/2] }

// measure runs the commands in turns, so that what else the machine does meets
// them all, after each has shown that it finds what it looks for.
func measure(jobs []job, runs int, holder string) ([]row, error) {
	rows := make([]row, len(jobs))
	for i, j := range jobs {
		rows[i].name = strings.Join(j.args, " ")
		if slash := strings.LastIndexByte(j.args[0], '/'); slash >= 0 {
			rows[i].name = strings.Join(append([]string{j.args[0][slash+1:]}, j.args[1:]...), " ")
		}
		out, _ := exec.Command(j.args[0], j.args[1:]...).CombinedOutput()
		for _, want := range j.has {
			if want = strings.ReplaceAll(want, "PID", holder); !strings.Contains(string(out), want) {
				return nil, fmt.Errorf("%s: %q is not in %.500q", rows[i].name, want, out)
			}
		}
	}
	for range runs {
		for i, j := range jobs {
			cmd := exec.Command(j.args[0], j.args[1:]...)
			began := time.Now()
			err := cmd.Run()
			rows[i].times = append(rows[i].times, time.Since(began))
			if cmd.ProcessState == nil {
				return nil, err
			}
			rows[i].cpu = append(rows[i].cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		}
	}
	for i, j := range jobs {
		slices.Sort(rows[i].times)
		slices.Sort(rows[i].cpu)
		// A process is assumed to have had what its parent had when it forked: a
		// parent that has nothing.
		out, err := exec.Command("/proc/self/exe", append([]string{"-rss"}, j.args...)...).Output()
		if err != nil {
			return nil, err
		}
		rows[i].rss = strings.TrimSpace(string(out))
	}
	return rows, nil
}

// memory is the most that a command had, in KiB.
func memory(args []string) int64 {
	cmd := exec.Command(args[0], args[1:]...)
	_ = cmd.Run()
	return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
}

func printRows(rows []row) {
	base := make(map[string]time.Duration)
	for _, r := range rows {
		base[r.name] = median(r.times)
	}
	fmt.Printf("%-42s %9s %9s %9s %9s %9s %10s\n", "", "median ms", "least", "most", "/ ss -lnt", "CPU ms", "max RSS KB")
	for _, r := range rows {
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		fmt.Printf("%-42s %9.1f %9.1f %9.1f %9.2f %9.1f %10s\n",
			r.name, ms(median(r.times)), ms(r.times[0]), ms(r.times[len(r.times)-1]),
			float64(median(r.times))/float64(base["ss -lnt"]), ms(median(r.cpu)), r.rss)
	}
}
