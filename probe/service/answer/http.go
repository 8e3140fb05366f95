package answer

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"onmux/probe"
)

// readHTTP recognises a response (RFC 9112, section 4) by its status line, the
// software by the Server header (RFC 9110, section 10.2.4), and the page by its
// title. A response that states that the peer does not speak HTTP is none.
func readHTTP(a *Answer) (Facts, bool) {
	if !statusLine(a.Text) {
		return Facts{}, false
	}
	head, body, _ := pageParts(a.Text)
	if refusesHTTP(head, body) {
		return Facts{}, false
	}
	return pageFacts(a, head, body), true
}

// pageFacts is what a page shows: its software, what is in front of that, its title.
func pageFacts(a *Answer, head, body string) Facts {
	software := parseServer(bytesOf(Header(head, "Server")))
	page := pageOf(a, head, body)
	f := Facts{Product: software.Product, Version: software.Version, HTTP: page}
	if page.Title != "" {
		f.Info = "title: " + page.Title
	}
	if f.Product == "" {
		f.Product, f.Version = versionHeader(head)
		f.doubtful = f.Product != ""
	}
	// An error is no proof of serving pages, nor is a line without any field.
	f.doubtful = f.doubtful || f.Version == "" && page.Status >= 400 || !strings.Contains(head, "\n")
	front, seen := frontOf(head, software)
	if seen {
		f.Front = front
		if f.Product != "" && !strings.EqualFold(f.Product, front.Product) {
			f.Backend = &probe.Software{Product: Printable(f.Product, NameSize), Version: Printable(f.Version, NameSize)}
		}
		f.Product, f.Version = front.Product, front.Version
	}
	return f
}

// pageOf is a response in the form in which reports have it.
func pageOf(a *Answer, head, body string) *probe.HTTP {
	page := &probe.HTTP{Version: a.Text[5:8], Location: Printable(bytesOf(Header(head, "Location")), infoSize)}
	page.Status, _ = strconv.Atoi(a.Text[9:12])
	page.Title = Printable(titleOf(head, body), infoSize)
	if _, fields, ok := bytes.Cut(a.Sent, []byte("\r\n")); ok && bytes.HasPrefix(a.Sent, []byte("GET ")) {
		page.Host = Printable(Header(string(fields), "Host"), infoSize)
	}
	return page
}

var notHTTP = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\bnot an? (?:\w+ )?HTTPS? (?:proxy|server|port|service)\b|\bdoes not speak HTTP\b|` +
		`\b(?:this is|speak) (?:IRC|SMTP|SSH|FTP|Redis)\b`)
})

// refusesHTTP reports whether an error states that the peer speaks something else.
func refusesHTTP(head, body string) bool {
	return head[9] >= '4' && (notHTTP().MatchString(head) || notHTTP().MatchString(body[:min(len(body), 600)]))
}

var (
	upnpServer = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\bUPnP/[\d.]+,? ([^/]{1,40})/(\d[\w.+~:-]*)`)
	})
	namedServer = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^([A-Za-z][^/()]{0,60}?)(?:/v?| v?|\()(\d[\w.+~:-]*)`)
	})
)

// parseServer parts a Server field: "nginx/1.22.1", "Icecast 2.4.4", "Jetty(9.4.1)", "Debian
// Apt-Cacher NG/3.7.4", and as UPnP Device Architecture 1.0, section 1.2.3, has it, system and
// UPnP/1.0 before the product.
func parseServer(server string) probe.Software {
	for _, re := range []*regexp.Regexp{upnpServer(), namedServer()} {
		if m := re.FindStringSubmatch(server); m != nil {
			return probe.Software{Product: m[1], Version: m[2]}
		}
	}
	return probe.Software{Product: server}
}

var ownVersion = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?im)^X-([A-Za-z]{3,20})-Version: ?v?(\d[\w.+~-]*)\r?$`)
})

// versionHeader is the software that names itself in a field such as X-Influxdb-Version.
// Those of languages, frameworks and interfaces do not name the server.
func versionHeader(head string) (product, version string) {
	for _, m := range ownVersion().FindAllStringSubmatch(head, 4) {
		switch strings.ToLower(m[1]) {
		case "api", "app", "build", "aspnet", "aspnetmvc", "php", "schema", "protocol", "client", "server", "openam":
			continue
		}
		return m[1], m[2]
	}
	return "", ""
}

// statusLine reports whether text begins with "HTTP/1.1 200" or the like.
func statusLine(text string) bool {
	return len(text) >= 12 && (strings.HasPrefix(text, "HTTP/1.0 ") || strings.HasPrefix(text, "HTTP/1.1 ")) &&
		text[9] >= '1' && text[9] <= '5' && digit(text[10]) && digit(text[11])
}

// pageParts is the header of a response, and its body without codings.
func pageParts(text string) (head, body string, ok bool) {
	head, body, ok = CutHead(text)
	return head, decodedBody(head, body), ok
}

// CutHead parts a response at its empty line.
func CutHead(text string) (head, body string, ok bool) {
	if head, body, ok = strings.Cut(text, "\r\n\r\n"); ok {
		return head, body, true
	}
	return strings.Cut(text, "\n\n")
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// Header is the value of a header field, empty if it is not there.
func Header(head, name string) string {
	for line := range strings.SplitSeq(head, "\n") {
		k, v, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(k, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
