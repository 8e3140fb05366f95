package service

import "encoding/binary"

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
