package answer

import "onmux/probe"

// pages are what is known of servers behind HTTP, beyond their Server header.
func pages() []Rule {
	return []Rule{
		{"http", "http", "", readHTTP, probe.High, protocol},
		{"http-proxy", "http-proxy", "", re(`^HTTP/1\.[01] 407 `), probe.High, product},
		{"http-proxy-tinyproxy", "http-proxy", "Tinyproxy", field("Server", `tinyproxy/(?P<version>\d[\w.]*)`), probe.High,
			product},
		{"http-proxy-squid", "http-proxy", "Squid", field("Server", `squid(?:/(?P<version>\d[\w.]*))?`), probe.High, product},
		{"http-proxy-privoxy", "http-proxy", "Privoxy", field("Server", `Privoxy(?: (?P<version>\d[\w.]*))?`), probe.High,
			product},
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
			body(`^<a href="/(?:graph|query)">Found</a>|<title>Prometheus Time Series`), probe.High, product},
		{"http-exporter", "http", "", body(`<title>(?P<product>[\w -]+ Exporter)[^<]*</title>`), probe.High, product},
		{"http-exporter-version", "http", "",
			body(`<title>(?P<product>[\w -]+ Exporter)[^<]*</title>.*Version: \(version=(?P<version>\d` +
				`[\w.+-]*)`), probe.High, exact},
		// Prometheus's exposition formats: the media type, or a metric with one of their types.
		{"http-metrics", "http", "Prometheus exporter",
			body(`^(?:# [^\n]*\n|\n){0,8}?# TYPE [a-z_:][a-z0-9_:]* (?:counter|gauge|histogram|summary|untyped|unknown|info` +
				`|stateset|gaugehistogram)\s`), probe.High, product},
		{"http-metrics-type", "http", "Prometheus exporter",
			field("Content-Type", `(?:text/plain; version=[01]\.\d\.\d|application/openmetrics-text)`), probe.High, product},
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
		_, body, ok := CutHead(a.Text)
		if !ok || body == "" {
			return Facts{}, false
		}
		return m(&Answer{Text: body})
	}
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
