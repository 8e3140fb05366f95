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

// Service is "ssh OpenSSH 9.2p1", or the greeting where that is all there is.
func Service(s probe.Service) string {
	quoted := `"` + Clip(Visible(s.Banner), maxBanner) + `"`
	var parts []string
	for _, p := range []string{s.Name, s.Product, s.Version} {
		if p != "" {
			parts = append(parts, Visible(p))
		}
	}
	switch {
	case s.Name == record.Unknown && s.Banner == "" && s.Info == "":
		parts = []string{"unknown service"}
	case s.Name == record.Unknown && s.Banner == "":
		parts = []string{"unknown service, which " + Visible(s.Info)}
	case s.Name == record.Unknown && s.Info == "":
		parts = []string{"unknown service, which sends", quoted}
	case s.Name == record.Unknown && strings.Contains(s.Banner, `\x`): // bytes are for -v
		parts = []string{"unknown service, which sends " + Visible(s.Info)}
	case s.Name == record.Unknown:
		parts = []string{"unknown service, which sends", quoted + ":", Visible(s.Info)}
	case s.Info != "":
		parts = append(parts, "("+Visible(s.Info)+")")
	case s.Product == "" && s.Banner != "" && !strings.Contains(s.Banner, `\x`):
		parts = append(parts, quoted)
	}
	if s.Backend != nil {
		parts = append(parts, "in front of", Software(s.Backend))
	}
	if s.TLS != nil {
		parts = append(parts, "in TLS "+Visible(s.TLS.Version))
		if remarks := append(CertProblems(s.TLS), ClientCertificate(s.TLS)); strings.Join(remarks, "") != "" {
			remarks = slices.DeleteFunc(remarks, func(r string) bool { return r == "" })
			parts = append(parts, "("+strings.Join(remarks, ", ")+")")
		}
	}
	if s.Alert != nil {
		parts = append(parts, "("+Alert(s.Alert)+")")
	}
	if s.StartTLS != nil {
		parts = append(parts, "("+StartTLS(s.StartTLS)+")")
	}
	if s.Confidence == probe.Low || s.Confidence == probe.Medium {
		parts = append(parts, "("+string(s.Confidence)+" confidence)")
	}
	return strings.Join(parts, " ")
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
	return out
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
