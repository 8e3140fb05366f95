package service

// questions are the handshakes that identification tries when neither a
// greeting nor TLS nor a page told enough. What can be said in a fixed string is
// a row here; what needs more is a row that names a function of a file of its own.
var questions = []question{
	// RFC 9110, section 7.2: the page of the name that was asked for.
	{name: "http-host", service: "http", rarity: only, text: pageOfHost},
	// Where etcd, Kubernetes and Docker say what they are.
	{name: "http-version", service: "http", rarity: only, say: "GET /version HTTP/1.0\r\nUser-Agent: onmux\r\n\r\n",
		ports: []uint16{2375, 2376, 2379, 6443, 8001, 10250}},

	// RFC 5321, section 4.1.1.1.
	{name: "smtp-ehlo", service: "smtp", rarity: only, greeted: true, say: "EHLO onmux.invalid\r\n", bye: "QUIT\r\n"},
	// RFC 2449, section 5.
	{name: "pop3-capa", service: "pop3", rarity: only, greeted: true, say: "CAPA\r\n", bye: "QUIT\r\n"},
	// RFC 2971, section 3.1.
	{name: "imap-id", service: "imap", rarity: only, greeted: true, say: "a ID NIL\r\n", bye: "b LOGOUT\r\n"},
	// RFC 959, section 4.1.3.
	{name: "ftp-syst", service: "ftp", rarity: only, greeted: true, say: "HELP\r\n", bye: "QUIT\r\n"},

	// The section "server" holds the version and no data.
	{name: "redis-info", service: "redis", rarity: only, ports: []uint16{6379}, say: "INFO server\r\n"},
	// memcached's doc/protocol.txt, "version".
	{name: "memcached-version", service: "memcached", rarity: only, ports: []uint16{11211}, say: "version\r\n"},
}
