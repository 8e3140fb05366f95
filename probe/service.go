package probe

import "time"

// Service is the service on an endpoint, and how it was identified. Text from the peer is
// bounded and escaped, except printable UTF-8; the banner is printable ASCII.
type Service struct {
	Name       string     `json:"name"` // "unknown" if no rule knows the answer
	Product    string     `json:"product,omitempty"`
	Version    string     `json:"version,omitempty"`
	Info       string     `json:"info,omitempty"`      // what else is known, as a title; the kind of an unknown answer
	Front      *Software  `json:"front,omitempty"`     // a proxy, cache or pooler that answers for another server
	Backend    *Software  `json:"backend,omitempty"`   // the server behind Front, as far as it shows
	HTTP       *HTTP      `json:"http,omitempty"`      // of the page that was requested
	TLS        *TLS       `json:"tls,omitempty"`       // if the service is inside TLS
	StartTLS   *StartTLS  `json:"starttls,omitempty"`  // if its protocol can change to TLS
	Alert      *Alert     `json:"tls_alert,omitempty"` // why there was no TLS handshake
	Banner     string     `json:"banner,omitempty"`    // first bytes of the answer
	Confidence Confidence `json:"confidence,omitempty"`
	Probe      string     `json:"probe,omitempty"` // which probe it answers: "wait", …
	Rule       string     `json:"rule,omitempty"`  // which rule matched
	Raw        []byte     `json:"raw,omitempty"`   // first bytes as they came (base64 in JSON)
}

// Software is a product and its version, as far as they are known.
type Software struct {
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
}

// HTTP is a response and the name that it was requested by.
type HTTP struct {
	Status   int    `json:"status"`
	Host     string `json:"host,omitempty"` // in the Host field or :authority; "" if none was sent
	Title    string `json:"title,omitempty"`
	Location string `json:"location,omitempty"` // where a redirection leads
	Version  string `json:"version,omitempty"`  // of the protocol: "1.0", "1.1", "2"
}

// StartTLS is whether a plain session can change to TLS, by the server's own list of what
// it can do.
type StartTLS struct {
	Offered  bool   `json:"offered"`
	Required bool   `json:"required,omitempty"` // nothing else is accepted before
	TLS      *TLS   `json:"tls,omitempty"`      // what the change led to, if it was tried
	Error    string `json:"error,omitempty"`    // why that failed
}

// Alert is a fatal TLS alert (RFC 8446, section 6) in answer to a ClientHello.
type Alert struct {
	Code  uint8  `json:"code"`
	Name  string `json:"name"`            // as RFC 8446 has it: "unrecognized_name"
	Needs string `json:"needs,omitempty"` // NeedsName, NeedsCertificate, or "" if that is not clear
}

// What a server that sends an Alert is likely to need.
const (
	NeedsName        = "server-name"
	NeedsCertificate = "client-certificate"
)

// TLS is what a TLS handshake showed. The certificate's chain was not verified.
type TLS struct {
	Version    string        `json:"version"` // "1.0" to "1.3"
	Cipher     string        `json:"cipher,omitempty"`
	ALPN       string        `json:"alpn,omitempty"`               // of the handshake that the other fields are of
	ALPNs      []string      `json:"alpn_offered,omitempty"`       // all that the server accepted, its favorite first
	ClientCert string        `json:"client_certificate,omitempty"` // Requested or Required
	Subject    string        `json:"subject,omitempty"`            // of the server's own certificate, as all that follows
	Names      []string      `json:"names,omitempty"`              // the first of them
	NameCount  int           `json:"names_count,omitempty"`        // of all names, if Names has not all
	Issuer     string        `json:"issuer,omitempty"`
	SelfSigned bool          `json:"self_signed,omitempty"`
	NotBefore  time.Time     `json:"not_before,omitzero"`
	Expires    time.Time     `json:"expires,omitzero"`
	Key        string        `json:"key,omitempty"` // "RSA 2048", "ECDSA P-256"
	SHA256     string        `json:"sha256,omitempty"`
	Problems   []CertProblem `json:"problems,omitempty"` // at the time of the handshake
}

// Whether a TLS server wants a certificate of the client.
const (
	Requested = "requested" // it goes on without one
	Required  = "required"
)

// CertProblem is why a client would reject a certificate, or should.
type CertProblem string

// The problems of a certificate that are looked for.
const (
	CertExpired       CertProblem = "expired"
	CertNotYetValid   CertProblem = "not-yet-valid"
	CertNameMismatch  CertProblem = "name-mismatch" // with the name that was given
	CertSelfSigned    CertProblem = "self-signed"
	CertWeakKey       CertProblem = "weak-key"       // RSA or DSA below 2048 bits, a curve below 224
	CertWeakSignature CertProblem = "weak-signature" // MD5 or SHA-1
)

// CertProblems lists all of them.
func CertProblems() []CertProblem {
	return []CertProblem{CertExpired, CertNotYetValid, CertNameMismatch, CertSelfSigned, CertWeakKey, CertWeakSignature}
}
