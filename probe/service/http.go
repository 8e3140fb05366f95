package service

import (
	"regexp"
	"strings"
	"sync"
)

var title = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?is)<title[^<>]{0,100}>\s*([^<>]{1,200}?)\s*</title`)
})

// readHTTP recognises a response (RFC 9112, section 4) by its status line, the
// software by the Server header (RFC 9110, section 10.2.4), and the page by its
// title.
func readHTTP(a *answer) (facts, bool) {
	if !statusLine(a.text) {
		return facts{}, false
	}
	head, body, _ := cutHead(a.text)
	var f facts
	server := header(head, "Server")
	if token, _, _ := strings.Cut(server, " "); token != "" {
		f.product, f.version, _ = strings.Cut(token, "/")
		if f.version == "" || f.version[0] < '0' || f.version[0] > '9' { // "Jetty(9.4.1)", "Apache Tomcat"
			f.product, f.version = server, ""
		}
	}
	f.product, f.version = bytesOf(f.product), bytesOf(f.version)
	if t := title().FindStringSubmatch(body); t != nil {
		f.info = "title: " + strings.Join(strings.Fields(bytesOf(t[1])), " ")
	}
	return f, true
}

// statusLine reports whether text begins with "HTTP/1.1 200" or the like.
func statusLine(text string) bool {
	return len(text) >= 12 && (strings.HasPrefix(text, "HTTP/1.0 ") || strings.HasPrefix(text, "HTTP/1.1 ")) &&
		text[9] >= '1' && text[9] <= '5' && digit(text[10]) && digit(text[11])
}

// cutHead parts a response at its empty line.
func cutHead(text string) (head, body string, ok bool) {
	if head, body, ok = strings.Cut(text, "\r\n\r\n"); ok {
		return head, body, true
	}
	return strings.Cut(text, "\n\n")
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// header is the value of a header field, empty if it is not there.
func header(head, name string) string {
	for line := range strings.SplitSeq(head, "\n") {
		k, v, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(k, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
