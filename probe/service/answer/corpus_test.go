package answer

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"onmux/probe/nettest/race"
	"onmux/probe/request"
)

// captured is what a real server answered to a request, and what must be recognised
// in it.
type captured struct {
	server, request, rule, service, product, version string
	reply                                            string
}

// corpus is testdata/answers.txt: what the servers that testdata/servers.sh
// starts answered to every request, of their own protocol and of all others.
func corpus(t testing.TB) []captured {
	b, err := os.ReadFile("testdata/answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []captured
	for n, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.SplitN(line, "\t", 7)
		if len(f) != 7 {
			t.Fatalf("answers.txt:%d: %d columns", n+1, len(f))
		}
		reply, err := strconv.Unquote(f[6])
		if err != nil {
			t.Fatalf("answers.txt:%d: %v", n+1, err)
		}
		all = append(all, captured{f[0], f[1], f[2], f[3], f[4], f[5], reply})
	}
	return all
}

// opening are the requests that open every identification.
func opening() []*request.Request {
	return []*request.Request{{Name: Waiting}, {Name: ClientHello}, &request.HTTP}
}

// message is what the request of that name sends.
func message(name string) []byte {
	for _, q := range slices.Concat([]*request.Request{&request.HTTP}, request.TCP(), request.UDP()) {
		if q.Name == name {
			return q.Bytes("")
		}
	}
	return nil
}

// Every answer of a real server is recognised as what it is, or as something weaker that
// is not false; never as another's.
func TestCorpus(t *testing.T) {
	for _, c := range corpus(t) {
		check(t, c)
	}
}

func check(t *testing.T, c captured) {
	t.Helper()
	m, _ := Recognise(New(c.request, message(c.request), []byte(c.reply)))
	rule, service := "", "unknown"
	if m.Rule != nil {
		rule, service = m.Rule.Name, m.Service
	}
	if rule != c.rule || service != c.service || m.Facts.Product != c.product || m.Facts.Version != c.version {
		t.Errorf("%s answers %s with %.60q: %s (%s), %q %q; want %s (%s), %q %q", c.server, c.request, c.reply,
			service, rule, m.Facts.Product, m.Facts.Version, c.service, c.rule, c.product, c.version)
	}
}

// An answer does not become another's because another request drew it.
func TestCrossTalk(t *testing.T) {
	t.Parallel()
	names := []string{Waiting, ClientHello, request.HTTP.Name}
	for _, q := range slices.Concat(request.TCP(), request.UDP()) {
		names = append(names, q.Name)
	}
	for k, c := range corpus(t) {
		if c.service == "unknown" {
			continue
		}
		t.Run(c.server+" "+c.request, func(t *testing.T) {
			t.Parallel()
			for i := k % race.Nth; i < len(names); i += race.Nth {
				name := names[i]
				a := New(name, message(name), []byte(c.reply))
				if a.Mirrored() { // it would be an echo then
					continue
				}
				m, _ := Recognise(a)
				if m.Rule != nil && m.rank > weak && m.Service != c.service {
					t.Errorf("%.60q is recognised as %s by rule %s, in answer to %s", c.reply, m.Service, m.Rule.Name, name)
				}
			}
		})
	}
}

// Noise has no name.
func TestNoise(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(417, 1994))
	var names []string
	for _, q := range slices.Concat(opening(), request.TCP(), request.UDP()) {
		names = append(names, q.Name)
	}
	for n := range 3000 / race.Nth {
		b := make([]byte, 1+r.IntN(64))
		for i := range b {
			switch n % 3 {
			case 0:
				b[i] = byte(r.Uint32())
			case 1: // text
				b[i] = ' ' + byte(r.IntN(95))
			case 2: // small numbers, as binary protocols have them
				b[i] = byte(r.IntN(6))
			}
		}
		name := names[r.IntN(len(names))]
		if m, _ := Recognise(New(name, message(name), b)); m.Rule != nil && m.rank > weak {
			t.Errorf("%q in answer to %s is recognised as %s by rule %s", b, name, m.Service, m.Rule.Name)
		}
	}
}

func BenchmarkRecognise(b *testing.B) {
	page := "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Type: text/html\r\n\r\n<title>Hello</title>" +
		strings.Repeat("<p>All work and no play makes a dull page</p>\n", 1000)
	noise := make([]byte, MaxSize)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(noise); i++ {
		noise[i] = byte(r.Uint32())
	}
	for name, reply := range map[string]string{
		"ssh": "SSH-2.0-OpenSSH_9.2p1 " +
			"Debian-2+deb12u10\r\n", "page of 16 KiB": page[:MaxSize], "noise of 16 KiB": string(noise),
		"newlines": strings.Repeat("\n", MaxSize),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Recognise(New("wait", nil, []byte(reply)))
			}
		})
	}
}
