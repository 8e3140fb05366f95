package listen

import (
	"strconv"

	"github.com/google/gopacket/layers"
)

// optionName is the name of a TCP option (IANA, TCP Option Kind Numbers); padding has none.
func optionName(k layers.TCPOptionKind) string {
	switch k {
	case layers.TCPOptionKindEndList, layers.TCPOptionKindNop:
		return ""
	case layers.TCPOptionKindMSS:
		return "mss"
	case layers.TCPOptionKindWindowScale:
		return "window-scale"
	case layers.TCPOptionKindSACKPermitted:
		return "sack"
	case layers.TCPOptionKindTimestamps:
		return "timestamps"
	case 34: // RFC 7413
		return "fast-open"
	}
	return strconv.Itoa(int(k))
}
