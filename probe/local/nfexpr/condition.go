package nfexpr

// Condition is something on which a rule depends, beside the protocol, the port and
// the own address. The zero value is none.
type Condition struct {
	Kind ConditionKind
	Name string // of a match, an expression, a target or what else it looks at
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
	UnknownTarget     ConditionKind = "unknown target"     // of iptables or nf_tables, Name: it may do nothing
	LegacyTable       ConditionKind = "legacy table"       // of iptables, Name: what it does could not be read
	Program           ConditionKind = "BPF program"        // Name: what it does is not known
	ThroughBridge     ConditionKind = "bridge"             // whether packets arrive by one
	OtherCondition    ConditionKind = "other"
)

// PortRange is a range of ports, both ends included.
type PortRange struct{ First, Last uint16 }
