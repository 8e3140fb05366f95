package answer

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"testing"
)

// A title is read through codings and in the character set of the page.
func TestTitles(t *testing.T) {
	const page = "<html><head><title>Caf\u00e9 &amp; Bar</title></head></html>"
	const want = "Caf\u00e9 & Bar"
	var gzipped, deflated bytes.Buffer
	z := gzip.NewWriter(&gzipped)
	z.Write([]byte(page))
	z.Close()
	d := zlib.NewWriter(&deflated)
	d.Write([]byte(page))
	d.Close()
	chunks := func(b string, size int) (s string) {
		for ; len(b) > size; b = b[size:] {
			s += fmt.Sprintf("%x;x=y\r\n%s\r\n", size, b[:size])
		}
		return s + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(b), b)
	}
	for name, tt := range map[string]struct{ head, body, want string }{
		"plain":            {"", page, want},
		"chunked":          {"Transfer-Encoding: chunked\r\n", chunks(page, 7), want},
		"cut chunk":        {"Transfer-Encoding: chunked\r\n", "fff\r\n" + page, want},
		"gzip":             {"Content-Encoding: gzip\r\n", gzipped.String(), want},
		"cut gzip":         {"Content-Encoding: gzip\r\n", gzipped.String()[:gzipped.Len()-6], want},
		"deflate":          {"Content-Encoding: deflate\r\n", deflated.String(), want},
		"gzip in chunks":   {"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", chunks(gzipped.String(), 9), want},
		"neither":          {"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", page, ""},
		"Latin-1":          {"Content-Type: text/html; charset=ISO-8859-1\r\n", "<title>Caf\xe9 &amp; Bar</title>", want},
		"no set":           {"", "<title>Caf\xe9 &amp; Bar</title>", want},
		"in meta":          {"", `<meta charset="windows-1251"><title>` + "\xcf\xf0\xe8</title>", "При"},
		"KOI8-R":           {"Content-Type: text/html; charset=koi8-r\r\n", "<title>\xf0\xd2\xc9</title>", "При"},
		"unknown set":      {"Content-Type: text/html; charset=x-y\r\n", "<title>\xf0\xd2</title>", `\xf0\xd2`},
		"controls":         {"", "<title>a&#27;[31mb&#x202e;c</title>", `a\x1b[31mb\xe2\x80\xaec`},
		"open entity":      {"", "<title>a &lt b</title>", "a < b"},
		"no title":         {"Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", ""},
		"too large a size": {"Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n" + page, ""},
	} {
		m, _ := Recognise(New("http", nil, []byte("HTTP/1.1 200 OK\r\n"+tt.head+"\r\n"+tt.body)))
		if m.Rule == nil || m.HTTP == nil || m.HTTP.Title != tt.want {
			t.Errorf("%s: %+v, want %q", name, m.HTTP, tt.want)
		}
	}
}
