package request

import "encoding/binary"

// smbNegotiate is an SMB2 NEGOTIATE (MS-SMB2, sections 2.2.1.2 and 2.2.3) for
// dialects 2.0.2 to 3.0.2, behind the length of direct TCP (section 2.1). It
// opens no session.
func smbNegotiate() []byte {
	header := make([]byte, 64)
	copy(header, "\xfeSMB\x40\x00")
	header[14] = 1                                // credits wanted
	binary.LittleEndian.PutUint64(header[24:], 0) // the first message
	body := make([]byte, 36, 44)
	body[0], body[2], body[4] = 36, 4, 1 // structure size, dialects, signing enabled
	copy(body[12:], "onmux-negotiate!")
	for _, dialect := range []uint16{0x0202, 0x0210, 0x0300, 0x0302} {
		body = binary.LittleEndian.AppendUint16(body, dialect)
	}
	message := append(header, body...)
	return append([]byte{0, 0, 0, byte(len(message))}, message...)
}

// mongoHello asks a MongoDB server whether it is the primary, in the message
// that every version knows, and for its build, in the one that versions since
// 3.6 know (MongoDB wire protocol, OP_QUERY and OP_MSG). Neither needs a login.
func mongoHello() []byte {
	query := binary.LittleEndian.AppendUint32(nil, 0) // flags
	query = append(query, "admin.$cmd\x00"...)
	query = binary.LittleEndian.AppendUint32(query, 0) // skip none
	query = binary.LittleEndian.AppendUint32(query, 0xffffffff)
	query = append(query, bson("\x10isMaster\x00\x01\x00\x00\x00")...)
	build := binary.LittleEndian.AppendUint32(nil, 0) // flags
	build = append(build, 0)                          // one document follows
	build = append(build, bson("\x10buildInfo\x00\x01\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00")...)
	return append(mongoMessage(2004, query), mongoMessage(2013, build)...)
}

func bson(elements string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(4+len(elements)+1))
	return append(append(b, elements...), 0)
}

func mongoMessage(op uint32, body []byte) []byte {
	var b []byte
	for _, v := range []uint32{uint32(16 + len(body)), 0x04170417, 0, op} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, body...)
}

// tnsPing is what Oracle's tnsping sends a listener: a CONNECT packet for no
// database, answered by a refusal that contains the version. TNS has no published
// specification; the layout is that of Wireshark's packet-tns.c.
func tnsPing() []byte {
	data := "(CONNECT_DATA=(COMMAND=ping))"
	b := make([]byte, 58)
	b[4] = 1 // CONNECT
	for at, v := range map[int]uint16{0: uint16(58 + len(data)), 8: 313, 10: 300, 14: 2048, 16: 32767, 18: 0x7f08,
		22: 1, 24: uint16(len(data)), 26: 58} {
		binary.BigEndian.PutUint16(b[at:], v)
	}
	return append(b, data...)
}

// iscsiLogin is a login request of a version that no target has (RFC 7143,
// section 11.12): it is refused before anything is negotiated.
func iscsiLogin() []byte {
	b := make([]byte, 48)
	b[0], b[1] = 0x43, 0x81 // immediate login; from security to operational
	b[2], b[3] = 0xff, 0xff // version
	copy(b[16:], "\x04\x17\x04\x17")
	return b
}

// pptpStart is a Start-Control-Connection-Request (RFC 2637, section 2.1).
func pptpStart() []byte {
	b := make([]byte, 156)
	copy(b, "\x00\x9c\x00\x01\x1a\x2b\x3c\x4d\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x03")
	copy(b[28:], "onmux")
	return b
}

// adbConnect is CNXN (AOSP, packages/modules/adb, protocol.txt).
func adbConnect() []byte {
	data := "host::\x00"
	sum := uint32(0)
	for _, c := range []byte(data) {
		sum += uint32(c)
	}
	var b []byte
	for _, v := range []uint32{0x4e584e43, 0x01000000, 4096, uint32(len(data)), sum, 0x4e584e43 ^ 0xffffffff} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, data...)
}
