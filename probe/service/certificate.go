package service

import (
	"crypto/dsa" //nolint:staticcheck // keys of old certificates
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"net/netip"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/service/answer"
)

// describeCertificate adds what a server's own certificate shows. host is the name that was
// given, if it is one; now is when the certificate must be valid.
func describeCertificate(f *probe.TLS, c *x509.Certificate, host string, now time.Time) {
	f.Subject, f.Issuer = answer.Printable(c.Subject.String(), dnSize), answer.Printable(c.Issuer.String(), dnSize)
	f.SelfSigned = string(c.RawSubject) == string(c.RawIssuer)
	for _, n := range c.DNSNames[:min(len(c.DNSNames), maxNames)] {
		f.Names = append(f.Names, answer.Printable(n, dnSize))
	}
	for _, ip := range c.IPAddresses[:min(len(c.IPAddresses), maxNames-len(f.Names))] {
		f.Names = append(f.Names, ip.String())
	}
	if all := len(c.DNSNames) + len(c.IPAddresses); all > len(f.Names) {
		f.NameCount = all
	}
	f.NotBefore, f.Expires = inRange(c.NotBefore), inRange(c.NotAfter)
	f.Key = keyOf(c)
	f.Problems = certProblems(f, c, host, now)
}

// certProblems are why a client would reject a certificate, or should.
func certProblems(f *probe.TLS, c *x509.Certificate, host string, now time.Time) (found []probe.CertProblem) {
	for _, p := range []struct {
		problem probe.CertProblem
		is      bool
	}{
		{probe.CertExpired, now.After(c.NotAfter)},
		{probe.CertNotYetValid, now.Before(c.NotBefore)},
		{probe.CertNameMismatch, host != "" && !isFor(c, host)},
		{probe.CertSelfSigned, f.SelfSigned},
		{probe.CertWeakKey, isWeakKey(c)},
		{probe.CertWeakSignature, !f.SelfSigned && isWeakSignature(c.SignatureAlgorithm)},
	} {
		if p.is {
			found = append(found, p.problem)
		}
	}
	return found
}

// isFor reports whether the certificate is for the name. Certificates of before 2017 have
// it in the subject alone (RFC 2818, section 3.1).
func isFor(c *x509.Certificate, host string) bool {
	if c.VerifyHostname(host) == nil {
		return true
	}
	return len(c.DNSNames)+len(c.IPAddresses) == 0 && strings.EqualFold(c.Subject.CommonName, host)
}

// isWeakKey reports whether the key is below 112 bits of strength (NIST SP 800-57, part 1, table 2).
func isWeakKey(c *x509.Certificate) bool {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() < 2048
	case *dsa.PublicKey:
		return k.P.BitLen() < 2048
	case *ecdsa.PublicKey:
		return k.Curve.Params().BitSize < 224
	}
	return false
}

// isWeakSignature reports whether the signature rests on MD2, MD5 or SHA-1.
func isWeakSignature(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}

// serverName is the host if it is a name, as TLS and HTTP send it.
func (o *Options) serverName() string {
	if _, err := netip.ParseAddr(o.Host); err == nil {
		return ""
	}
	return strings.TrimSuffix(o.Host, ".")
}
