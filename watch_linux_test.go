package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan/wire"
)

// TestWatchAgrees: what is seen of a scan while it goes on has that scan's verdicts, and so has
// the capture that is kept of it. tshark counts the same packets and bytes of each flow.
func TestWatchAgrees(t *testing.T) {
	t.Parallel()
	nettest.Need(t)
	if !nettest.IsAlone() {
		t.Skip("this takes a network namespace of its own")
	}
	const port = "4471"
	greetOn(t, "127.0.0.1:"+port)
	echoOn(t, "127.0.0.2:"+port)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	watch := exec.Command("onmux", "watch", port, "--interface", "lo", "--write", at("kept.pcapng"),
		"-o", "jsonl="+at("live.jsonl"))
	stderr, err := watch.StderrPipe()
	if err := errors.Join(err, watch.Start()); err != nil {
		t.Fatal(err)
	}
	messages := bufio.NewReader(stderr)
	if line, err := messages.ReadString('\n'); err != nil || !strings.Contains(line, "watching lo") {
		_ = watch.Process.Kill()
		t.Fatalf("%q, %v", line, err)
	}
	for range 3 {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		_, err = bufio.NewReader(c).ReadString('\n')
		if err := errors.Join(err, c.Close()); err != nil {
			t.Fatal(err)
		}
	}
	runWatch(t, "scan", "127.0.0.1-127.0.0.9", "-p", port, "-o", "jsonl="+at("scan.jsonl"))
	_ = watch.Process.Signal(os.Interrupt)
	rest, _ := io.ReadAll(messages)
	if err := watch.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, rest)
	}
	runWatch(t, "watch", port, at("kept.pcapng"), "-o", "jsonl="+at("kept.jsonl"))
	runWatch(t, "diff", at("scan.jsonl"), at("live.jsonl"), "--strict")
	runWatch(t, "diff", at("live.jsonl"), at("kept.jsonl"), "--strict")
	live, kept := flowsOf(t, at("live.jsonl")), flowsOf(t, at("kept.jsonl"))
	compareFlows(t, "the kept capture", live, kept)
	if len(live) < 3+9+9 {
		t.Errorf("%d flows", len(live))
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Log("not compared with tshark: ", err)
		return
	}
	compareFlows(t, "tshark", kept, flowsOfTshark(t, at("kept.pcapng")))
}

// runWatch runs onmux, which must succeed.
func runWatch(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("onmux", args...).CombinedOutput(); err != nil {
		t.Fatalf("onmux %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// greetOn accepts connections, greets, and waits for the other side to close.
func greetOn(t *testing.T, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2p1\r\n")
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
}

// echoOn sends datagrams back.
func echoOn(t *testing.T, address string) {
	t.Helper()
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(append([]byte("answer "), b[:n]...), from)
		}
	}()
}

// counts are packets and bytes of data of a flow: sent, received.
type counts [4]uint64

// flowsOf are the flows of a report, by protocol, client and endpoint.
func flowsOf(t *testing.T, name string) map[string]counts {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := make(map[string]counts)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r wire.Flow
		if !strings.HasPrefix(lines.Text(), `{"type":"flow",`) {
			continue
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Event == "" {
			key := fmt.Sprintf("%s %s:%d %s:%d", r.Proto, r.Client, r.ClientPort, r.Addr, r.Port)
			all[key] = counts{r.Sent.Packets, r.Sent.Bytes, r.Received.Packets, r.Received.Bytes}
		}
	}
	return all
}

// flowsOfTshark are those that tshark finds: the client is who sends first.
func flowsOfTshark(t *testing.T, name string) map[string]counts {
	t.Helper()
	out, err := exec.Command("tshark", "-r", name, "-Y", "(tcp or udp) and not icmp", "-T", "fields", "-e", "ip.src", "-e",
		"ip.dst", "-e", "tcp.srcport", "-e", "tcp.dstport", "-e", "udp.srcport", "-e", "udp.dstport", "-e", "tcp.len", "-e",
		"udp.length").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]counts)
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		proto, from, to, size := probe.TCP, f[0]+":"+f[2], f[1]+":"+f[3], f[6]
		header := uint64(0)
		if f[2] == "" {
			proto, from, to, size, header = probe.UDP, f[0]+":"+f[4], f[1]+":"+f[5], f[7], 8
		}
		n, err := strconv.ParseUint(size, 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		key, at := fmt.Sprintf("%s %s %s", proto, from, to), 0
		if back := fmt.Sprintf("%s %s %s", proto, to, from); all[back] != (counts{}) {
			key, at = back, 2
		}
		c := all[key]
		c[at]++
		c[at+1] += n - header
		all[key] = c
	}
	return all
}

func compareFlows(t *testing.T, what string, ours, others map[string]counts) {
	t.Helper()
	for key, c := range ours {
		if others[key] != c {
			t.Errorf("%s: %v, %s has %v", key, c, what, others[key])
		}
	}
	if len(ours) != len(others) {
		t.Errorf("%d flows, %s has %d", len(ours), what, len(others))
	}
}
