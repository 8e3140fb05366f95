package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe/nettest"
	"onmux/report/exitcode"
	"onmux/report/schematest"
)

var pin = flag.String("documents", "", "write testdata/documents anew with this onmux `binary`")

const savedDocuments = "testdata/documents"

// documentRuns are the commands whose documents testdata/documents keeps as the first
// release of onmux/1 wrote them, in the order in which they need each other's files.
// $TARGET4 is behind three routers, of which the second drops 421 and forbids 422.
// Those of the first stage run while nothing listens.
var documentRuns = [][]struct{ name, args string }{{
	{"scan-before", "scan 127.0.0.0/27 -p 4601/tcp --seed 1"},
	{"check-before", "check 4601 4602"},
}, {
	{"scan-after", "scan 127.0.0.0/27 -p 4601/tcp --seed 1"},
	{"check-after", "check 4601 4602"},
	{"check", "check 4601-4608 417 --trace"},
	{"check-violations", "check 4601/tcp --process nobody --addr any --max-backlog 5"},
	{"check-timeout", "check 4601/tcp --timeout 1ns"},
	{"probe", "probe localhost 127.0.0.1 ::1 -p 4601,4602,4603 --timeout 300ms --verify-open"},
	{"probe-attempts", "probe $TARGET4:417 -c 3 --interval 10ms"},
	{"probe-path", "probe $TARGET4 $TARGET6 -p 417,418,421,422 --path --timeout 300ms"},
	{"probe-violations", "probe 127.0.0.1 -p 4601 --expect open --expect open=5"},
	{"probe-unknown", "probe 192.0.2.1 nobody.invalid -p 417"},
	{"scan", "scan 127.0.0.0/27 192.0.2.0/30 -p 4601,4602 --seed 1 --retries 1 --timeout 300ms"},
	{"scan-path", "scan $TARGET4 -p 417-422 --seed 1 --retries 1 --timeout 300ms"},
	{"scan-all", "scan 127.0.0.0/30 -p 4601 --all -v --seed 1"},
	{"scan-identify", "scan 127.0.0.1 $TARGET4 -p 4601,4602,417/tcp --identify --verify-open" +
		" --seed 1 --retries 1 --timeout 300ms"},
	{
		"scan-connect",
		"scan 127.0.0.0/28 -p 4601 --method connect --seed 1 --expect closed --retries 1 --timeout 300ms",
	},
	{"scan-shard1", "scan 127.0.0.0/27 -p 4601/tcp --seed 1 --shard 1/2"},
	{"scan-shard2", "scan 127.0.0.0/27 -p 4601/tcp --seed 1 --shard 2/2"},
	{"explain", "explain 417 http 53/udp 1-3 49152"},
	{"verify", "verify policy.yaml"},
	{"watch", "watch ports.pcap -v"},
}, {
	{"diff-scan", "diff scan-before.jsonl scan-after.jsonl"},
	{"diff-check", "diff check-before.jsonl check-after.jsonl"},
	{"merge", "merge scan-shard1.jsonl scan-shard2.jsonl"},
	{"merge-incomplete", "merge scan-shard1.json"},
}, {
	{"check-all-ports", "check --all-ports"},
}}

const documentPolicy = `check:
  - name: held by another
    port: 4601/tcp
    process: nobody
  - port: 4604
    expect: free
probe:
  - name: the server
    endpoint: 127.0.0.1:4601/tcp
    service: ssh
  - name: the other server
    endpoint: 127.0.0.1:4602/tcp
    service: ssh
scan:
  - name: the network
    targets: 127.0.0.0/28
    port: 4601/tcp
    expect: closed
`

// documents runs all commands with a binary, and returns the folder of what they wrote:
// NAME.json and NAME.jsonl.
func documents(t *testing.T, onmux string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(documentPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	capture, err := os.ReadFile("testdata/captures/ports.pcap")
	if err := errors.Join(err, os.WriteFile(filepath.Join(dir, "ports.pcap"), capture, 0o600)); err != nil {
		t.Fatal(err)
	}
	var chain *nettest.Chain
	run := func(name, args string) {
		if chain != nil {
			targets := strings.NewReplacer("$TARGET4", chain.Hops4[3].String(), "$TARGET6", chain.Hops6[3].String())
			args = targets.Replace(args)
		}
		cmd := exec.Command(
			onmux,
			append(strings.Fields(args), "-o", "json="+name+".json", "-o", "jsonl="+name+".jsonl")...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() == exitcode.Usage ||
			cmd.ProcessState == nil {
			t.Errorf("%s: %v\n%s", args, err, out)
		}
	}
	for stage, runs := range documentRuns {
		if stage == 1 {
			chain = documentNetwork(t)
		}
		var all sync.WaitGroup
		for _, r := range runs {
			all.Go(func() { run(r.name, r.args) })
		}
		all.Wait()
	}
	return dir
}

// documentNetwork starts what the commands ask, on 4601 to 4608 of loopback and behind
// three routers.
func documentNetwork(t *testing.T) *nettest.Chain {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	start := func(args ...string) {
		cmd := exec.Command(args[0], args[1:]...)
		must(cmd.Start())
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	}
	c := nettest.NewChain(t, 4)
	for _, proto := range []string{"tcp", "udp"} {
		c.Hosts[1].Forward(t, "inet", nettest.Rule{Proto: proto, Port: 421, Do: nettest.Drop()})
		c.Hosts[1].Forward(t, "ip", nettest.Rule{Proto: proto, Port: 422, Do: nettest.Unreachable(13)})
		c.Hosts[1].Forward(t, "ip6", nettest.Rule{Proto: proto, Port: 422, Do: nettest.Unreachable(1)})
	}
	must(c.Hosts[3].Do(func() error { return serve("tcp", ":417", "SSH-2.0-OpenSSH_9.2p1\r\n") }))

	start("hold", "tcp", "[::]:4601", `SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n`)
	start("hold", "udp", "127.0.0.1:4601", "pong")
	must(serveTLS(t, "[::]:4602"))
	unread, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4603}) // answers nothing
	must(err)
	t.Cleanup(func() { unread.Close() })
	must(unread.SetReadBuffer(4096))
	for range 64 { // more than its buffer takes: the others are dropped
		_, err := unread.WriteTo(make([]byte, 512), unread.LocalAddr())
		must(err)
	}
	must(exec.Command("redirect", "4604", "4601").Run())
	start("in-netns", "hold", "tcp", "[::]:4605")
	bound, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(err)
	t.Cleanup(func() { unix.Close(bound) })
	must(unix.Bind(bound, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 4606}))
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4607}}
	connected, err := dialer.Dial("tcp", "127.0.0.1:4602")
	must(err)
	must(connected.(*net.TCPConn).SetLinger(0)) // it leaves no TIME_WAIT
	t.Cleanup(func() { connected.Close() })
	for _, args := range [][]string{
		{"check", "4601", "4603/udp", "--expect", "listening"},
		{"check", "4605/tcp", "--expect", "elsewhere"},
		{"probe", c.Hops4[3].String(), c.Hops6[3].String(), "-p", "417/tcp", "--expect", "open", "--no-identify"},
	} {
		must(exec.Command("onmux", append(args, "--wait", "1m")...).Run())
	}
	return c
}

// serveTLS speaks HTTP in TLS, with a certificate that nobody signed.
func serveTLS(t *testing.T, address string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(417), Subject: pkix.Name{CommonName: "onmux.example"},
		DNSNames: []string{"onmux.example"}, NotBefore: time.Now(), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		return err
	}
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	l, err := tls.Listen("tcp", address, &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		return err
	}
	t.Cleanup(func() { l.Close() })
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "nginx/1.22.1")
		io.WriteString(w, "<title>onmux</title>")
	})
	go (&http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: page}).Serve(l)
	return nil
}

// What was written as onmux/1 stays valid, is read to the same document, and has no
// field that is not written any more.
func TestDocuments(t *testing.T) {
	nettest.Need(t)
	if !nettest.IsAlone() {
		t.Skip("other processes of this machine would be seen")
	}
	t.Parallel()
	if *pin != "" {
		saved := documents(t, *pin)
		os.Remove(filepath.Join(saved, "policy.yaml"))
		if err := os.RemoveAll(savedDocuments); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(savedDocuments, os.DirFS(saved)); err != nil {
			t.Fatal(err)
		}
		return
	}
	saved, err := filepath.Glob(savedDocuments + "/*.json*")
	if err != nil || len(saved) == 0 {
		t.Fatal(saved, err)
	}
	old := make(fields)
	for _, file := range saved {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			format := strings.TrimPrefix(filepath.Ext(file), ".")
			if err := schematest.Validate(format, bytes.NewReader(b)); err != nil {
				t.Error(err)
			}
			// What the first release wrote as it was found is written in the order of addresses.
			again, err := exec.Command("onmux", "report", file, "-o", format).Output()
			if !slices.Equal(sortedLines(newField.ReplaceAll(again, nil)), sortedLines(b)) {
				t.Errorf("a replay differs (%v):\n%s\n%s", err, again, b)
			}
			cmd := exec.Command("onmux", "report", "-", "-o", format)
			cmd.Stdin = bytes.NewReader(again)
			if third, err := cmd.Output(); !bytes.Equal(third, again) {
				t.Errorf("a replay of the replay differs (%v):\n%s\n%s", err, third, again)
			}
			old.addDocument(t, b)
		})
	}
	now := make(fields)
	dir := documents(t, "onmux")
	for _, file := range saved {
		b, err := os.ReadFile(filepath.Join(dir, filepath.Base(file)))
		if err != nil {
			t.Fatal(err)
		}
		now.addDocument(t, b)
	}
	t.Logf("%d fields, now %d", len(old), len(now))
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if !now[name] {
			t.Errorf("%s is not written any more", name)
		}
	}
}

// newField is what violations of a json document have had since.
var newField = regexp.MustCompile(`,"after":\d+`)

// sortedLines are the lines of a document without the commas between them, in order.
func sortedLines(document []byte) []string {
	var out []string
	for l := range strings.Lines(string(document)) {
		out = append(out, strings.TrimRight(l, ",\n"))
	}
	slices.Sort(out)
	return out
}

// fields are all that records have, with the type of the value:
// "endpoint.service.name string".
type fields map[string]bool

// addDocument adds the fields of a document, or of each of its lines.
func (f fields) addDocument(t *testing.T, document []byte) {
	t.Helper()
	for d := json.NewDecoder(bytes.NewReader(document)); ; {
		var v any
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		f.add("document", v)
	}
}

// add adds the fields of a value; those of a record go by its type.
func (f fields) add(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if kind, ok := v["type"].(string); ok {
			path = kind
		}
		for key, value := range v {
			f.add(path+"."+key, value)
		}
	case []any:
		for _, value := range v {
			f.add(path+"[]", value)
		}
	default:
		f[fmt.Sprintf("%s %T", path, v)] = true
	}
}
