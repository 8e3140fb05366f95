package service

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/hello"
	"onmux/probe/request"
	"onmux/probe/service/answer"
	"onmux/probe/traffic"
)

// Observation is how a conversation between a client and an endpoint began: the first bytes
// of both, as somebody saw them pass.
type Observation struct {
	Proto          probe.Proto
	Sent, Received []byte    // by the client
	Greeted        bool      // the endpoint sent first
	Time           time.Time // when a certificate must be valid
}

// observedRequest is the name of what a client sent that is none of the requests.
const observedRequest = "observed"

// Observed identifies the service of an endpoint by what passed. It is nil if nothing was
// received. What a client sent is never reported beyond the protocol that it is of.
func Observed(o Observation) *probe.Service {
	if len(o.Received) == 0 {
		return nil
	}
	if o.Proto == probe.TCP && hello.IsRecord(o.Received) {
		if found := observedTLS(o); found != nil {
			return found
		}
	}
	a := answer.New(o.request(), o.Sent, o.Received)
	m, _ := answer.Recognise(a)
	m.Answer = a
	return m.Report()
}

// request is the name of the request that the client sent.
func (o *Observation) request() string {
	if o.Greeted {
		return answer.Waiting
	}
	all := request.TCP()
	if o.Proto == probe.UDP {
		all = request.UDP()
	}
	i := slices.IndexFunc(all, func(r *request.Request) bool {
		sent := r.Bytes("")
		return len(sent) > 0 && string(sent) == string(o.Sent)
	})
	if i >= 0 {
		return all[i].Name
	}
	return observedRequest
}

// observedTLS is what a handshake shows; nil if it is none.
func observedTLS(o Observation) *probe.Service {
	s, ok := hello.ReadServer(o.Received)
	if !ok {
		return nil
	}
	client, _ := hello.ReadClient(o.Sent)
	found := &probe.Service{Name: "tls", Confidence: probe.High, Probe: answer.ClientHello, Rule: "tls-handshake",
		TLS: &probe.TLS{Version: strings.TrimPrefix(tls.VersionName(s.Version), "TLS "), Cipher: tls.CipherSuiteName(s.Suite),
			ALPN: answer.Printable(s.ALPN, answer.NameSize)}}
	switch {
	case s.ALPN == "h2", s.ALPN == "http/1.1":
		found.Name = tlsNames["http"]
	case s.ALPN == "" && slices.Contains(client.ALPN, "http/1.1"): // in TLS 1.3 the choice is encrypted
		found.Name, found.Confidence = tlsNames["http"], probe.Medium
	}
	if c, err := x509.ParseCertificate(s.Certificate); err == nil {
		describeCertificate(found.TLS, c, hostOf(client.Name), o.Time)
		sum := sha256.Sum256(c.Raw)
		found.TLS.SHA256 = hex.EncodeToString(sum[:])
	}
	return found
}

// hostOf is a name that a client asked for, if it can be one.
func hostOf(name string) string {
	if len(name) > 253 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return name
}

// GreetingOf is what a client sent first; nil if its protocol is not known. What follows a
// name or a password is not read.
func GreetingOf(sent []byte) *traffic.Greeting {
	if hello.IsRecord(sent) {
		if c, ok := hello.ReadClient(sent); ok {
			g := &traffic.Greeting{Protocol: "tls", ServerName: answer.Printable(c.Name, dnSize), JA4: c.JA4()}
			for _, p := range c.ALPN[:min(len(c.ALPN), maxNames)] {
				g.ALPN = append(g.ALPN, answer.Printable(p, answer.NameSize))
			}
			return g
		}
	}
	line, _, _ := strings.Cut(string(sent[:min(len(sent), answer.MaxSize)]), "\n")
	if fields := strings.Fields(line); len(fields) == 3 && strings.HasPrefix(fields[2], "HTTP/") {
		return &traffic.Greeting{Protocol: request.HTTP.Service}
	}
	if m, _ := answer.Recognise(answer.New("", nil, sent)); m.Known() {
		return &traffic.Greeting{Protocol: m.Service}
	}
	return nil
}
