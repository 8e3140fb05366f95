package service_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/service"
)

// What is wrong with a certificate is stated, beside what is right.
func TestCertificateProblems(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	day := 24 * time.Hour
	for _, tt := range []struct {
		name, host string
		template   x509.Certificate
		keys       []crypto.Signer
		want       []probe.CertProblem
	}{
		{"right", "shop.invalid", x509.Certificate{DNSNames: []string{"shop.invalid"}}, nil,
			[]probe.CertProblem{probe.CertSelfSigned}},
		{"no name was given", "", x509.Certificate{DNSNames: []string{"other.invalid"}}, nil,
			[]probe.CertProblem{probe.CertSelfSigned}},
		{"another name", "shop.invalid", x509.Certificate{DNSNames: []string{"other.invalid"}}, nil,
			[]probe.CertProblem{probe.CertNameMismatch, probe.CertSelfSigned}},
		{"expired", "", x509.Certificate{NotBefore: time.Now().Add(-2 * day), NotAfter: time.Now().Add(-day)}, nil,
			[]probe.CertProblem{probe.CertExpired, probe.CertSelfSigned}},
		{"not yet valid", "", x509.Certificate{NotBefore: time.Now().Add(day), NotAfter: time.Now().Add(2 * day)}, nil,
			[]probe.CertProblem{probe.CertNotYetValid, probe.CertSelfSigned}},
		{"weak", "", x509.Certificate{}, []crypto.Signer{weak}, []probe.CertProblem{probe.CertSelfSigned, probe.CertWeakKey}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := web(t, func(s *httptest.Server) {
				s.TLS.Certificates = []tls.Certificate{service.SelfSigned(t, &tt.template, tt.keys...)}
			})
			o := quick
			o.Host = tt.host
			s, err := service.Identify(t.Context(), e, o)
			if err != nil || s.TLS == nil || !slices.Equal(s.TLS.Problems, tt.want) {
				t.Errorf("%+v, TLS %+v, %v; want %v", s, s.TLS, err, tt.want)
			}
		})
	}
}
