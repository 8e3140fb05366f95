package answer

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"onmux/probe/request"
)

// listed is what identification promises to know, and by which service and
// product the tests must have recognised it. It has a product where several things
// share a service.
var listed = []struct{ what, service, product string }{
	{"meetingmaker", "meetingmaker", "Meeting Maker"},
	{"ssh", "ssh", ""}, {"http", "http", ""}, {"tls", "tls", ""}, {"smtp", "smtp", ""}, {"ftp", "ftp", ""},
	{"imap", "imap", ""}, {"pop3", "pop3", ""}, {"telnet", "telnet", ""}, {"vnc", "vnc", ""},
	{"mysql", "mysql", "MySQL"}, {"mariadb", "mysql", "MariaDB"}, {"postgresql", "postgresql", ""}, {"redis", "redis", ""},
	{"memcached", "memcached", ""}, {"mongodb", "mongodb", ""}, {"mqtt", "mqtt", ""}, {"amqp", "amqp", ""},
	{"nats", "nats", ""}, {"ldap", "ldap", ""}, {"smb", "smb", ""}, {"rdp", "rdp", ""}, {"mssql", "mssql", ""},
	{"oracle-tns", "oracle-tns", ""}, {"dns", "dns", ""}, {"epmd", "epmd", ""}, {"rsync", "rsync", ""}, {"socks",
		"socks", ""},
	{"http-proxy", "http-proxy", ""}, {"x11", "x11", ""}, {"rtsp", "rtsp", ""}, {"sip", "sip", ""}, {"irc", "irc", ""},
	{"xmpp", "xmpp", ""}, {"nntp", "nntp", ""}, {"zookeeper", "zookeeper", ""}, {"kafka", "kafka", ""},
	{"cassandra", "cassandra", ""}, {"elasticsearch", "http", "Elasticsearch"}, {"etcd", "http", "etcd"},
	{"docker", "http", "Docker Engine"}, {"kubernetes api", "http", "Kubernetes"}, {"prometheus exporters", "http",
		"Prometheus exporter"},
	{"h2c/grpc", "h2c", ""}, {"websocket", "http", ""}, {"ipp", "ipp", ""}, {"tcpmux", "tcpmux", ""}, {"finger",
		"finger", ""},
	{"ident", "ident", ""}, {"echo", "echo", ""}, {"daytime", "daytime", ""}, {"chargen", "chargen", ""},
	{"time", "time", ""}, {"bgp", "bgp", ""}, {"pptp", "pptp", ""}, {"adb", "adb", ""}, {"rpcbind", "rpcbind", ""},
	{"iscsi", "iscsi", ""}, {"nbd", "nbd", ""}, {"git", "git", ""}, {"svn", "svn", ""}, {"mpd", "mpd", ""},
	{"beanstalk", "beanstalk", ""}, {"clamd", "clamd", ""}, {"gpsd", "gpsd", ""},
}

// listedUDP is the same over UDP: the request that drew the answer counts.
var listedUDP = []struct{ request, service string }{
	{"dns", "dns"}, {"snmp-v1", "snmp"}, {"snmp-v3", "snmp"}, {"ntp", "ntp"}, {"stun", "stun"}, {"sip", "sip"}, {"coap",
		"coap"},
	{"cldap", "ldap"}, {"netbios-ns", "netbios-ns"}, {"mdns", "mdns"}, {"ssdp", "ssdp"}, {"memcached", "memcached"},
	{"tftp", "tftp"}, {"rpcbind", "rpcbind"}, {"ike", "isakmp"}, {"openvpn", "openvpn"}, {"rip", "rip"}, {"ipmi", "ipmi"},
	{"quic", "quic"}, {"dtls", "dtls"}, {"radius", "radius"}, {"kerberos", "kerberos"},
}

// allReplies has every answer in the tests, and what is recognised in it.
func allReplies(t *testing.T) []captured {
	all := slices.Concat(fromSpecified(), corpus(t))
	for _, g := range firstReplies {
		all = append(all, captured{"", "wait", g.rule, g.service, g.product, g.version, g.reply})
	}
	return all
}

func fromSpecified() (all []captured) {
	for _, c := range specified {
		all = append(all, captured{"", c.request, c.rule, c.service, c.product, c.version, c.reply})
	}
	return all
}

// Everything on the list is recognised in an answer in the tests, and requested over
// UDP by a datagram of its own. RFC 863's discard sends nothing, ever: it is
// "unknown", as is whatever else keeps silent.
func TestListed(t *testing.T) {
	t.Parallel()
	if n := len(listed) + len(listedUDP); n != 65+22 {
		t.Errorf("%d names on the list", n)
	}
	clock := binary.BigEndian.AppendUint32(nil, uint32(time.Now().Unix()+2208988800))
	all := append(allReplies(t),
		captured{"RFC 868", Waiting, "time", "time", "", "", string(clock)},
		captured{"RFC 862", request.HTTP.Name, "echo", "echo", "", "", string(request.HTTP.Bytes(""))})
	matches := make([]Match, len(all))
	for i, c := range all {
		matches[i], _ = Recognise(New(c.request, message(c.request), []byte(c.reply)))
	}
	for _, l := range listed {
		if !slices.ContainsFunc(matches, func(m Match) bool {
			return m.Rule != nil && m.Service == l.service && (l.product == "" || m.Facts.Product == l.product)
		}) {
			t.Errorf("%s: no answer in the tests is recognised as %s %s", l.what, l.service, l.product)
		}
	}
	for _, l := range listedUDP {
		if !slices.ContainsFunc(request.UDP(), func(q *request.Request) bool {
			return q.Name == l.request && q.Service == l.service
		}) {
			t.Errorf("%s: no datagram requests it", l.request)
		}
		if !slices.ContainsFunc(all, func(c captured) bool { return c.service == l.service && c.request == l.request }) {
			t.Errorf("%s: no answer to it in the tests is recognised as %s", l.request, l.service)
		}
	}
}
