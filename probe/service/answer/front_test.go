package answer

import (
	"testing"

	"onmux/probe"
)

// A proxy, cache or pooler that names itself is in front, and what Server names is behind it.
func TestFronts(t *testing.T) {
	t.Parallel()
	page := func(fields string) string { return "HTTP/1.1 200 OK\r\n" + fields + "\r\n" }
	for _, tt := range []struct {
		reply, product, front, backend string // with versions
	}{
		{page("Server: nginx/1.22.1\r\n"), "nginx 1.22.1", "", ""},
		{page("Server: nginx/1.22.1\r\nX-Varnish: 2\r\nVia: 1.1 varnish (Varnish/7.1)\r\n"), "Varnish 7.1", "Varnish 7.1",
			"nginx 1.22.1"},
		{page("Server: nginx\r\nX-Varnish: 2\r\n"), "Varnish ", "Varnish ", "nginx "},
		{page("Server: nginx/1.22.1\r\nVia: 1.1 vm (squid/5.7)\r\n"), "Squid 5.7", "Squid 5.7", "nginx 1.22.1"},
		{page("Server: nginx/1.22.1\r\nVia: 1.1 a (squid/5.7), 1.1 b (Varnish/7.1)\r\n"), "Varnish 7.1", "Varnish 7.1",
			"nginx 1.22.1"},
		{page("Server: nginx/1.22.1\r\nVia: 1.1 gate.invalid\r\n"), "nginx 1.22.1", "", ""},
		{page("Server: Varnish\r\nX-Varnish: 2\r\n"), "Varnish ", "Varnish ", ""},
		{page("Server: nghttpx\r\n"), "nghttpx ", "nghttpx ", ""},
		{page("Server: cloudflare\r\nCF-RAY: 1-FRA\r\n"), "Cloudflare ", "Cloudflare ", ""},
		{page("Server: Apache/2.4.57\r\nVia: kong/3.4.0\r\nX-Kong-Proxy-Latency: 1\r\n"), "Kong ", "Kong ", "Apache 2.4.57"},
		{page("X-Varnish: 2\r\n"), "Varnish ", "Varnish ", ""},
		{"E\x00\x00\x00\x3dSFATAL\x00C08P01\x00Mclient sent partial pkt in startup phase\x00\x00", "PgBouncer ", "PgBouncer ",
			""},
	} {
		s := identify("http", []byte(tt.reply))
		text := func(s *probe.Software) string {
			if s == nil {
				return ""
			}
			return s.Product + " " + s.Version
		}
		if got := s.Product + " " + s.Version; got != tt.product || text(s.Front) != tt.front ||
			text(s.Backend) != tt.backend {
			t.Errorf(
				"%q: %q, front %q, backend %q; want %q, %q, %q",
				tt.reply,
				got,
				text(s.Front),
				text(s.Backend),
				tt.product,
				tt.front,
				tt.backend,
			)
		}
	}
}

// An answer that means only that a request was wrong, or may come from a server behind, is not certain.
func TestDoubtful(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]probe.Confidence{
		"HTTP/1.1 400 Bad Request\r\n\r\n":                       probe.Medium,
		"HTTP/1.0 502 Bad Gateway\r\n\r\n":                       probe.Medium,
		"HTTP/1.1 404 Not Found\r\n\r\n":                         probe.Medium,
		"HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22\r\n\r\n": probe.High,
		"-ERR unknown command 'GET'\r\n":                         probe.Medium,
		"UNKNOWN_COMMAND\r\n":                                    probe.Medium,
		"ERROR\r\n":                                              probe.Medium,
	} {
		if s := identify("http", []byte(reply)); s.Confidence != want {
			t.Errorf("%q: %s, want %s", reply, s.Confidence, want)
		}
	}
}
