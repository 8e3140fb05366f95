package answer

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"html"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// maxBody is how much of a compressed body is decoded, in bytes.
const maxBody = 64 << 10

// decodedBody is a body without its transfer and content coding (RFC 9112, section 7.1; RFC 9110, section 8.4), as
// Latin-1; what is missing or broken at its end is left out.
func decodedBody(head, body string) string {
	chunked := strings.EqualFold(Header(head, "Transfer-Encoding"), "chunked")
	coding := strings.ToLower(Header(head, "Content-Encoding"))
	if !chunked && coding == "" {
		return body
	}
	b := []byte(bytesOf(body))
	if chunked {
		b = dechunked(b)
	}
	var r io.Reader
	var err error
	switch coding {
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(bytes.NewReader(b))
	case "deflate":
		if r, err = zlib.NewReader(bytes.NewReader(b)); err != nil { // many servers send it without zlib's header
			r, err = flate.NewReader(bytes.NewReader(b)), nil
		}
	default:
		return Latin1(b)
	}
	if err != nil {
		return ""
	}
	b, _ = io.ReadAll(io.LimitReader(r, maxBody)) // what there is, of an answer that was cut
	return Latin1(b)
}

// dechunked is the data of chunks, as far as they go.
func dechunked(b []byte) (data []byte) {
	for {
		line, rest, ok := bytes.Cut(b, []byte("\r\n"))
		size, _, _ := strings.Cut(string(line), ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 31)
		if !ok || err != nil || n == 0 {
			return data
		}
		data = append(data, rest[:min(n, uint64(len(rest)))]...)
		if uint64(len(rest)) < n+2 {
			return data
		}
		b = rest[n+2:]
	}
}

var (
	title = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?is)<title[^<>]{0,100}>\s*([^<>]{1,200}?)\s*</title`)
	})
	metaCharset = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)<meta[^<>]{0,100}\bcharset=["']?([\w.:-]{1,30})`)
	})
	typeCharset = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\bcharset=["']?([\w.:-]{1,30})`)
	})
)

// titleOf is the title of a page, empty if it has none.
func titleOf(head, body string) string {
	t := title().FindStringSubmatch(body)
	if t == nil {
		return ""
	}
	charset := ""
	if m := typeCharset().FindStringSubmatch(Header(head, "Content-Type")); m != nil {
		charset = m[1]
	} else if m := metaCharset().FindStringSubmatch(body[:min(len(body), 4<<10)]); m != nil {
		charset = m[1]
	}
	return strings.Join(strings.Fields(html.UnescapeString(inUTF8(bytesOf(t[1]), charset))), " ")
}

// inUTF8 is text of a character set with one byte a character, of Windows-1252 where none is named (WHATWG Encoding,
// section 4.2); text of any other is left as it is.
func inUTF8(text, charset string) string {
	if utf8.ValidString(text) {
		return text
	}
	charset = bare(charset)
	if charset == "" || charset == "latin1" || charset == "iso88591" || charset == "usascii" {
		charset = bare(charmap.Windows1252.String())
	}
	for _, e := range charmap.All {
		c, ok := e.(*charmap.Charmap)
		if ok && bare(c.String()) == charset {
			if s, err := c.NewDecoder().String(text); err == nil {
				return s
			}
		}
	}
	return text
}

// bare is a name without case and separators.
func bare(name string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "", "cp", "windows").Replace(strings.ToLower(name))
}
