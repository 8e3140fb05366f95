package listen

import (
	"net"
	"net/netip"
	"time"

	"onmux/probe"
	"onmux/probe/wording"
)

// Arrival is a client's connection or datagram, and the record of type "arrival" in documents.
type Arrival struct {
	Time       time.Time   `json:"time"`
	Proto      probe.Proto `json:"proto"`
	Client     netip.Addr  `json:"client"`
	ClientPort uint16      `json:"client_port"`
	Address    netip.Addr  `json:"address"` // of this machine, that it came to
	Port       uint16      `json:"port"`
	Interface  string      `json:"interface,omitempty"`
	TTL        uint8       `json:"ttl,omitzero"`    // of the SYN or the datagram; 0 is not known
	Bytes      int         `json:"bytes"`           // of a datagram, or that a connection sent at first
	Data       string      `json:"data,omitempty"`  // the first of them, escaped
	SYN        *SYN        `json:"syn,omitempty"`   // of a connection
	TLS        *TLS        `json:"tls,omitempty"`   // if it was spoken
	Proven     bool        `json:"proven,omitzero"` // it was a keyed question, with a valid code
}

// SYN is what a client's first segment has (RFC 9293, section 3.1).
type SYN struct {
	Window  uint16   `json:"window"`            // bytes
	MSS     uint16   `json:"mss,omitzero"`      // bytes
	Scale   *uint8   `json:"scale,omitempty"`   // of later windows; nil: none
	Options []string `json:"options,omitempty"` // kinds, in their order, as mss or sack-permitted
}

// TLS is what a client negotiated.
type TLS struct {
	Version    string `json:"version"`
	ServerName string `json:"server_name,omitempty"` // that it asked for, escaped
	Error      string `json:"error,omitempty"`       // why there is no connection
}

// Kind names the record's type in documents.
func (Arrival) Kind() string { return "arrival" }

// Hops is how many routers lie between, if the client's system began with a usual TTL (64, 128, 255);
// -1 is not known.
func (a Arrival) Hops() int {
	for _, first := range []uint8{64, 128, 255} {
		if a.TTL > 0 && a.TTL <= first {
			return int(first - a.TTL)
		}
	}
	return -1
}

// interfaces are the names of this machine's interfaces.
type interfaces struct {
	byAddr  map[netip.Addr]string
	byIndex map[int]string
}

// readInterfaces reads them as they are; without the right to, none is known.
func readInterfaces() interfaces {
	names := interfaces{make(map[netip.Addr]string), make(map[int]string)}
	all, _ := net.Interfaces()
	for _, i := range all {
		names.byIndex[i.Index] = wording.Printable(i.Name)
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				names.byAddr[p.Addr().Unmap().WithZone("")] = wording.Printable(i.Name)
			}
		}
	}
	return names
}

func addrPortOf(a net.Addr) netip.AddrPort {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
