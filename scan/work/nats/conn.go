package nats

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"onmux/probe/wording"
	"onmux/scan/files"
	"onmux/scan/work"
)

// Config is how to reach a server, and as whom. Secrets are in files.
type Config struct {
	URL   string // several, separated by commas, are of one cluster
	Creds string // file of credentials: a JWT and the seed of an NKey
	NKey  string // file of the seed of an NKey

	CA, Cert, Key string // files of TLS
}

// FromEnvironment fills in what c lacks from the variables that the nats command knows.
func FromEnvironment(c Config) Config {
	for name, field := range map[string]*string{
		"NATS_URL": &c.URL, "NATS_CREDS": &c.Creds, "NATS_NKEY": &c.NKey,
		"NATS_CA": &c.CA, "NATS_CERT": &c.Cert, "NATS_KEY": &c.Key,
	} {
		if *field == "" {
			*field = os.Getenv(name)
		}
	}
	return c
}

// CheckURL is an error if that is no URL of a NATS server, or has a secret, which command lines must
// not have: every process can read them.
func CheckURL(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		u, err := url.Parse(one)
		if err != nil || u.Host == "" || u.Hostname() == "" {
			return &wording.UsageError{
				Err:  errors.New("this is not the URL of a NATS server"),
				Hint: "as in nats://10.0.0.1:4222",
			}
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return &wording.UsageError{
				Err: fmt.Errorf("%s is not the URL of a NATS server", u.Redacted()), Hint: "as in nats://10.0.0.1:4222",
			}
		}
		if u.User != nil {
			return &wording.UsageError{
				Err:  fmt.Errorf("%s has a user or a secret: every process could read it", u.Redacted()),
				Hint: "--creds FILE, --nkey FILE, or NATS_URL in the environment",
			}
		}
	}
	return nil
}

// Conn is a connection to a server. It is made again when it is lost, until Close.
type Conn struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	address string // of the server, for messages
	changed chan struct{}
	woken   chan struct{}
}

const (
	connectTimeout = 5 * time.Second
	reconnectWait  = 250 * time.Millisecond
)

// Connect connects to a server that has JetStream.
func Connect(ctx context.Context, c Config) (*Conn, error) {
	if c.URL == "" {
		return nil, &wording.UsageError{
			Err: errors.New(
				"there is no URL of a NATS server",
			), Hint: "as in nats://10.0.0.1:4222, or NATS_URL in the environment",
		}
	}
	n := &Conn{address: redacted(c.URL), changed: make(chan struct{}, 1), woken: make(chan struct{}, 1)}
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	options = append(options, nats.ReconnectHandler(func(*nats.Conn) { n.wake() }))
	if n.nc, err = nats.Connect(c.URL, options...); err != nil {
		return nil, n.explain(err)
	}
	if n.js, err = jetstream.New(n.nc); err == nil {
		err = n.prepare(ctx)
	}
	if err != nil {
		n.nc.Close()
		return nil, n.explain(err)
	}
	return n, nil
}

func redacted(urls string) string {
	var all []string
	for one := range strings.SplitSeq(urls, ",") {
		if u, err := url.Parse(one); err == nil {
			u.User = nil
			one = u.String()
		}
		all = append(all, one)
	}
	return strings.Join(all, ",")
}

func (c Config) options() ([]nats.Option, error) {
	options := []nats.Option{
		nats.Name("onmux"), nats.Timeout(connectTimeout), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait, reconnectWait), nats.RetryOnFailedConnect(false),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // each call returns its own
	}
	for _, name := range []string{c.Creds, c.NKey, c.CA, c.Cert, c.Key} {
		if name == "" {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			return nil, &wording.UsageError{Err: fmt.Errorf("%s: %w", name, files.Cause(err))}
		}
		_ = f.Close() // it was only opened
	}
	if c.Creds != "" {
		options = append(options, nats.UserCredentials(c.Creds))
	}
	if c.NKey != "" {
		option, err := nats.NkeyOptionFromSeed(c.NKey)
		if err != nil {
			return nil, &wording.UsageError{Err: fmt.Errorf("%s has no seed of an NKey: %w", c.NKey, err)}
		}
		options = append(options, option)
	}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil || !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return nil, &wording.UsageError{Err: fmt.Errorf("%s has no certificate in PEM", c.CA)}
		}
		options = append(options, nats.RootCAs(c.CA))
	}
	if (c.Cert == "") != (c.Key == "") {
		return nil, &wording.UsageError{Err: errors.New("a certificate and its key are needed together"),
			Hint: "--tls-cert FILE --tls-key FILE"}
	}
	if c.Cert != "" {
		if _, err := tls.LoadX509KeyPair(c.Cert, c.Key); err != nil {
			return nil, &wording.UsageError{Err: fmt.Errorf("%s and %s: %w", c.Cert, c.Key, err)}
		}
		options = append(options, nats.ClientCert(c.Cert, c.Key))
	}
	return options, nil
}

// explain is what an error means to a user, and what to do.
func (n *Conn) explain(err error) error {
	var verification *tls.CertificateVerificationError
	switch {
	case err == nil || errors.Is(err, work.ErrEnded):
		return err
	case errors.Is(err, nats.ErrNoServers):
		return &wording.HintedError{Err: fmt.Errorf("no NATS server answers at %s", n.address),
			Hint: "is it running, and is this its address? nats-server -js starts one"}
	case errors.Is(err, nats.ErrAuthorization),
		errors.Is(err, nats.ErrAuthExpired),
		errors.Is(err, nats.ErrPermissionViolation):
		return &wording.HintedError{Err: fmt.Errorf("the NATS server at %s refuses access", n.address),
			Hint: "--creds FILE or --nkey FILE, with permission for the subjects onmux.> and $JS.API.>"}
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, nats.ErrNoResponders):
		return &wording.HintedError{
			Err:  fmt.Errorf("the NATS server at %s has no JetStream", n.address),
			Hint: "start it with nats-server -js",
		}
	case errors.As(err, &verification):
		return &wording.HintedError{
			Err: fmt.Errorf("the NATS server at %s has a certificate that is not trusted: %w", n.address,
				verification.Err),
			Hint: "--tls-ca FILE names the certificate of its authority",
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return fmt.Errorf("the NATS server at %s does not answer", n.address)
	}
	return fmt.Errorf("NATS server at %s: %w", n.address, err)
}

// Close closes the connection.
func (n *Conn) Close() {
	_ = n.nc.FlushTimeout(time.Second) // what was reported last
	n.nc.Close()
}

// wake has everything looked up that may have changed.
func (n *Conn) wake() {
	for _, c := range []chan struct{}{n.changed, n.woken} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// The names of streams and subjects.
const (
	scansStream   = "ONMUX"
	presentStream = "ONMUX_PRESENT"
	scansSubject  = "onmux.scan."
	endedSubject  = "onmux.ended."
	presence      = "onmux.present."

	presentAge = 12 * time.Second // beyond which a worker is gone
)

func queueStream(id string) string  { return "ONMUX_" + id + "_QUEUE" }
func storedStream(id string) string { return "ONMUX_" + id }

func queueSubject(id, queue string) string { return "onmux.queue." + id + "." + queue }
func storedSubject(id string) string       { return "onmux.stored." + id }
func requestSubject(id string, part int) string {
	return fmt.Sprintf("onmux.request.%s.%d", id, part)
}

// prepare makes the streams that all scans share. That an account may not make streams is no error
// if they are there.
func (n *Conn) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for _, c := range []jetstream.StreamConfig{
		{Name: scansStream, Subjects: []string{scansSubject + "*"}, MaxMsgsPerSubject: 1, MaxAge: work.MaxAge},
		{Name: presentStream, Subjects: []string{presence + "*.*"}, MaxMsgsPerSubject: 1, MaxAge: presentAge},
	} {
		_, err := n.js.CreateStream(ctx, c)
		if err == nil || errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			continue
		}
		if _, known := n.js.Stream(ctx, c.Name); known != nil {
			return err
		}
	}
	return nil
}
