package service

import (
	"onmux/probe/request"
	"onmux/probe/service/answer"
)

// Requests that package request does not have.
var (
	// Nothing is sent. The ports are those of protocols whose server sends first.
	waiting = request.Request{Name: answer.Waiting, Ports: []uint16{
		21, 22, 24, 25, 26, 110, 119, 143, 220, 433, 587, 873, 2525, 2628, 3306, 4190, 5900, 5901, 5902, 5903}}
	clientHello = request.Request{Name: answer.ClientHello, Service: "tls", Ports: []uint16{
		443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 5061, 5671, 5986, 6443, 6697, 8443, 8883, 9443,
		64738}}
)

// moreHellos are for TLS servers that reject clientHello: one that requires HTTP/2, and an
// old one.
var moreHellos = []request.Request{
	{Name: "tls-h2", Service: "tls", Rarity: request.Rare},
	{Name: "tls-old", Service: "tls", Rarity: request.Rare},
}

// testDNS is the request that load balancers of DNS answer themselves.
const testDNS = "dns-empty"

// greetsInTLS are the ports of protocols inside TLS whose server sends first.
var greetsInTLS = []uint16{465, 563, 990, 992, 993, 994, 995, 6697, 64738}

// reaction is what a server does with a request that it cannot read.
type reaction uint8

const (
	notObserved reaction = iota
	closes               // it closes the connection after it has read all
	resets               // it closes it before: TCP makes that a reset (RFC 9293, section 3.6)
	ends                 // either
	waits                // it waits for the rest
	replies              // it sends something
)

// contradicts reports how much r contradicts a usual reaction: 2 for one of another kind,
// 1 for the other way to end a connection.
func (r reaction) contradicts(usual reaction) int {
	switch {
	case r == notObserved || r == usual || usual == ends && r != waits || r == ends && usual != waits:
		return 0
	case r == waits || usual == waits || usual == replies:
		return 2
	}
	return 1
}

// reactions has, by service, what its servers do with requests of others: which requests are worth sending
// depends on it, and on the Rarity of their service. They were measured at the servers of testdata/servers.sh;
// others follow from the length or the magic number that the protocol begins with.
var reactions = map[string]map[string]reaction{
	"tls":        {"http": ends},
	"postgresql": {"http": ends, "tls": ends},
	"ldap":       {"http": waits, "tls": closes, "postgresql": closes},
	"smb":        {"http": waits, "tls": waits, "postgresql": waits, "ldap": waits},
	"mqtt":       {"http": resets, "tls": resets, "postgresql": resets},
	"mongodb":    {"http": replies},
	"dns":        {"http": waits, "tls": waits, "postgresql": ends},
	"rdp":        {"http": waits},
	"mssql":      {"http": resets, "tls": resets},
	"x11":        {"http": closes, "tls": closes, "postgresql": waits},
	"kafka":      {"http": resets, "tls": resets, "postgresql": waits},
	"git":        {"http": resets, "tls": resets, "postgresql": resets},
	"iscsi":      {"http": waits, "ldap": resets},
	"rpcbind":    {"http": resets, "tls": resets, "postgresql": waits},
	"epmd":       {"http": closes, "tls": closes, "postgresql": closes},
	"zabbix":     {"http": closes, "tls": closes, "postgresql": closes},
	"firebird":   {"http": closes, "tls": closes, "postgresql": closes},
	"i2p-sam":    {"http": closes, "tls": closes, "postgresql": closes},
	"quassel":    {"http": closes, "tls": closes, "postgresql": waits},
	"socks":      {"http": ends, "tls": ends, "postgresql": ends},
	"zookeeper":  {"http": ends, "tls": ends, "postgresql": waits},
	"oracle-tns": {"http": ends, "tls": ends, "postgresql": ends},
	"h2c":        {"http": ends, "tls": ends, "postgresql": ends},
	"memcached":  {"http": closes, "tls": waits, "postgresql": waits},
	"sip":        {"http": closes, "tls": waits, "postgresql": waits},
	// Tor's port for CONNECT: it answers a request for a page only by name.
	"http": {"http": closes, "tls": waits, "postgresql": waits},
	"stun": {"http": resets, "tls": waits, "postgresql": waits},
}
