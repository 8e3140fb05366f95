package request

import (
	"encoding/binary"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// ID is the number in the first two bytes of a DNS message of ours, and of its answer.
const ID = 0x0417

// dnsQuery is a message with one question, which does not ask for recursion (RFC
// 1035, section 4.1).
func dnsQuery(name string, kind dnsmessage.Type, class dnsmessage.Class) []byte {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: ID})
	question := dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: kind, Class: class}
	_ = b.StartQuestions() // these cannot fail: the names are constants, and the order is right
	_ = b.Question(question)
	message, _ := b.Finish()
	return message
}

// rootServers asks for the name servers of the root.
func rootServers() []byte { return dnsQuery(".", dnsmessage.TypeNS, dnsmessage.ClassINET) }

// noQuestion is a header alone (RFC 1035, section 4.1.1).
func noQuestion() []byte {
	b := make([]byte, 12)
	b[0], b[1] = ID>>8, ID&0xff
	return b
}

// versionBind asks for the server's software (RFC 4892, section 3, on its predecessor).
func versionBind() []byte {
	return dnsQuery("version.bind.", dnsmessage.TypeTXT, dnsmessage.ClassCHAOS)
}

// serviceTypes asks a multicast DNS responder for its types of services (RFC 6763,
// section 9). It answers by unicast, since the query does not come from port 5353
// (RFC 6762, section 6.7).
func serviceTypes() []byte {
	return dnsQuery("_services._dns-sd._udp.local.", dnsmessage.TypePTR, dnsmessage.ClassINET)
}

// nodeStatus asks for the node status of the NetBIOS name "*" (RFC 1002, section
// 4.2.17), which is encoded as RFC 1001, section 14.1, describes.
func nodeStatus() []byte {
	const typeNBSTAT dnsmessage.Type = 0x21
	return dnsQuery("CK"+strings.Repeat("A", 30)+".", typeNBSTAT, dnsmessage.ClassINET)
}

// dnsStream builds messages as they are sent over TCP, each after its length (RFC
// 1035, section 4.2.2).
func dnsStream(messages ...func() []byte) func() []byte {
	return func() []byte {
		var b []byte
		for _, message := range messages {
			m := message()
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(m))), m...)
		}
		return b
	}
}
