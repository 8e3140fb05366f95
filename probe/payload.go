package probe

// Payload is the datagram that asks a UDP port first: Payloads(port)[0].
func Payload(port uint16) []byte { return Payloads(port)[0] }

// PayloadOf is the datagram of a port's try, counted from 1: Payloads in turn, and
// then from the first again. 0 is 1.
func PayloadOf(port uint16, try int) []byte {
	all := Payloads(port)
	return all[max(try-1, 0)%len(all)]
}

// Moves reports whether what answers the PayloadOf a port's try may come from
// another port of the host: a TFTP server takes one of its own for each file (RFC
// 1350, section 4).
func Moves(port uint16, try int) bool {
	b := PayloadOf(port, try)
	return len(b) > 0 && &b[0] == &askFile[0]
}

// Payloads are the datagrams that ask a UDP port, one for each try in turn:
// harmless questions in the language of the service registered there, since
// most services ignore a datagram that they cannot read. A port of which
// nothing is known, such as 417, is sent an empty datagram first, which some
// services answer and none can misread, and then what the commonest services
// speak. There is at least one.
//
// No question changes anything at the peer, and none is of the kind that
// amplifiers are known for. The caller must change neither list nor bytes.
func Payloads(port uint16) [][]byte {
	if p, ok := payloads[port]; ok {
		return p
	}
	return anyPort
}

// payloads by port. A registered port stands here with an empty datagram alone
// if its service would take down what it hears, or serves other machines by it.
var payloads = map[uint16][][]byte{
	7:     {askEcho},
	9:     {nil}, // discard, and wake on LAN
	13:    {askText},
	17:    {askText},
	19:    {askText},
	37:    {askText},
	53:    {askRoot, askVersion},
	67:    {nil}, // DHCP
	68:    {nil},
	69:    {askFile},
	111:   {askPortmap, askRpcbind},
	123:   {askTime, askTime3},
	137:   {askNodeStatus},
	161:   {askSystem, askSystem2, askEngine},
	162:   {nil}, // SNMP traps
	177:   {askDisplay},
	389:   {askRootDSE},
	443:   {askQUIC},
	500:   {askIKE},
	514:   {nil}, // syslog
	623:   {askManagement, askChannel},
	853:   {askQUIC},
	1900:  {askUPnP},
	2049:  {askNFS},
	3478:  {askSTUN},
	4500:  {askIKEOverNAT},
	5060:  {askSIP},
	5351:  {askExternal, askAnnounce},
	5353:  {askServices},
	5683:  {askCoAP},
	11211: {askMemcached},
}

// anyPort starts with what is answered most and ends with what is seldom moved
// to another port.
var anyPort = [][]byte{
	nil, askRoot, askText, askPortmap, askSystem, askTime, askSTUN, askSIP, askCoAP, askFile, askIKE, askNodeStatus,
	askRootDSE, askEngine, askMemcached,
}
