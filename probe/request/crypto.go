package request

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
)

// ikeInit is an IKE_SA_INIT (RFC 7296, sections 3.1 to 3.9) with one proposal
// that a responder may refuse.
func ikeInit() []byte {
	transforms := []byte("\x03\x00\x00\x0c\x01\x00\x00\x0c\x80\x0e\x00\x80" + // AES-CBC, 128 bits
		"\x03\x00\x00\x08\x02\x00\x00\x02" + // PRF-HMAC-SHA1
		"\x03\x00\x00\x08\x03\x00\x00\x02" + // HMAC-SHA1-96
		"\x00\x00\x00\x08\x04\x00\x00\x0e") // MODP 2048
	proposal := append([]byte{0, 0, 0, byte(8 + len(transforms)), 1, 1, 0, 4}, transforms...)
	sa := append([]byte{34, 0, 0, byte(4 + len(proposal))}, proposal...) // KE follows
	ke := make([]byte, 8+256)
	ke[0] = 40 // a nonce follows
	binary.BigEndian.PutUint16(ke[2:], uint16(len(ke)))
	ke[5] = 14
	for i := range ke[8:] {
		ke[8+i] = byte(i*7 + 3)
	}
	nonce := append([]byte{0, 0, 0, 4 + 32}, "onmux-417-onmux-417-onmux-417-on"...)
	b := append([]byte("onmux417"), make([]byte, 8)...)
	b = append(b, 33, 0x20, 34, 0x08, 0, 0, 0, 0) // SA follows; version 2.0, IKE_SA_INIT, initiator, message 0
	b = binary.BigEndian.AppendUint32(b, uint32(28+len(sa)+len(ke)+len(nonce)))
	return append(append(append(b, sa...), ke...), nonce...)
}

// ikeInitOverNAT is the same behind the marker that ESP leaves free (RFC 3948,
// section 2.2).
func ikeInitOverNAT() []byte { return append(make([]byte, 4), ikeInit()...) }

// quicInitial is a long header of a version that does not exist (RFC 9000,
// sections 15 and 17.2), padded to the least size of an Initial (section 14.1).
func quicInitial() []byte {
	b := make([]byte, 1200)
	copy(b, "\xc0\x1a\x2a\x3a\x4a\x08onmux417\x08src-4170")
	return b
}

// dtlsHello is a ClientHello of DTLS 1.2 without a cookie (RFC 6347, section
// 4.2.1): the server only sends one.
func dtlsHello() []byte {
	var body []byte
	body = append(body, 0xfe, 0xfd)
	body = append(body, "onmux-417-onmux-417-onmux-417-on"...) // random
	body = append(body, 0, 0)                                  // no session, no cookie
	suites := []uint16{0xc02b, 0xc02f, 0xc02c, 0xc030, 0xc009, 0xc013, 0xc00a, 0xc014, 0x009c, 0x002f, 0x0035, 0xc0ac,
		0xc0ae, 0x00a8, 0x008c}
	body = binary.BigEndian.AppendUint16(body, uint16(2*len(suites)))
	for _, s := range suites {
		body = binary.BigEndian.AppendUint16(body, s)
	}
	body = append(body, 1, 0)                                                 // no compression
	extensions := []byte("\x00\x0a\x00\x08\x00\x06\x00\x1d\x00\x17\x00\x18" + // groups
		"\x00\x0b\x00\x02\x01\x00" + // uncompressed points
		"\x00\x0d\x00\x0e\x00\x0c\x04\x03\x08\x04\x04\x01\x05\x03\x05\x01\x02\x01") // signatures
	body = binary.BigEndian.AppendUint16(body, uint16(len(extensions)))
	body = append(body, extensions...)
	n := len(body)
	message := append([]byte{1, 0, byte(n >> 8), byte(n), 0, 0, 0, 0, 0, 0, byte(n >> 8), byte(n)}, body...)
	record := []byte{22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0}
	record = binary.BigEndian.AppendUint16(record, uint16(len(message)))
	return append(record, message...)
}

// radiusStatus is a Status-Server (RFC 5997), authenticated with an empty
// secret: a server answers clients that it knows.
func radiusStatus() []byte {
	b := make([]byte, 38)
	copy(b, "\x0c\x17\x00\x26onmux-417-onmux4")
	b[20], b[21] = 80, 18 // Message-Authenticator (RFC 3579, section 3.2)
	mac := hmac.New(md5.New, nil)
	mac.Write(b)
	copy(b[22:], mac.Sum(nil))
	return b
}
