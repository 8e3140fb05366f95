package phrase

import (
	"strings"
	"testing"
	"time"

	"onmux/probe"
)

// TestService: a service is described by what matters, its name first, and bytes that are
// no text are left to the evidence.
func TestService(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	certificate := func(left time.Duration) *probe.TLS {
		return &probe.TLS{Version: "1.3", Subject: "CN=db1.example.org,O=Example", Expires: at.Add(left)}
	}
	for want, s := range map[string]probe.Service{
		"https | nginx 1.22.1 | title: Hello | TLS 1.3 | CN=db1.example.org (expires in 3 days)": {Name: "http",
			Product: "nginx", Version: "1.22.1", Info: "title: Hello", Banner: "HTTP/1.1 200", TLS: certificate(80 * time.Hour)},
		"http | sends \"HTTP/1.1 404\"": {Name: "http", Banner: "HTTP/1.1 404"},
		"https | nginx 1.22.1 | HTTP 301 \"Moved\" to https://a/ | in front of Apache 2 | TLS 1.2 | a.example (signed " +
			"by itself)": {
			Name: "http", Product: "nginx", Version: "1.22.1", Info: "title: Moved", HTTP: &probe.HTTP{Status: 301,
				Title: "Moved", Location: "https://a/"}, Backend: &probe.Software{Product: "Apache", Version: "2"},
			TLS: &probe.TLS{Version: "1.2", Names: []string{"a.example"}, Problems: []probe.CertProblem{probe.CertSelfSigned}}},
		"imap | TLS 1.3 | CN=db1.example.org (expired 1 day ago)": {Name: "imap", TLS: certificate(-30 * time.Hour)},
		"imap | TLS 1.3 | CN=db1.example.org (expires in less than an hour)": {Name: "imap",
			TLS: certificate(time.Minute)},
		"unknown | sends binary data":               {Name: "unknown", Banner: `\xc1,`},
		"unknown | 11 bytes, binary":                {Name: "unknown", Banner: `\xc1,`, Info: "11 bytes, binary"},
		"unknown | sends \"hi\" | (low confidence)": {Name: "unknown", Banner: "hi", Confidence: probe.Low},
		"ssh | TLS 1.2 | a.example": {Name: "ssh", TLS: &probe.TLS{Version: "1.2",
			Names: []string{"a.example"}}},
		"ssh | OpenSSH": {Name: "ssh", Product: "OpenSSH", Banner: "SSH-2.0"},
	} {
		if got := strings.ReplaceAll(strings.Join(Service(s, at), " | "), NoBreak, " "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
