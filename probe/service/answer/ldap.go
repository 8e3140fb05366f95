package answer

import "bytes"

// readLDAPVendor reads the vendor's name and version (RFC 3045) in the root DSE.
func readLDAPVendor(a *Answer) (Facts, bool) {
	if len(a.Bytes) < 12 || a.Bytes[0] != 0x30 {
		return Facts{}, false
	}
	f := Facts{Product: ldapValue(a.Bytes, "vendorName"), Version: ldapValue(a.Bytes, "vendorVersion")}
	return f, f.Product != ""
}

// ldapValue is the first value of an attribute (RFC 4511, section 4.1.7), of less
// than 128 bytes; the name, too, is shorter, so that its length has one byte (X.690).
func ldapValue(b []byte, name string) string {
	_, rest, ok := bytes.Cut(b, append([]byte{0x04, byte(len(name))}, name...))
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
