package nmap

import "encoding/xml"

// host is a host in nmap's XML (nmap.dtd, output version 1.05), which masscan and others
// write too, with the parts that are read or written here.
type host struct {
	XMLName   xml.Name     `xml:"host"`
	Status    status       `xml:"status"`
	Addresses []address    `xml:"address"`
	Names     []hostname   `xml:"hostnames>hostname"`
	Folded    []extraPorts `xml:"ports>extraports"`
	Ports     []port       `xml:"ports>port"`
	Times     *times       `xml:"times"`
}

type address struct {
	Addr string `xml:"addr,attr"`
	Type string `xml:"addrtype,attr"` // ipv4, ipv6 or mac
}

type hostname struct {
	Name string `xml:"name,attr"`
	Type string `xml:"type,attr"`
}

type port struct {
	Proto   string   `xml:"protocol,attr"`
	Number  uint16   `xml:"portid,attr"`
	State   status   `xml:"state"`
	Service *service `xml:"service"`
	Script  *script  `xml:"script"`
}

// status is the state of a host or a port.
type status struct {
	State  string `xml:"state,attr"`
	Reason string `xml:"reason,attr"`
	TTL    uint8  `xml:"reason_ttl,attr"`
	By     string `xml:"reason_ip,attr,omitempty"` // the address that answered, if it is another
}

type service struct {
	Name    string `xml:"name,attr"`
	Product string `xml:"product,attr,omitempty"`
	Version string `xml:"version,attr,omitempty"`
	Method  string `xml:"method,attr"` // probed, or table: the registered name of the port
	Conf    int    `xml:"conf,attr"`   // 0 to 10
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
	SRTT   int64 `xml:"srtt,attr"`   // µs, as the others
	RTTVar int64 `xml:"rttvar,attr"` // the deviation
	To     int64 `xml:"to,attr"`     // the timeout
}

// runStats ends a report.
type runStats struct {
	XMLName  xml.Name `xml:"runstats"`
	Finished finished `xml:"finished"`
	Hosts    hosts    `xml:"hosts"`
}

type finished struct {
	Time     int64  `xml:"time,attr"` // seconds since 1970
	TimeStr  string `xml:"timestr,attr"`
	Elapsed  string `xml:"elapsed,attr"` // seconds
	Summary  string `xml:"summary,attr"`
	Exit     string `xml:"exit,attr"` // success or error
	ErrorMsg string `xml:"errormsg,attr,omitempty"`
}

type hosts struct {
	Up    int `xml:"up,attr"`
	Down  int `xml:"down,attr"`
	Total int `xml:"total,attr"`
}
