package ruleset

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local/nfexpr"
)

// Query is what to find the effects of rules for.
type Query struct {
	Protos     []probe.Proto
	IPv4, IPv6 bool
	Own        func() []netip.Addr // the addresses of this network namespace; called if there are rules
	// prefixes of which it has every address, beside those and 127.0.0.0/8; nil: none is known
	OwnPrefixes func(context.Context) []netip.Prefix
}

// Result is what the rules do. The zero value means that they were not looked at.
type Result struct {
	Translations []Translation
	Fates        []Fate // all packets to all ports; none unless Status is Complete or NoRules
	NoChains     bool   // packets pass no chain at all
	Status       Status
	Rules        int      // that were read
	Err          error    // of NotOpened and Failed
	Legacy       []string // tables of legacy iptables, which nf_tables does not list
	LegacyUnread bool     // which of those there are could not be read
}

// Incomplete reports whether there may be rules that were not followed.
func (r Result) Incomplete() bool {
	switch r.Status {
	case NotOpened, NotPermitted, Failed, Truncated:
		return true
	}
	return r.Status != "" && r.LegacyUnread ||
		slices.ContainsFunc(r.Legacy, func(t string) bool { // in the others nothing sends packets on
			return strings.HasSuffix(t, " nat") || strings.HasSuffix(t, " mangle")
		})
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

// Packets is which packets something happens to.
type Packets struct {
	Proto    probe.Proto
	IPv6     bool
	Inside   bool // this machine itself sends them
	Ports    PortSet
	Addrs    []string // of this machine, if not all
	OwnAddrs int      // how many it has
	Sources  []Span   // from which they come; nil: any
	Devices  []string // by which they arrive; nil: any
}

// Translation is what a rule does to some packets beside letting them pass: it sends
// them to somewhere else.
type Translation struct {
	Packets
	Means      Means
	Target     Target
	Unknown    bool // what the rule does was not understood
	Rule       Rule
	Conditions []nfexpr.Condition
}

// Means is how a rule sends packets on.
type Means string

// Every Means.
const (
	ByNAT       Means = ""
	ByTPROXY    Means = "tproxy"  // to a socket of this machine, the packet as it is
	ByRewriting Means = "rewrite" // of the header, without connection tracking
)

// Fate is what becomes of some packets.
type Fate struct {
	Packets
	Verdict    FateVerdict
	Rule       Rule // that decides; zero: none does
	Policy     bool // it is the policy of the chain
	Unsure     []Doubt
	RouteBack  bool   // those of sources to which there is no route back are dropped
	Translated bool   // they come to another port of this machine
	To         Target // of SentAway
}

// FateVerdict is a kind of Fate.
type FateVerdict string

// Every FateVerdict.
const (
	Accepted FateVerdict = "accept"
	Dropped  FateVerdict = "drop"
	Rejected FateVerdict = "reject"
	SentAway FateVerdict = "sent away" // to another machine
	NotKnown FateVerdict = "not known" // what the rule does was not understood
)

// Doubt is a condition of a rule of which it is not known whether it holds.
type Doubt struct {
	Condition nfexpr.Condition
	Rule      Rule
}

// Span is a range of addresses, both ends included.
type Span struct{ First, Last netip.Addr }

// Target is where packets are sent.
type Target struct {
	Addr         netip.Addr       // not valid: this machine
	AddrComputed bool             // an address that is known only at run time
	Ports        nfexpr.PortRange // one of them
	Port         PortKind
}

// PortKind is what is known of a target's port.
type PortKind uint8

// Every PortKind.
const (
	SamePort      PortKind = iota // the one that the packet had
	KnownPort                     // one of Target.Ports
	ComputedPort                  // known only at run time
	UnknownSocket                 // that of a socket which is not known
)

// UnionOfNames is what two lists of addresses or devices have, of which nil is all.
func UnionOfNames(a, b []string) []string {
	if a == nil || b == nil {
		return nil
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
