package hostport

import (
	"strings"

	"onmux/probe"
	"onmux/probe/ports"
)

// portOf is the port that a URL with a scheme and no port means, and the protocol of one
// with a port, as a suffix: "443" and "/tcp". The port is "" if the scheme is not known.
func portOf(scheme string) (port, proto string) {
	if port, proto = usual(scheme); port != "" {
		return port, proto
	}
	if main, way, ok := strings.Cut(scheme, "+"); ok {
		if port, proto = usual(way); port == "" { // git+ssh
			port, proto = usual(main) // postgresql+psycopg
		}
	}
	return port, proto
}

// usual is portOf for a scheme that has no parts. Schemes are those of IANA's registry of
// them, and those that clients document for their connection strings; most have the port
// of the service of that name.
func usual(scheme string) (port, proto string) {
	switch scheme {
	case "tcp", "tls", "ssl":
		return "", "/tcp"
	case "udp", "dtls", "quic":
		return "", "/udp"
	case "coap", "coaps", "ntp", "snmp", "tftp":
		return number(scheme, probe.UDP), "/udp"
	case "sip", "stun": // over both
		return number(scheme, probe.TCP), ""
	case "dns": // RFC 4501
		return "53", ""
	case "turn": // RFC 7065
		return "3478", ""
	case "syslog":
		return "514", "/udp"
	case "ws": // RFC 6455
		scheme = "http"
	case "wss":
		scheme = "https"
	case "sftp", "scp":
		scheme = "ssh"
	case "postgres":
		scheme = "postgresql"
	case "mariadb":
		scheme = "mysql"
	case "valkey":
		scheme = "redis"
	case "rediss", "valkeys":
		return "6379", "/tcp"
	case "mqtts":
		scheme = "secure-mqtt"
	case "nfs":
		return "2049", "/tcp"
	case "smb", "cifs":
		scheme = "microsoft-ds"
	case "irc": // not 194, which is IANA's
		return "6667", "/tcp"
	case "ircs":
		return "6697", "/tcp"
	case "vnc": // RFC 7869
		scheme = "rfb"
	case "rdp":
		scheme = "ms-wbt-server"
	case "sqlserver", "mssql":
		return "1433", "/tcp"
	case "mongodb":
		return "27017", "/tcp"
	case "nats":
		return "4222", "/tcp"
	case "xmpp":
		scheme = "xmpp-client"
	}
	return number(scheme, probe.TCP), "/tcp"
}

// number is the port of a service's name, or "".
func number(name string, proto probe.Proto) string {
	if name == "common" || strings.Trim(name, "0123456789-,") == "" {
		return ""
	}
	found, err := ports.Parse([]string{name}, []probe.Proto{proto})
	if err != nil || len(found) != 1 {
		return ""
	}
	port, _, _ := strings.Cut(found[0].String(), "/")
	return port
}
