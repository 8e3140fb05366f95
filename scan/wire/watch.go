package wire

import (
	"onmux/probe"
	"onmux/scan/capture"
)

// DefaultFlows is how many flows are kept apart. With a million endpoints, all takes less than 512 MB.
const DefaultFlows = 1 << 19

// Config is what is watched.
type Config struct {
	Ports      []probe.Port // of endpoints
	IPv4, IPv6 bool
	Flows      int // that are kept apart; 0 for DefaultFlows

	// Begun is called with a flow as soon as it is known what its endpoint answers, of each
	// client and endpoint once. It may be nil.
	Begun func(Flow)

	// Keep is called with each packet that is to or from one of the ports, or about such a
	// one. It may be nil.
	Keep func(capture.Packet)
}

// Count is how much was looked at, and what could not be used.
type Count struct {
	Packets   uint64 // all
	Matched   uint64 // that belong to a flow of the ports
	Malformed uint64 // whose headers are cut or not valid
	Unread    uint64 // of link types that are not read
	Tunneled  uint64 // that were inside others
	Copies    uint64 // that passed once more on another interface
	Stray     uint64 // answers to what was not seen: RSTs, ICMP errors, datagrams
	Shared    uint64 // datagrams to multicast and broadcast addresses, which are no endpoints
	Folded    uint64 // flows that were folded
	Forgotten uint64 // folded flows whose sums found no room, either
	NotKept   uint64 // packets of flows for which there was no room
	Fragments uint64 // datagrams of which a part is missing
	Overlaps  uint64 // datagrams whose fragments overlap
	Disagree  uint64 // connections with segments that disagree about the same bytes
}

// Watch takes in packets. Not for concurrent use.
type Watch struct {
	keep    func(capture.Packet)
	unpack  unpacker
	tracker *tracker
	scope   scope
	now     int64 // when the packet passed that is being read
	packets uint64
	matched uint64                      // that belong to a flow of the ports
	unread  uint64                      // of link types that are not read
	links   map[capture.LinkType]uint64 // these packets by link type
	lost    uint64                      // packets that the programs that captured dropped
}

// New begins a watch.
func New(c Config) *Watch {
	w := &Watch{keep: c.Keep, links: make(map[capture.LinkType]uint64)}
	w.tracker = newTracker(c, &w.scope)
	w.unpack = unpacker{ipv4: c.IPv4, ipv6: c.IPv6, to: w.tracker}
	return w
}

// Packet takes in a packet. It keeps nothing of p.
func (w *Watch) Packet(p *capture.Packet) {
	w.packets++
	if p.Time > 0 {
		w.scope.extend(p.Time)
		w.now = p.Time
	}
	if !p.Link.IsKnown() {
		w.countUnread(p.Link)
		return
	}
	b, outgoing := network(p)
	if b == nil {
		return // another protocol, as ARP
	}
	w.unpack.now = w.now
	w.tracker.next(w.now, interfaceOf(p, outgoing))
	w.unpack.packet(b, 0)
	if w.tracker.matched {
		w.matched++
		if w.keep != nil {
			w.keep(*p)
		}
	}
}

// maxLinks bounds the link types that are counted apart.
const maxLinks = 16

func (w *Watch) countUnread(l capture.LinkType) {
	w.unread++
	if _, known := w.links[l.Base()]; known || len(w.links) < maxLinks {
		w.links[l.Base()]++
	}
}

// count is how much was looked at.
func (w *Watch) count() Count {
	c := w.tracker.count
	c.Packets, c.Matched, c.Unread = w.packets, w.matched, w.unread
	c.Malformed += w.unpack.malformed
	c.Tunneled = w.unpack.tunneled
	c.Fragments, c.Overlaps = w.unpack.fragments.Dropped, w.unpack.fragments.Overlaps
	c.Forgotten = w.tracker.sums.forgotten
	c.Disagree = w.tracker.services.disagree
	return c
}
