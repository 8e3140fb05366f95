package answer

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
func readHTTP(a *Answer) (Facts, bool) {
	if !statusLine(a.Text) {
		return Facts{}, false
	}
	head, body, _ := CutHead(a.Text)
	var f Facts
	server := Header(head, "Server")
	if token, _, _ := strings.Cut(server, " "); token != "" {
		f.Product, f.Version, _ = strings.Cut(token, "/")
		if f.Version == "" || f.Version[0] < '0' || f.Version[0] > '9' { // "Jetty(9.4.1)", "Apache Tomcat"
			f.Product, f.Version = server, ""
		}
	}
	f.Product, f.Version = bytesOf(f.Product), bytesOf(f.Version)
	if t := title().FindStringSubmatch(body); t != nil {
		f.Info = "title: " + strings.Join(strings.Fields(bytesOf(t[1])), " ")
	}
	return f, true
}

// statusLine reports whether text begins with "HTTP/1.1 200" or the like.
func statusLine(text string) bool {
	return len(text) >= 12 && (strings.HasPrefix(text, "HTTP/1.0 ") || strings.HasPrefix(text, "HTTP/1.1 ")) &&
		text[9] >= '1' && text[9] <= '5' && digit(text[10]) && digit(text[11])
}

// CutHead parts a response at its empty line.
func CutHead(text string) (head, body string, ok bool) {
	if head, body, ok = strings.Cut(text, "\r\n\r\n"); ok {
		return head, body, true
	}
	return strings.Cut(text, "\n\n")
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// Header is the value of a Header field, empty if it is not there.
func Header(head, name string) string {
	for line := range strings.SplitSeq(head, "\n") {
		k, v, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(k, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
