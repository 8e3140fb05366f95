package listen

import (
	"encoding/binary"
	"strconv"
)

// parseSYN reads an IP header and the TCP header behind it (RFC 791, RFC 8200, RFC 9293): what the
// segment states, nil if it is none, and the TTL. Extension headers of IPv6 are not passed over.
func parseSYN(b []byte) (*SYN, uint8) {
	const tcp = 6
	var ttl, next uint8
	var header int
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		ttl, next, header = b[8], b[9], int(b[0]&15)*4
	case len(b) >= 40 && b[0]>>4 == 6:
		ttl, next, header = b[7], b[6], 40
	default:
		return nil, 0
	}
	if next != tcp || header < 20 || len(b) < header+20 {
		return nil, ttl
	}
	b = b[header:]
	s := &SYN{Window: binary.BigEndian.Uint16(b[14:])}
	end := min(int(b[12]>>4)*4, len(b))
	for options := b[20:max(end, 20)]; len(options) > 0; {
		kind := options[0]
		if kind == 0 { // the end
			break
		}
		if kind == 1 { // padding
			options = options[1:]
			continue
		}
		if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
			break
		}
		data := options[2:options[1]]
		switch {
		case kind == optionMSS && len(data) == 2:
			s.MSS = binary.BigEndian.Uint16(data)
		case kind == optionScale && len(data) == 1:
			s.Scale = &data[0]
		}
		s.Options = append(s.Options, optionName(kind))
		options = options[options[1]:]
	}
	return s, ttl
}

// Kinds of TCP options (IANA, TCP Option Kind Numbers).
const (
	optionMSS        = 2
	optionScale      = 3
	optionSACK       = 4
	optionTimestamps = 8
	optionMultipath  = 30
	optionFastOpen   = 34
)

// optionName is the name of a kind, or its number.
func optionName(kind uint8) string {
	switch kind {
	case optionMSS:
		return "mss"
	case optionScale:
		return "window-scale"
	case optionSACK:
		return "sack"
	case optionTimestamps:
		return "timestamps"
	case optionMultipath:
		return "mptcp"
	case optionFastOpen:
		return "fast-open"
	}
	return strconv.Itoa(int(kind))
}
