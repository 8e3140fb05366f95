package nat

import (
	"net/netip"

	"onmux/probe"
)

// Query is what to find redirects for.
type Query struct {
	Ports      map[probe.Proto][]uint16 // sorted
	IPv4, IPv6 bool
	Own        func() []netip.Addr // the addresses of this network namespace; called if there are rules
}

// Result is what the NAT rules do to the ports of a query. The zero value means
// that the rules were not looked at.
type Result struct {
	Redirects  map[probe.Port][]Redirect
	Unknown    map[probe.Port][]Rule   // rules that cover the port and whose target was not understood
	Selected   map[probe.Port]struct{} // ports of Redirects that a rule selects out of all
	Wide       []Rule                  // the other rules of Redirects, each of more than MaxSelected ports
	Status     Status
	Rules      int   // that were read
	Err        error // of NotOpened and Failed
	OtherRules bool  // legacy iptables has a nat table too, which nf_tables does not list
}

// MaxSelected is how many ports a rule can select: one of more, as that of a proxy
// that takes everything, does not characterize any of them.
const MaxSelected = 1024

// Incomplete reports whether there may be rules that were not seen.
func (r Result) Incomplete() bool {
	switch r.Status {
	case NotOpened, NotPermitted, Failed, Truncated:
		return true
	}
	return r.OtherRules
}

// Status is how much of the rules was read.
type Status string

// Every Status; "" means that the rules were not looked at.
const (
	Complete     Status = "complete"
	NoRules      Status = "no rules"
	NotOpened    Status = "not opened"    // no netlink socket could be opened
	NotPermitted Status = "not permitted" // it takes CAP_NET_ADMIN
	Unsupported  Status = "unsupported"   // the kernel has no nf_tables
	Failed       Status = "failed"        // not all could be read
	Truncated    Status = "truncated"     // not all were evaluated to their end, because there are too many
)

// Redirect is a rule that sends on what comes for a port.
type Redirect struct {
	Target     Target      `json:"-"`
	Rule       Rule        `json:"-"`
	Conditions []Condition `json:"-"`                   // what else it depends on
	To         string      `json:"to"`                  // Target in words: "port 8417" of this machine, or "10.0.0.2:80"
	By         string      `json:"by"`                  // Rule in words: "an nftables rule (table ip nat, chain pre)"
	Scope      Scope       `json:"scope"`               //
	Family     string      `json:"family,omitempty"`    // "ipv4" or "ipv6"; "" is both
	Addresses  []string    `json:"addresses,omitempty"` // the own addresses that it covers, if not all
	If         []string    `json:"if,omitempty"`        // Conditions in words, such as "the source address"
}

// Scope is which packets a redirect is for.
type Scope string

// Every Scope.
const (
	Any     Scope = "any"
	Outside Scope = "outside" // what arrives
	Inside  Scope = "inside"  // what this machine itself sends
)

// Rule names a rule by the chain that holds it.
type Rule struct {
	Table string // with its family: "ip nat"
	Chain string
	Maker Maker
}

// Maker is a program that makes rules in chains or tables of its own names.
type Maker string

// Every Maker; "" is not known.
const (
	Docker    Maker = "docker"
	KubeProxy Maker = "kube-proxy"
	CNI       Maker = "cni" // a plugin
	Podman    Maker = "podman"
)

// Target is where packets are sent.
type Target struct {
	Addr         netip.Addr // not valid: this machine
	AddrComputed bool       // an address that is known only at run time
	Ports        PortRange  // one of them
	Port         PortKind
}

// PortRange is a range of ports, both ends included.
type PortRange struct{ First, Last uint16 }

// PortKind is what is known of a target's port.
type PortKind uint8

// Every PortKind.
const (
	SamePort     PortKind = iota // the one that the packet had
	KnownPort                    // one of Target.Ports
	ComputedPort                 // known only at run time
)

// Condition is something on which a rule depends, beside the protocol, the port and
// the own address. The zero value is none.
type Condition struct {
	Kind ConditionKind
	Name string // of a match, an expression or a target
}

// ConditionKind is what a Condition is about.
type ConditionKind string

// Every ConditionKind; "" is none.
const (
	SourceAddress     ConditionKind = "source address"
	SourcePort        ConditionKind = "source port"
	Interface         ConditionKind = "interface"
	Mark              ConditionKind = "mark"
	Sender            ConditionKind = "sender" // a user, a group or a cgroup
	Random            ConditionKind = "random"
	ConnectionState   ConditionKind = "connection state"
	TCPFlags          ConditionKind = "TCP flags"
	Rate              ConditionKind = "rate"
	Quota             ConditionKind = "quota"
	ConnectionLimit   ConditionKind = "connection limit"
	NamedObject       ConditionKind = "named object"
	IPSet             ConditionKind = "ipset"
	AddressAndPort    ConditionKind = "address and port" // both at once
	UnreadSet         ConditionKind = "unread set"
	UnknownMatch      ConditionKind = "unknown match"      // of iptables, Name
	UnknownExpression ConditionKind = "unknown expression" // of nf_tables, Name
	UnknownTarget     ConditionKind = "unknown target"     // of iptables, Name: it may do nothing
	OtherCondition    ConditionKind = "other"
)
