package nmap

import "encoding/xml"

// host is a host in nmap's XML (nmap.dtd, output version 1.05), which masscan and others
// write too, with the parts that are read here.
type host struct {
	XMLName   xml.Name     `xml:"host"`
	Comment   string       `xml:",comment"`
	Status    status       `xml:"status"`
	Addresses []address    `xml:"address"`
	Names     []hostname   `xml:"hostnames>hostname"`
	Folded    []extraPorts `xml:"ports>extraports"`
	Ports     []port       `xml:"ports>port"`
	Systems   []system     `xml:"os>osmatch"`
	Scripts   []script     `xml:"hostscript>script"`
	Times     *times       `xml:"times"`
}

type address struct {
	Addr   string `xml:"addr,attr"`
	Type   string `xml:"addrtype,attr"` // ipv4, ipv6 or mac
	Vendor string `xml:"vendor,attr"`
}

type hostname struct {
	Name string `xml:"name,attr"`
	Type string `xml:"type,attr"`
}

// system is what the operating system may be.
type system struct {
	Name     string `xml:"name,attr"`
	Accuracy string `xml:"accuracy,attr"` // percent
}

type port struct {
	Proto   string   `xml:"protocol,attr"`
	Number  uint16   `xml:"portid,attr"`
	Comment string   `xml:",comment"`
	State   status   `xml:"state"`
	Service *service `xml:"service"`
	Scripts []script `xml:"script"`
}

// status is the state of a host or a port.
type status struct {
	State  string `xml:"state,attr"`
	Reason string `xml:"reason,attr"`
	TTL    uint8  `xml:"reason_ttl,attr"`
	By     string `xml:"reason_ip,attr"` // the address that answered, if it is another
}

type service struct {
	Name    string   `xml:"name,attr"`
	Product string   `xml:"product,attr"`
	Version string   `xml:"version,attr"`
	Extra   string   `xml:"extrainfo,attr"`
	Tunnel  string   `xml:"tunnel,attr"` // ssl
	Banner  string   `xml:"banner,attr"` // of masscan
	Method  string   `xml:"method,attr"` // probed, or table: the registered name of the port
	Conf    int      `xml:"conf,attr"`   // 0 to 10
	CPEs    []string `xml:"cpe"`
}

type script struct {
	ID     string `xml:"id,attr"`
	Output string `xml:"output,attr"`
}

// extraPorts is a state that many ports of a host share. Their numbers are there since nmap
// 7.92.
type extraPorts struct {
	State   string `xml:"state,attr"`
	Count   uint64 `xml:"count,attr"`
	Reasons []struct {
		Reason string `xml:"reason,attr"` // in the plural
		Proto  string `xml:"proto,attr"`
		Ports  string `xml:"ports,attr"` // "1-21,23-79"
	} `xml:"extrareasons"`
}

type times struct {
	SRTT int64 `xml:"srtt,attr"` // µs
}

// hosts are the sums of a report.
type hosts struct{ Up, Down, Total uint64 }
