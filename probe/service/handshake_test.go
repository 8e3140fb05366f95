package service_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/service"
)

// web starts a web server inside TLS that answers with the name in the Host field as the title.
func web(t *testing.T, change func(*httptest.Server)) probe.Endpoint {
	t.Helper()
	nettest.Need(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<title>%s %s</title>", r.Proto, r.Host)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{}
	change(s)
	s.StartTLS()
	t.Cleanup(s.Close)
	return endpoint(s.Listener.Addr())
}

// A page is requested by the name, over HTTP/2 too, with the port; every protocol that is
// offered is found.
func TestPageOfTheName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		change   func(*httptest.Server)
		protocol string
		offered  []string
	}{
		{"both", func(s *httptest.Server) {
			s.EnableHTTP2 = true
			s.TLS.NextProtos = []string{"h2", "http/1.1"}
		}, "HTTP/1.1", []string{"h2", "http/1.1"}},
		{"HTTP/2, and HTTP/1.1 without a name for it", func(s *httptest.Server) { s.EnableHTTP2 = true }, "HTTP/1.1",
			[]string{"h2"}},
		{"HTTP/1.1 alone", func(*httptest.Server) {}, "HTTP/1.1", []string{"http/1.1"}},
		{"HTTP/2 alone", func(s *httptest.Server) {
			s.EnableHTTP2 = true
			s.TLS.NextProtos = []string{"h2"}
			s.TLS.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
				if !slices.Contains(h.SupportedProtos, "h2") {
					return nil, errors.New("HTTP/2 alone")
				}
				return nil, nil
			}
		}, "HTTP/2.0", []string{"h2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := web(t, tt.change)
			o := patient
			o.Host = "shop.invalid"
			s, err := service.Identify(t.Context(), e, o)
			host := fmt.Sprintf("shop.invalid:%d", e.Port)
			if err != nil || s.Name != "https" || s.HTTP == nil || s.HTTP.Host != host ||
				s.HTTP.Title != tt.protocol+" "+host || !slices.Equal(s.TLS.ALPNs, tt.offered) {
				t.Errorf("%+v, page %+v, TLS %+v, %v", s, s.HTTP, s.TLS, err)
			}
		})
	}
}

// Where the default host is another one, or refuses to answer, the page is that of the name.
func TestPageOfTheNameWithoutTLS(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]string{
		"another page": "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n\r\n<title>Default</title>",
		"an error":     "HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22.1\r\n\r\n<title>400 Bad Request</title>",
		"nothing":      "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := serve(t, func(c *net.TCPConn) {
				r, err := http.ReadRequest(bufio.NewReader(c))
				switch {
				case err != nil:
				case strings.HasPrefix(r.Host, "shop.invalid:"):
					fmt.Fprint(c, "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n\r\n<title>Shop</title>")
				default:
					fmt.Fprint(c, other)
				}
			})
			o := patient
			o.Host = "shop.invalid"
			s, err := service.Identify(t.Context(), e, o)
			if err != nil || s.HTTP == nil || s.HTTP.Title != "Shop" || s.Info != "title: Shop" || s.Product != "nginx" {
				t.Errorf("%+v, page %+v, %v", s, s.HTTP, err)
			}
		})
	}
}

// A server that requires a client certificate, or a name, is reported as such.
func TestServersThatNeedMore(t *testing.T) {
	t.Parallel()
	requires := func(version uint16) func(*httptest.Server) {
		return func(s *httptest.Server) {
			s.TLS.ClientAuth, s.TLS.MaxVersion = tls.RequireAnyClientCert, version
		}
	}
	named := func(s *httptest.Server) {
		s.TLS.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			if h.ServerName == "" {
				return nil, errors.New("no name")
			}
			return nil, nil
		}
	}
	for _, tt := range []struct {
		name, host string
		change     func(*httptest.Server)
		clientCert string
		needs      string
	}{
		{"TLS 1.3", "", requires(tls.VersionTLS13), probe.Required, ""},
		{"TLS 1.2", "", requires(tls.VersionTLS12), "", probe.NeedsCertificate},
		{"requested", "", func(s *httptest.Server) { s.TLS.ClientAuth = tls.RequestClientCert }, probe.Requested, ""},
		{"a name", "", named, "", probe.NeedsName},
		{"a name that is given", "shop.invalid", named, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := web(t, tt.change)
			o := patient
			o.Host = tt.host
			s, err := service.Identify(t.Context(), e, o)
			if err != nil {
				t.Fatal(err)
			}
			var clientCert, needs string
			if s.TLS != nil {
				clientCert = s.TLS.ClientCert
			}
			if s.Alert != nil {
				needs = s.Alert.Needs
			}
			if clientCert != tt.clientCert || needs != tt.needs {
				t.Errorf("%+v, TLS %+v, alert %+v", s, s.TLS, s.Alert)
			}
		})
	}
}

// 1,500 names are cut, with their number.
func TestManyNames(t *testing.T) {
	t.Parallel()
	e := web(t, func(s *httptest.Server) {
		var names []string
		for i := range 1500 {
			names = append(names, fmt.Sprintf("h%d.invalid", i))
		}
		s.TLS.Certificates = []tls.Certificate{service.SelfSigned(t, &x509.Certificate{DNSNames: names})}
	})
	s, err := service.Identify(t.Context(), e, patient)
	if err != nil || s.TLS == nil || s.TLS.NameCount != 1500 || len(s.TLS.Names) != 32 {
		t.Errorf("%+v, %v", s, err)
	}
}
