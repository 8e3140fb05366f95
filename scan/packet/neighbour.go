package packet

import "net/netip"

// MaxNeighbour is the length in bytes of the longest frame that PutSolicit and
// PutAdvertise write.
const MaxNeighbour = maxLink + 40 + 32

// PutSolicit writes the question "who has target?" of a Path's interface into
// buf, which must hold MaxNeighbour bytes, and returns the frame's length: an
// ARP request (RFC 826) to everybody, or a neighbour solicitation (RFC 4861) to
// the solicited-node group. It returns 0 if target is not a unicast address of
// the family of p.Src, if p is not Ethernet, or buf is too short.
func PutSolicit(buf []byte, p Path, target netip.Addr) int { return 0 }

// PutAdvertise writes the answer "p.Src is at p.MAC" to the station that asked,
// which has the address and MAC given, like PutSolicit: an ARP reply, or a
// solicited neighbour advertisement.
func PutAdvertise(buf []byte, p Path, asker netip.Addr, to MAC) int { return 0 }

// Neighbour is an ARP packet, a neighbour solicitation or an advertisement.
type Neighbour struct {
	Solicit bool       // a question, else an answer
	Target  netip.Addr // whom it is about
	From    netip.Addr // who sent it; :: for duplicate address detection
	MAC     MAC        // of the target in an answer, of the sender in a question; zero if it does not say
}

// DecodeNeighbour reads an Ethernet frame that carries one. Nothing proves such
// a packet: believe only what was asked for. It does not allocate.
func DecodeNeighbour(frame []byte) (n Neighbour, ok bool) { return n, false }
