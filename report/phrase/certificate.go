package phrase

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/wording"
)

// Software is "Varnish 7.1", or as much of it as is known.
func Software(s *probe.Software) string {
	if s == nil {
		return ""
	}
	return strings.TrimSpace(Visible(s.Product) + " " + Visible(s.Version))
}

// CertProblems are the problems of a certificate in words, each without the word
// certificate: "expired on 2024-01-31".
func CertProblems(t *probe.TLS) []string {
	var out []string
	for _, p := range t.Problems {
		switch p {
		case probe.CertExpired:
			out = append(out, "expired on "+t.Expires.Format(time.DateOnly))
		case probe.CertNotYetValid:
			out = append(out, "not valid before "+t.NotBefore.Format(time.DateOnly))
		case probe.CertNameMismatch:
			out = append(out, "for another name")
		case probe.CertSelfSigned:
			out = append(out, "signed by itself")
		case probe.CertWeakKey:
			out = append(out, "weak key ("+Visible(t.Key)+")")
		case probe.CertWeakSignature:
			out = append(out, "weak signature")
		}
	}
	return out
}

// ClientCertificate states whether a TLS server wants a certificate of the client, "" if it
// does not.
func ClientCertificate(t *probe.TLS) string {
	switch t.ClientCert {
	case probe.Required:
		return "client certificate required"
	case probe.Requested:
		return "client certificate requested, not required"
	}
	return ""
}

// Alert states why there was no TLS handshake, and what may help.
func Alert(a *probe.Alert) string {
	text := fmt.Sprintf("TLS alert %d (%s)", a.Code, Visible(a.Name))
	switch a.Needs {
	case probe.NeedsName:
		return text + ": the server wants a name: give a host name, not an address"
	case probe.NeedsCertificate:
		return text + ": client certificate required"
	}
	return text
}

// StartTLS states whether a plain session can change to TLS.
func StartTLS(s *probe.StartTLS) string {
	switch {
	case s.Required:
		return "STARTTLS required"
	case s.Offered:
		return "STARTTLS offered"
	}
	return "STARTTLS not offered"
}

// startTLSEvidence is the same, and what the change led to.
func startTLSEvidence(s *probe.StartTLS) []string {
	out := []string{StartTLS(s)}
	if s.Error != "" {
		out = append(out, "STARTTLS failed: "+Visible(s.Error))
	}
	if s.TLS != nil {
		for _, line := range tlsEvidence(*s.TLS) {
			out = append(out, "after STARTTLS: "+line)
		}
	}
	return out
}

// certificateNames are the subject and the names of a certificate, with the number of
// those that are left out. A name that is the subject's own is written once.
func certificateNames(t probe.TLS) string {
	all := t.Names
	if t.Subject != "" && !slices.Contains(all, strings.TrimPrefix(t.Subject, "CN=")) {
		all = append([]string{t.Subject}, all...)
	}
	text := strings.Join(all, ", ")
	if more := t.NameCount - len(t.Names); more > 0 {
		text += " and " + wording.Count(uint64(more), "more name", "more names")
	}
	return text
}
