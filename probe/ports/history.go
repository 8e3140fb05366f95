package ports

import "slices"

// Fact is one thing that is known of a port, and its source.
type Fact struct {
	Fact   string `json:"fact"`
	Source string `json:"source"`
}

const (
	bugtraq      = "Bugtraq (24 April 2000)"
	ianaRegistry = "IANA's port registry"
)

// histories have what is known of ports beyond their names. Each entry is
// in its source, and a guess is called one.
var histories = map[uint16][]Fact{
	417: {
		{"Listed as onmux for TCP and UDP, with Stephen Hanna as contact.", "RFC 1700 (October 1994), page 32"},
		{"The list before it does not have it.", "RFC 1340 (July 1992)"},
		{"Today's registry has it for both, with Stephen Hanna as assignee and contact, and with neither a date nor a " +
			"document.", ianaRegistry},
		{"No specification was ever published, and nobody wrote down what Onmux stands for.", "none was found"},
		{"The name suggests a multiplexer (mux) of ON Technology, whose product used the port.",
			"a guess: no source says so"},
		{"Meeting Maker used it: the group calendar of ON Technology, from 1991 on.", "nmap-services; dsniff; " + bugtraq},
		{"nmap's table of ports remarks \"Meeting maker\" on 417, TCP and UDP.", "nmap-services"},
		{"dsniff calls 417 and 2417, TCP and UDP, mmxp.", "dsniff"},
		{"Meeting Maker's login on TCP did not encrypt the password, it only obfuscated it.", "CVE-2000-0326; " + bugtraq},
		{"Over TCP the server speaks first, exactly two bytes: C1 2C. The client's login starts with the byte 38 and has " +
			"00 00 24 55 as bytes 8 to 11.", bugtraq},
		{"That UDP was used is attested by tables of ports alone; nothing says what it carried.", "nmap-services; dsniff"},
		{"macOS and FreeBSD have the name in /etc/services, Debian has not.", "their /etc/services"},
		{"The same software has two later registrations: mmcals on 2271 and mmcal on 2272.", ianaRegistry + " (2004)"},
		{"No public source shows a real service on it today: the hits that were published are hosts that answer on many " +
			"ports (decoys, middleboxes). So an open port 417 alone is weak evidence; compare it with other ports of " +
			"the host.", "published scans"},
	},
	2271: {{"mmcals belongs to Meeting Maker, which also used port 417.", ianaRegistry + " (2004)"}},
	2272: {{"mmcal belongs to Meeting Maker, which also used port 417.", ianaRegistry + " (2004)"}},
	2417: {{"dsniff takes it, like 417, for mmxp: Meeting Maker.", "dsniff"}},
}

// History is what is known of a port beyond its names, the earliest and best attested
// first; for most ports that is nothing.
func History(port uint16) []Fact { return slices.Clone(histories[port]) }
