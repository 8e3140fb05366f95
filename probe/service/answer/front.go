package answer

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"onmux/probe"
)

// frontFields are header fields that only a proxy or cache adds, and its name.
var frontFields = []struct{ field, product string }{
	{
		"X-Varnish",
		"Varnish",
	}, {"X-Squid-Error", "Squid"}, {"CF-RAY", "Cloudflare"}, {"X-Amz-Cf-Id", "Amazon CloudFront"},
	{"X-Kong-Proxy-Latency", "Kong"}, {"X-Envoy-Upstream-Service-Time", "Envoy"}, {"X-Fastly-Request-ID", "Fastly"},
}

// frontNames are the names by which proxies and caches go in Via and Server, in lower case.
var frontNames = map[string]string{
	"varnish": "Varnish", "squid": "Squid", "nghttpx": "nghttpx", "envoy": "Envoy", "istio-envoy": "Envoy",
	"cloudflare": "Cloudflare", "cloudfront": "Amazon CloudFront", "ats": "Apache Traffic Server",
	"apachetrafficserver": "Apache Traffic Server", "haproxy": "HAProxy", "caddy": "Caddy", "kong": "Kong",
	"google": "Google Front End", "traefik": "Traefik", "awselb": "Amazon ELB", "vegur": "Heroku", "fastly": "Fastly",
	"apache": "Apache", "nginx": "nginx",
}

// pureProxies never serve a page of their own but errors: named in Server, they are in front
// of something.
var pureProxies = []string{"varnish", "nghttpx", "envoy", "istio-envoy", "cloudflare", "cloudfront", "ats", "haproxy",
	"awselb"}

var viaElement = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:[A-Za-z]+/)?\d(?:\.\d)? ([^\s(]+)(?: \(([^)]*)\))?`)
})

// frontOf is the proxy, cache or gateway that a response passed last, by Via (RFC 9110, section
// 7.6.3), whose last element is the nearest, by fields of its own, or by Server.
func frontOf(head string, server probe.Software) (front *probe.Software, ok bool) {
	if s := lastVia(head); s.Product != "" {
		return &s, true
	}
	for _, f := range frontFields {
		if Header(head, f.field) != "" {
			s := probe.Software{Product: f.product}
			if strings.EqualFold(server.Product, s.Product) {
				s.Version = Printable(server.Version, NameSize)
			}
			return &s, true
		}
	}
	if name := strings.ToLower(server.Product); slices.Contains(pureProxies, name) {
		return &probe.Software{Product: frontNames[name], Version: Printable(server.Version, NameSize)}, true
	}
	return nil, false
}

// lastVia is the software of the last element of Via that names one.
func lastVia(head string) (s probe.Software) {
	for line := range strings.SplitSeq(head, "\n") {
		name, value, _ := strings.Cut(line, ":")
		if !strings.EqualFold(name, "Via") {
			continue
		}
		for element := range strings.SplitSeq(bytesOf(value), ",") {
			m := viaElement().FindStringSubmatch(strings.TrimSpace(element))
			if m == nil {
				continue
			}
			s = probe.Software{}
			for _, by := range []string{m[2], m[1]} { // the comment is more specific than the pseudonym, which may be a host
				product, version, _ := strings.Cut(by, "/")
				if known := frontNames[strings.ToLower(product)]; known != "" {
					version, _, _ = strings.Cut(version, " ")
					s = probe.Software{Product: known, Version: Printable(version, NameSize)}
					break
				}
			}
		}
	}
	return s
}
