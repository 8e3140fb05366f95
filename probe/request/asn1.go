package request

import "encoding/binary"

// rootDSE searches the entry that every LDAP server has about itself (RFC 4512,
// section 5.1): base object, no filter but presence, and only the attributes
// that name the software (RFC 3045 for the vendor's).
func rootDSE() []byte {
	var attributes []byte
	for _, a := range []string{"objectClass", "vendorName", "vendorVersion", "supportedLDAPVersion",
		"rootDomainNamingContext", "isGlobalCatalogReady", "supportedExtension"} {
		attributes = append(attributes, ber(0x04, []byte(a))...)
	}
	search := ber(0x63, // [APPLICATION 3] SearchRequest
		ber(0x04, nil),                   // the root
		[]byte{0x0a, 1, 0},               // baseObject
		[]byte{0x0a, 1, 0},               // neverDerefAliases
		[]byte{0x02, 1, 1},               // one entry
		[]byte{0x02, 1, 5},               // five seconds
		[]byte{0x01, 1, 0},               // with values
		ber(0x87, []byte("objectClass")), // present
		ber(0x30, attributes))
	return ber(0x30, []byte{0x02, 1, 7}, search)
}

// ber is an element in the basic encoding rules (X.690), of less than 64 KiB.
func ber(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := []byte{tag}
	switch {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x100:
		b = append(b, 0x81, byte(n))
	default:
		b = append(b, 0x82, byte(n>>8), byte(n))
	}
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// snmpDiscovery is a get without a user (RFC 3414, section 4; RFC 3412, section
// 6): the engine reports its name.
func snmpDiscovery() []byte {
	id := []byte{0x02, 4, 0x41, 0x70, 0x04, 0x17}
	header := ber(0x30, id, []byte{0x02, 2, 0x05, 0xdc, 0x04, 1, 4, 0x02, 1, 3}) // reportable, user-based
	security := ber(0x04, ber(0x30, []byte{0x04, 0, 0x02, 1, 0, 0x02, 1, 0, 0x04, 0, 0x04, 0, 0x04, 0}))
	pdu := ber(0xa0, id, []byte{0x02, 1, 0, 0x02, 1, 0, 0x30, 0})
	return ber(0x30, []byte{0x02, 1, 3}, header, security, ber(0x30, []byte{0x04, 0, 0x04, 0}, pdu))
}

// kerberosRequest is an AS-REQ (RFC 4120, section 5.4.1) in a realm that no
// server has: the answer is an error, and nothing is authenticated.
func kerberosRequest() []byte {
	realm := ber(0x1b, []byte("ONMUX.INVALID"))
	name := func(kind byte, parts ...string) []byte {
		var strings []byte
		for _, p := range parts {
			strings = append(strings, ber(0x1b, []byte(p))...)
		}
		return ber(0x30, ber(0xa0, []byte{0x02, 1, kind}), ber(0xa1, ber(0x30, strings)))
	}
	body := ber(0x30,
		ber(0xa0, []byte{0x03, 5, 0, 0, 0, 0, 0}),
		ber(0xa1, name(1, "onmux")),
		ber(0xa2, realm),
		ber(0xa3, name(2, "krbtgt", "ONMUX.INVALID")),
		ber(0xa5, ber(0x18, []byte("20370101000000Z"))),
		ber(0xa7, []byte{0x02, 4, 0x04, 0x17, 0x04, 0x17}),
		ber(0xa8, ber(0x30, []byte{0x02, 1, 18, 0x02, 1, 17})))
	return ber(0x6a, ber(0x30, ber(0xa1, []byte{0x02, 1, 5}), ber(0xa2, []byte{0x02, 1, 10}), ber(0xa4, body)))
}

// kerberosStream is the same over TCP, behind its length (section 7.2.2).
func kerberosStream() []byte {
	b := kerberosRequest()
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}
