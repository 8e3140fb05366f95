package answer

import (
	"bytes"
	"encoding/binary"
)

// readAMQPStart reads the server's properties in Connection.Start (AMQP 0-9-1,
// section 1.4.2.1).
func readAMQPStart(a *Answer) (Facts, bool) {
	b := a.Bytes
	if len(b) < 14 || string(b[:3]) != "\x01\x00\x00" || string(b[7:13]) != "\x00\x0a\x00\x0a\x00\x09" {
		return Facts{}, false
	}
	f := Facts{Product: amqpString(b, "product"), Version: amqpString(b, "version")}
	return f, f.Product != ""
}

// amqpString is the long string of that name in a table (section 4.2.5.5).
func amqpString(b []byte, name string) string {
	_, rest, ok := bytes.Cut(b, append([]byte{byte(len(name))}, name+"S"...))
	if !ok || len(rest) < 4 {
		return ""
	}
	n := binary.BigEndian.Uint32(rest)
	if uint64(n) > uint64(len(rest)-4) {
		return ""
	}
	return string(rest[4 : 4+n])
}
