package probe

// Payload is the datagram that asks a UDP port: a harmless question in the
// language of the service registered there, since most services ignore a
// datagram that they cannot read; nil, an empty datagram, for all other ports.
// None asks for an answer much larger than itself. The caller must not change
// the bytes.
func Payload(port uint16) []byte { return nil }
