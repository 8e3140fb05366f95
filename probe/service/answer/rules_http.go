package answer

import (
	"regexp"
	"strings"
	"sync"

	"onmux/probe"
)

// pages are what is known of servers behind HTTP, beyond their Server header.
func pages() []Rule {
	return []Rule{
		{"http", "http", "", readHTTP, probe.High, protocol},
		// RFC 9113, section 8.
		{"http2-page", "http", "", readHTTP2, probe.High, protocol},
		{"http-proxy", "http-proxy", "", re(`^HTTP/1\.[01] 407 `), probe.Medium, product},
		{"http-proxy-tinyproxy", "http-proxy", "Tinyproxy", field("Server", `tinyproxy/(?P<version>\d[\w.]*)`), probe.High,
			product},
		{"http-proxy-squid", "http-proxy", "Squid", field("Server", `squid(?:/(?P<version>\d[\w.]*))?`), probe.High, product},
		{"http-proxy-privoxy", "http-proxy", "Privoxy", field("Server", `Privoxy(?: (?P<version>\d[\w.]*))?`), probe.High,
			product},
		// Privoxy's cgi.c and jcc.c, CHEADER_RESPONSE: what it sends to a request that is not one to a proxy.
		{"http-proxy-privoxy-refused", "http-proxy", "Privoxy",
			re(`^HTTP/1\.1 400 Invalid header received from client\r\n(?s:.*)\r\n\r\nInvalid header received from client\.`),
			probe.High, exact},
		// Tor's proxy.c: a port for CONNECT alone. It answers requests with a Host field only.
		{"http-proxy-tor", "http-proxy", "Tor", field("Server", `tor/[\d.]+ \(tor (?P<version>\d[\w.-]*)\)`), probe.High,
			exact},
		{"ipp-cups", "ipp", "CUPS", field("Server", `CUPS(?:/(?P<version>\d[\w.]*))?`), probe.High, product},
		// RFC 6455, section 4.4.
		{"websocket", "http", "", readWebSocket, probe.High, product},

		// mongod's transport layer: its answer to a browser. The version is for its own request.
		{"mongodb-http", "mongodb", "MongoDB",
			body(`^It looks like you are trying to access MongoDB over HTTP on the native driver port\.`), probe.High, product},
		{"http-elasticsearch", "http", "Elasticsearch",
			body(`"cluster_name"\s*:.*"version"\s*:\s*\{\s*"number"\s*:\s*"(?P<version>\d[\w.-]*)"`), probe.High, product},
		// Every answer of it has the field since 7.14, the one that requires a login too.
		{"http-elastic-product", "http", "Elasticsearch", field("X-elastic-product", `Elasticsearch`), probe.High, product},
		{"http-opensearch", "http", "OpenSearch",
			body(`"version"\s*:\s*\{\s*"distribution"\s*:\s*"opensearch",\s*"number"\s*:\s*"(?P<version>\d` +
				`[\w.-]*)"`), probe.High, exact},
		{"http-etcd", "http", "etcd", body(`^\{"etcdserver":"(?P<version>\d[\w.+-]*)"`), probe.High, product},
		{"http-docker", "http", "Docker Engine",
			body(`^\{(?:"Platform":\{.*)?"Version":"(?P<version>\d[\w.+~-]*)","ApiVersion":"`), probe.High, product},
		{"http-kubernetes", "http", "Kubernetes",
			body(`^\{\s*"major":\s*"\d+",\s*"minor":\s*"[\d+]+",.*"gitVersion":\s*"v(?P<version>\d` +
				`[\w.+-]*)"`), probe.High, product},
		{"http-kubernetes-status", "http", "Kubernetes",
			body(`^\{\s*"kind":\s*"Status",\s*"apiVersion":\s*"v1",\s*"metadata"`), probe.High, product},
		{"http-prometheus", "http", "Prometheus",
			body(`^<a href="/(?:classic/)?(?:graph|query)">Found</a>|<title>Prometheus Time Series`), probe.High, product},
		{"http-influxdb", "http", "InfluxDB", field("X-Influxdb-Version", `v?(?P<version>\d[\w.~+-]*)`), probe.High, product},
		{"http-powerdns", "http", "", body(`<title>(?P<product>PowerDNS (?:Authoritative Server|Recursor))` +
			`(?:.{0,400}?"appname">PowerDNS (?P<version>\d[\w.]*))?`), probe.High, product},
		{"http-powerdns-realm", "http", "PowerDNS", field("WWW-Authenticate", `basic realm="PowerDNS"`),
			probe.Medium, product},
		{"http-haproxy-stats", "http", "HAProxy",
			body(`<title>Statistics Report for HAProxy.*HAProxy version (?P<version>\d[\w.]*)`), probe.High, exact},
		{"http-exporter", "http", "", body(`<title>(?P<product>[\w -]+ Exporter)[^<]*</title>`), probe.High, product},
		{"http-exporter-version", "http", "",
			body(`<title>(?P<product>[\w -]+ Exporter)[^<]*</title>.*Version: \(version=(?P<version>\d` +
				`[\w.+-]*)`), probe.High, exact},
		{"http-build-info", "http", "", readBuildInfo, probe.High, product},
		// Prometheus's exposition formats: the media type, or a metric with one of their types.
		{"http-metrics", "http", "Prometheus exporter",
			unnamed(body(`^(?:# [^\n]*\n|\n){0,8}?# TYPE [a-z_:][a-z0-9_:]* (?:counter|gauge|histogram|summary|` +
				`untyped|unknown|info|stateset|gaugehistogram)\s`)), probe.Medium, kind},
		{"http-metrics-type", "http", "Prometheus exporter",
			unnamed(field("Content-Type", `(?:text/plain; version=[01]\.\d\.\d|application/openmetrics-text)`)), probe.Medium,
			kind},
	}
}

// field matches the whole value of a header field, or its beginning.
func field(name, pattern string) matcher {
	m := re(`(?i)^` + pattern + `(?:[ ;,(]|$)`)
	return func(a *Answer) (Facts, bool) {
		if !statusLine(a.Text) {
			return Facts{}, false
		}
		head, _, _ := CutHead(a.Text)
		value := Header(head, name)
		if value == "" {
			return Facts{}, false
		}
		return m(&Answer{Text: value})
	}
}

// body matches what follows the header of a response.
func body(pattern string) matcher {
	m := re(`(?is)` + pattern)
	return func(a *Answer) (Facts, bool) {
		if !statusLine(a.Text) {
			return Facts{}, false
		}
		_, body, ok := pageParts(a.Text)
		if !ok || body == "" {
			return Facts{}, false
		}
		return m(&Answer{Text: body})
	}
}

// unnamed is m of a response whose header names no software.
func unnamed(m matcher) matcher {
	return func(a *Answer) (Facts, bool) {
		page, ok := readHTTP(a)
		if !ok || page.Product != "" {
			return Facts{}, false
		}
		return m(a)
	}
}

// metricsOf are the prefixes of the metrics that some software has of itself.
var metricsOf = []struct{ prefix, product string }{
	{"prometheus_", "Prometheus"}, {"pdns_recursor_", "PowerDNS Recursor"},
	{"pdns_auth_", "PowerDNS Authoritative Server"}, {"dnsdist_", "dnsdist"}, {"alertmanager_", "Alertmanager"},
	{"grafana_", "Grafana"}, {"node_exporter_", "Node Exporter"},
	{"coredns_", "CoreDNS"}, {"caddy_", "Caddy"}, {"traefik_", "Traefik"}, {"haproxy_", "HAProxy"},
	{"rabbitmq_", "RabbitMQ"}, {"etcd_", "etcd"}, {"minio_", "MinIO"}, {"influxdb_", "InfluxDB"}, {"consul_", "Consul"},
}

var buildInfo = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^([a-z]\w{1,40}_)build_info\{[^}\n]*\bversion="v?(\d[\w.+~-]*)"`)
})

// readBuildInfo reads who publishes metrics: NAME_build_info (of Prometheus' client libraries), or
// metrics whose prefix is that of known software. Those of a language's runtime name nobody.
func readBuildInfo(a *Answer) (Facts, bool) {
	if !statusLine(a.Text) {
		return Facts{}, false
	}
	_, body, _ := pageParts(a.Text)
	if !strings.Contains(body[:min(len(body), 2<<10)], "# TYPE ") {
		return Facts{}, false
	}
	m := buildInfo().FindStringSubmatch(body)
	for _, known := range metricsOf {
		if m != nil && m[1] == known.prefix {
			return Facts{Product: known.product, Version: m[2]}, true
		}
		if m == nil && strings.Contains(body, "\n"+known.prefix) {
			return Facts{Product: known.product, doubtful: true}, true
		}
	}
	if m == nil || m[1] == "go_" || m[1] == "jvm_" || m[1] == "python_" {
		return Facts{}, false
	}
	return Facts{Product: strings.TrimSuffix(m[1], "_"), Version: m[2], doubtful: true}, true
}

// readWebSocket recognises a server that requires an upgrade.
func readWebSocket(a *Answer) (Facts, bool) {
	f, ok := readHTTP(a)
	head, _, _ := CutHead(a.Text)
	if !ok || Header(head, "Sec-WebSocket-Version") == "" &&
		(a.Text[9:12] != "426" || Header(head, "Upgrade") != "websocket") {
		return Facts{}, false
	}
	f.Info = "websocket"
	return f, true
}
