package local

import (
	"net/netip"

	"onmux/probe"
	"onmux/probe/local/firewall"
	"onmux/probe/local/nat"
	"onmux/probe/local/netns"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
)

// Word is the verdict on a local port.
type Word string

// The verdicts, strongest first.
const (
	Listening  Word = "listening"  // a socket accepts connections or datagrams
	Bound      Word = "bound"      // held by a socket that does not listen
	Redirected Word = "redirected" // no socket, but NAT answers
	Elsewhere  Word = "elsewhere"  // only in another network namespace
	Connected  Word = "connected"  // only connections use the number
	Free       Word = "free"       // looked everywhere, nothing holds it
	Unknown    Word = "unknown"    // could not look; Verdict.Error has the reason
)

// Words lists every verdict in the order of reports.
func Words() []Word {
	return []Word{Listening, Bound, Redirected, Elsewhere, Connected, Free, Unknown}
}

// Request is what to look at.
type Request struct {
	Ports []probe.Port // at least one, unless All
	// instead of Ports: every port of these protocols on which something listens, or that NAT rules pick out and send on
	All    []probe.Proto
	IPv4   bool // look at IPv4 sockets
	IPv6   bool // look at IPv6 sockets
	Owners bool // find the owning processes, which costs a walk over all descriptors

	// Unmask leaves the secrets in the command lines of owners.
	Unmask bool

	// Words means that no more is needed than the words of the verdicts. What
	// could not change one is then not looked at: other network namespaces and NAT
	// rules, where every port is listened on.
	Words bool

	// Trace connects to each TCP port, on loopback or on the own address that is
	// listened on, to see who answers; and binds each port on which nothing
	// listens, to see whether that works. Nothing is sent on the connections. A NAT
	// rule may send them to another machine.
	Trace bool
}

// Report is what was seen.
type Report struct {
	Verdicts  []Verdict  // one for each requested port, in that order
	Listeners []Listener // the sockets behind them, by port, protocol and address; those of other network namespaces last
	Coverage  Coverage
}

// Verdict is one requested port's, and the record of type "verdict". The fields that
// are sentences are written by report/phrase.
type Verdict struct {
	Port    uint16      `json:"port"`
	Proto   probe.Proto `json:"proto"`
	Verdict Word        `json:"verdict"`
	Why     string      `json:"why"`
	Error   string      `json:"error,omitempty"`   // why the verdict is Unknown
	Caveats []string    `json:"caveats,omitempty"` // what was not seen and might make another verdict; Why has it too
	Bind    []string    `json:"bind,omitempty"`    // where nothing listens: what is in the way of binding, or may be
	Release string      `json:"release,omitempty"` // what would free it, where it is held: commands, in their order
	Tried   int         `json:"tried,omitzero"`    // how many of Bind, the last ones, are what came of trying
	Cause   Cause       `json:"cause,omitempty"`   // what it was concluded from; missing in reports of earlier versions

	Redirects []nat.Redirect `json:"redirects,omitempty"` // NAT rules that send on what comes for it
	Trace     []trace.Trace  `json:"trace,omitempty"`     // with Request.Trace: who answers

	// what the firewall does with new connections; nil if it is not known
	Firewall []firewall.Outcome `json:"firewall,omitempty"`

	Facts *Facts `json:"-"` // nil in a report that was read back
}

// Kind names the record's type in documents.
func (Verdict) Kind() string { return "verdict" }

// Listener is one socket that holds a requested port (or several identical
// ones in one SO_REUSEPORT group of one owner), and the record of type
// "listener" in documents.
type Listener struct {
	Proto   probe.Proto `json:"proto"`
	Address netip.Addr  `json:"address"` // zone kept
	Port    uint16      `json:"port"`
	// "ipv4", "ipv6" (v6-only) or "dual"; "" if the system does not report it
	Family  string          `json:"family,omitempty"`
	State   Word            `json:"state"`            // Listening, Bound or Connected
	Peer    string          `json:"peer,omitempty"`   // of a connected socket, "192.0.2.1:5000"
	Reach   string          `json:"reach"`            // "loopback", "link-local", "private", "public" or "any"
	Device  string          `json:"device,omitempty"` // SO_BINDTODEVICE, by name
	Backlog *socket.Backlog `json:"backlog,omitempty"`
	Receive *socket.Buffer  `json:"receive,omitempty"` // of a UDP socket that listens
	// datagrams that the socket dropped since it was made; of TCP at most so many attempts
	// to connect that found its accept queue full
	Drops  uint64        `json:"drops,omitzero"`
	Groups []string      `json:"groups,omitempty"` // joined multicast groups, in reports of earlier versions
	UID    *uint32       `json:"uid,omitempty"`
	User   string        `json:"user,omitempty"`  // UID's name; "" if it has none
	NetNS  string        `json:"netns,omitempty"` // "host" for the caller's own; "" where there are none
	Inode  uint64        `json:"inode,omitzero"`
	Owners []owner.Owner `json:"owners,omitempty"`
	// where the socket was made: of those without a visible owner, and those that systemd holds
	owner.Origin

	// What an owner that is a known proxy passes the port on to, by its command line,
	// and the same in words.
	Proxy    owner.ProxyTarget `json:"-"`
	ProxyFor string            `json:"proxy_for,omitempty"`
	Behind   *owner.Behind     `json:"behind,omitempty"` // who listens there
}

// Kind names the record's type in documents.
func (Listener) Kind() string { return "listener" }

// OwnNetNS is the Listener.NetNS of the caller's own network namespace.
const OwnNetNS = netns.Host
