package service

import "bytes"

// rootDSE searches the entry that every LDAP server has about itself (RFC 4512,
// section 5.1): base object, no filter but presence, and only the attributes
// that tell the software (RFC 3045 for the vendor's).
func rootDSE() []byte {
	var attributes []byte
	for _, a := range []string{"objectClass", "vendorName", "vendorVersion", "supportedLDAPVersion", "rootDomainNamingContext", "isGlobalCatalogReady"} {
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

// readLDAPVendor reads the vendor's name and version (RFC 3045) in the root DSE.
func readLDAPVendor(a *answer) (facts, bool) {
	if len(a.bytes) < 12 || a.bytes[0] != 0x30 {
		return facts{}, false
	}
	f := facts{product: ldapValue(a.bytes, "vendorName"), version: ldapValue(a.bytes, "vendorVersion")}
	return f, f.product != ""
}

// ldapValue is the first value of an attribute (RFC 4511, section 4.1.7), of
// less than 128 bytes.
func ldapValue(b []byte, name string) string {
	_, rest, ok := bytes.Cut(b, ber(0x04, []byte(name)))
	if !ok || len(rest) < 2 || rest[0] != 0x31 {
		return ""
	}
	rest = rest[1:]
	if n := rest[0]; n >= 0x80 { // the length of the set, in more bytes
		rest = rest[min(len(rest), int(n&0x7f)):]
	}
	if len(rest) < 3 || rest[1] != 0x04 || rest[2] >= 0x80 || len(rest) < 3+int(rest[2]) {
		return ""
	}
	return string(rest[3 : 3+int(rest[2])])
}
