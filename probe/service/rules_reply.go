package service

import "onmux/probe"

// replies are what servers say when spoken to.
var replies = []rule{
	// RFC 8446, sections 4.1.3 and 6; RFC 6101 (SSL 3.0).
	{"tls-alert", "tls", "", re(`(?s)^\x15\x03[\x00-\x04]\x00\x02[\x01\x02][\x00-\xff]`), probe.High, exact},
	{"tls-server-hello", "tls", "", re(`(?s)^\x16\x03[\x00-\x04]..\x02\x00..\x03`), probe.High, exact},

	{"http", "http", "", readHTTP, probe.High, protocol},
	{"http-proxy-tinyproxy", "http-proxy", "Tinyproxy", re(`(?is)^HTTP/1\.[01] \d{3} [^\r\n]*\r\n(?:[^\r\n]+\r\n)*Server: tinyproxy/(?P<version>\d[\w.]*)`), probe.High, product},

	// RESP: an error names the command that it does not know.
	{"redis-error", "redis", "", re(`^-(?:ERR (?:wrong number of arguments for '(?i:get)' command|unknown command)|NOAUTH |DENIED Redis )`), probe.High, protocol},
	{"redis-info", "redis", "Redis", re(`^\$\d{1,5}\r\n# Server\r\n(?:[^\r\n]*\r\n)*?redis_version:(?P<version>\d[\w.]*)\r\n`), probe.High, product},
	{"redis-info-valkey", "redis", "Valkey", re(`^\$\d{1,5}\r\n# Server\r\n(?:[^\r\n]*\r\n)*?valkey_version:(?P<version>\d[\w.]*)\r\n`), probe.High, exact},

	{"memcached-error", "memcached", "", re(`^(?:ERROR\r\n)+$`), probe.Medium, weak},
	{"memcached-version", "memcached", "memcached", re(`^VERSION (?P<version>\d[\w.-]*)\r\n`), probe.High, product},
}
