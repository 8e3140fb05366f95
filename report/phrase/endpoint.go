package phrase

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
	"onmux/report/record"
)

// maxBanner bounds a greeting in a line; all of it is evidence (-v).
const maxBanner = 60

// Remarks are what single endpoints and ranges alike have behind their columns.
func Remarks(tries int, reason probe.Reason, responder netip.Addr, failure string) []string {
	var parts []string
	if responder.IsValid() {
		parts = append(parts, "from "+Visible(responder.String()))
	}
	if tries > 1 || tries == 1 && reason == probe.NoResponse {
		parts = append(parts, Count(uint64(tries), "try", "tries"))
	}
	if failure != "" {
		parts = append(parts, Visible(failure))
	}
	return parts
}

// ButOwnLines is behind addresses among which some have lines of their own.
const ButOwnLines = " but the open ones"

// Service is what matters of a service, its name first: "https", "nginx 1.22.1",
// "TLS 1.3", "CN=db1.example.org (expires in 3 days)"; or the greeting where that is all
// there is. The time is that of the report.
func Service(s probe.Service, at time.Time) []string {
	quoted := `"` + Clip(Visible(s.Banner), maxBanner) + `"`
	printable := s.Banner != "" && !strings.Contains(s.Banner, `\x`) // bytes are for -v
	name := Visible(s.Name)
	if name == "http" && s.TLS != nil {
		name = "https"
	}
	parts := []string{name}
	if product := strings.TrimSpace(s.Product + " " + s.Version); product != "" {
		parts = append(parts, Visible(product))
	}
	if printable && s.Product == "" && (s.Info == "" || s.Name == record.Unknown) {
		parts = append(parts, "sends "+quoted)
	} else if s.Banner != "" && !printable && s.Product == "" && s.Info == "" && s.Alert == nil {
		parts = append(parts, "sends binary data")
	}
	if s.HTTP != nil {
		parts = append(parts, page(s.HTTP))
	} else if s.Info != "" {
		parts = append(parts, Visible(s.Info))
	}
	if s.Backend != nil {
		parts = append(parts, "in front of "+Software(s.Backend))
	}
	if s.TLS != nil {
		parts = append(parts, tlsParts(*s.TLS, at)...)
	}
	if s.Alert != nil {
		parts = append(parts, Alert(s.Alert))
	}
	if s.StartTLS != nil {
		parts = append(parts, StartTLS(s.StartTLS))
	}
	if s.Confidence == probe.Low || s.Confidence == probe.Medium {
		parts = append(parts, "("+string(s.Confidence)+" confidence)")
	}
	return parts
}

// page is "HTTP 200 "Welcome"", or where another page is.
func page(h *probe.HTTP) string {
	text := "HTTP" + NoBreak + strconv.Itoa(h.Status)
	if h.Title != "" {
		text += ` "` + Clip(Visible(h.Title), maxBanner) + `"`
	}
	if h.Location != "" {
		text += " to " + Clip(Visible(h.Location), maxBanner)
	}
	return text
}

// tlsParts are the version, whom the certificate is for, how long it is valid, and what is
// wrong with it.
func tlsParts(t probe.TLS, at time.Time) []string {
	parts := []string{"TLS" + NoBreak + Visible(t.Version)}
	subject, _, _ := strings.Cut(t.Subject, ",")
	if subject == "" && len(t.Names) > 0 {
		subject = t.Names[0]
	}
	subject = Visible(subject)
	remarks := CertProblems(&t)
	if !slices.Contains(t.Problems, probe.CertExpired) && !t.Expires.IsZero() && !at.IsZero() {
		remarks = append([]string{Validity(t.Expires.Sub(at))}, remarks...)
	}
	if remarks != nil {
		subject = strings.TrimSpace(subject + " (" + strings.Join(remarks, ", ") + ")")
	}
	for _, part := range []string{subject, ClientCertificate(&t)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// Validity is how long a certificate is valid, or has not been.
func Validity(left time.Duration) string {
	const day = 24 * time.Hour
	some := func(d time.Duration) string {
		switch {
		case d < time.Hour:
			return "less than an hour"
		case d < day:
			return Count(uint64(d/time.Hour), "hour", "hours")
		}
		return Count(uint64(d/day), "day", "days")
	}
	if left < 0 {
		return "expired " + some(-left) + " ago"
	}
	return "expires in " + some(left)
}

// Evidence is everything that is known of an endpoint beyond its line.
func Evidence(r probe.Result) []string {
	out := slices.Clone(r.Evidence)
	var more []string
	if r.TTL > 0 {
		more = append(more, "TTL "+strconv.Itoa(int(r.TTL)))
	}
	if r.ICMP != (probe.ICMP{}) && len(r.Evidence) == 0 {
		more = append(more, fmt.Sprintf("ICMP type %d code %d", r.ICMP.Type, r.ICMP.Code))
	}
	if r.Confidence != "" && r.Confidence != probe.High {
		more = append(more, string(r.Confidence)+" confidence")
	}
	if len(more) > 0 {
		out = append(out, strings.Join(more, ", "))
	}
	if s := r.Service; s != nil {
		out = append(out, serviceEvidence(*s)...)
	}
	return append(out, exchanges(r)...)
}

func serviceEvidence(s probe.Service) []string {
	var out []string
	if s.Banner != "" {
		out = append(out, `it sends "`+s.Banner+`"`)
	}
	if s.HTTP != nil && s.HTTP.Host != "" {
		out = append(out, "the page was requested of "+Visible(s.HTTP.Host))
	}
	if s.TLS != nil {
		out = append(out, tlsEvidence(*s.TLS)...)
	}
	if s.Alert != nil {
		out = append(out, Alert(s.Alert))
	}
	if s.StartTLS != nil {
		out = append(out, startTLSEvidence(s.StartTLS)...)
	}
	var by []string
	if s.Probe != "" {
		by = append(by, "request "+s.Probe)
	}
	if s.Rule != "" {
		by = append(by, "rule "+s.Rule)
	}
	if by != nil {
		out = append(out, "identified by "+strings.Join(by, ", "))
	}
	return out
}

// tlsEvidence is what a handshake showed: the connection, what the certificate
// is for and how long it is valid, who signed it.
func tlsEvidence(t probe.TLS) []string {
	line := []string{"TLS " + t.Version}
	for _, p := range []struct{ what, is string }{{"", t.Cipher}, {"ALPN ", t.ALPN}} {
		if p.is != "" {
			line = append(line, p.what+p.is)
		}
	}
	out := []string{strings.Join(line, ", ")}
	if len(t.ALPNs) > 0 {
		out = append(out, "it offers "+strings.Join(t.ALPNs, ", ")+" (ALPN)")
	}
	if wants := ClientCertificate(&t); wants != "" {
		out = append(out, wants)
	}
	if t.Subject != "" || len(t.Names) > 0 {
		out = append(out, "certificate for "+certificateNames(t))
	}
	signed := "signed by " + t.Issuer
	if t.SelfSigned {
		signed = "signed by itself"
	}
	if t.Issuer != "" {
		line = []string{signed}
		if t.Key != "" {
			line = append(line, t.Key)
		}
		if !t.Expires.IsZero() {
			line = append(line, "expires "+t.Expires.Format(time.DateOnly))
		}
		out = append(out, strings.Join(line, ", "))
	}
	if problems := CertProblems(&t); problems != nil {
		out = append(out, "problems of the certificate: "+strings.Join(problems, ", "))
	}
	return out
}

// Addresses is "10.0.0.7" or "10.0.0.1-10.0.0.9".
func Addresses(first, last netip.Addr) string {
	if first == last {
		return Visible(first.String())
	}
	return Visible(first.String()) + "-" + Visible(last.String())
}
