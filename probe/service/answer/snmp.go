package answer

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

var snmpEngine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^\x30.{1,3}\x02\x01\x03\x30.\x02\x04\x41\x70\x04\x17.*?\x04.\x30.\x04[\x05-\x20]` +
		`(?P<engine>.{5})`)
})

// enterprises are a few of IANA's private enterprise numbers, of vendors of
// SNMP agents.
var enterprises = map[uint32]string{9: "Cisco", 11: "Hewlett-Packard", 311: "Microsoft", 2021: "Net-SNMP",
	2636: "Juniper", 8072: "Net-SNMP", 14988: "MikroTik", 30065: "Arista"}

// readSNMPReport reads the engine's maker (RFC 3411, section 5, SnmpEngineID).
func readSNMPReport(a *Answer) (Facts, bool) {
	m := snmpEngine().FindStringSubmatch(a.Text)
	if m == nil {
		return Facts{}, false
	}
	id := binary.BigEndian.Uint32([]byte(bytesOf(m[1]))) &^ (1 << 31)
	f := Facts{Product: enterprises[id]}
	if f.Product == "" {
		f.Info = fmt.Sprintf("enterprise %d", id)
	}
	return f, true
}

var snmpDescription = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^\x30.{1,3}\x02\x01\x00\x04\x06public\xa2.{1,3}\x02\x01\x17.*\x06\x08\x2b\x06\x01` +
		`\x02\x01\x01\x01\x00(?:\x04(?:[\x00-\x7f]|\x81.|\x82..))?([^\x00]*)`)
})

// readSNMP reads sysDescr.0.
func readSNMP(a *Answer) (Facts, bool) {
	m := snmpDescription().FindStringSubmatch(a.Text)
	if m == nil {
		return Facts{}, false
	}
	text := strings.Join(strings.Fields(bytesOf(m[1])), " ")
	return Facts{Info: text, Description: text}, true
}
