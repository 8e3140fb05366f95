package answer

import (
	"bytes"
	"encoding/binary"
)

// loginHead is how much of a login precedes its strings, which are a name and a password
// and must not be reported.
const loginHead = 14

// readMeetingMakerLogin recognises what a Meeting Maker client sends first, to any server. As posted to Bugtraq on
// 2000-04-24: 38, seven bytes,
// 00 00 24 55, whether the password is obfuscated (7F FF) or not (FF FF), and
// strings, each behind its length and one in four bytes, and its length in one.
func readMeetingMakerLogin(a *Answer) (Facts, bool) {
	b := a.Bytes
	if len(b) < loginHead || b[0] != 0x38 || !bytes.Equal(b[8:12], []byte("\x00\x00\x24\x55")) || b[12] != 0x7f &&
		b[12] != 0xff || b[13] != 0xff {
		return Facts{}, false
	}
	if text := b[loginHead:]; len(text) >= 5 && binary.BigEndian.Uint32(text) != uint32(text[4])+1 {
		return Facts{}, false
	}
	return Facts{Product: "Meeting Maker client", Info: "a client's login"}, true
}
