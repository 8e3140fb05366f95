package answer

import (
	"encoding/binary"
	"strings"
)

// MySQL's error messages reference: the codes of an error in place of a greeting.
const (
	mysqlTooMany      = 1040 // ER_CON_COUNT_ERROR
	mysqlBadHost      = 1043 // ER_HANDSHAKE_ERROR
	mysqlBlocked      = 1129 // ER_HOST_IS_BLOCKED
	mysqlNotAllowed   = 1130 // ER_HOST_NOT_PRIVILEGED
	mysqlUserTooMany  = 1203 // ER_TOO_MANY_USER_CONNECTIONS
	mysqlLimitReached = 1226 // ER_USER_LIMIT_REACHED
)

// readMySQLError recognises an ERR packet (MySQL client/server protocol, "ERR_Packet") that a
// server in trouble sends in place of its greeting: too many connections, the host is blocked.
func readMySQLError(a *Answer) (Facts, bool) {
	b := a.Bytes
	if len(b) < 9 || len(b) < 4+int(b[0])+int(b[1])<<8 || b[2] != 0 || b[3] > 1 || b[4] != 0xff {
		return Facts{}, false
	}
	text := string(b[7 : 4+int(b[0])+int(b[1])<<8])
	switch binary.LittleEndian.Uint16(b[5:]) {
	case mysqlTooMany, mysqlBadHost, mysqlBlocked, mysqlNotAllowed, mysqlUserTooMany, mysqlLimitReached:
	default:
		return Facts{}, false
	}
	if len(text) > 6 && text[0] == '#' { // the state of SQL
		text = text[6:]
	}
	f := Facts{Info: text}
	switch {
	case strings.Contains(text, "MariaDB") || strings.Contains(text, "mariadb-admin"):
		f.Product = "MariaDB"
	case strings.Contains(text, "MySQL server"):
		f.Product = "MySQL"
		f.doubtful = true
	}
	return f, true
}
