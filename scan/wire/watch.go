package wire

import (
	"onmux/probe"
	"onmux/scan/capture"
	"onmux/scan/ip"
	"onmux/scan/verdict"
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
	config    Config
	ports     [probe.UDP + 1]portSet
	flows     flowTable
	ends      endpointTable
	folded    map[foldKey]*folded
	level     level // of folded
	streams   streams
	fragments fragments
	layers    [2]ip.Packet // of a tunnel and what it holds

	// Of the packet that is being read.
	now     int64
	via     uint32
	matched bool

	began    int64  // when the first packet passed
	ended    int64  // when the last did
	lost     uint64 // packets that the programs that captured dropped
	answers  uint64
	halfSeen uint64 // connections of which only the client's packets passed
	count    Count
	links    map[capture.LinkType]uint64 // packets by link type that is not read
	pairs    map[pair]struct{}           // of clients and endpoints that were announced
	waiting  []question                  // that may turn out to be silence, the first that was asked first
}

// New begins a watch.
func New(c Config) *Watch {
	if c.Flows <= 0 {
		c.Flows = DefaultFlows
	}
	w := &Watch{config: c, links: make(map[capture.LinkType]uint64), pairs: make(map[pair]struct{})}
	for _, p := range c.Ports {
		if int(p.Proto) < len(w.ports) {
			w.ports[p.Proto].add(p.Number)
		}
	}
	return w
}

// portSet holds ports, a bit for each.
type portSet [1 << 16 / 64]uint64

func (s *portSet) add(p uint16)      { s[p/64] |= 1 << (p % 64) }
func (s *portSet) has(p uint16) bool { return s[p/64]>>(p%64)&1 != 0 }

// Packet takes in a packet. It keeps nothing of p.
func (w *Watch) Packet(p *capture.Packet) {
	w.count.Packets++
	if p.Time > 0 {
		if w.began == 0 || p.Time < w.began {
			w.began = p.Time
		}
		w.ended = max(w.ended, p.Time)
		w.now = p.Time
	}
	if !p.Link.IsKnown() {
		w.unread(p.Link)
		return
	}
	b, outgoing := network(p)
	if b == nil {
		return // another protocol, as ARP
	}
	w.via, w.matched = interfaceOf(p, outgoing), false
	w.packet(b, 0)
	if w.matched {
		w.count.Matched++
		if w.config.Keep != nil {
			w.config.Keep(*p)
		}
	}
}

// maxLinks bounds the link types that are counted apart.
const maxLinks = 16

func (w *Watch) unread(l capture.LinkType) {
	w.count.Unread++
	if _, known := w.links[l.Base()]; known || len(w.links) < maxLinks {
		w.links[l.Base()]++
	}
}

// answered takes in what an endpoint, or another host about it, answered to a question of a
// flow: the strongest evidence stays.
func (w *Watch) answered(f *flow, k verdict.Class) {
	w.answers++
	f.cell, _, _ = f.cell.Merge(k, f.key.proto)
	e := w.ends.at(f.endpoint)
	cell, changed, disagrees := e.cell.Merge(k, f.key.proto)
	e.cell = cell
	if disagrees {
		e.contradicted = true
	}
	if changed {
		e.icmp, e.responder, e.ttl, e.rtt = probe.ICMP{}, [16]byte{}, 0, 0
	}
}

// pair is a client and an endpoint.
type pair struct {
	client   [16]byte
	endpoint uint32
}

// maxPairs bounds the pairs that are known to have been announced.
const maxPairs = 1 << 16

// announce passes a flow on whose answer is known, unless one like it was passed on.
func (w *Watch) announce(f *flow) {
	if w.config.Begun == nil || f.is(announced) {
		return
	}
	f.flags |= announced
	p := pair{f.client().addr, f.endpoint}
	if _, known := w.pairs[p]; known {
		return
	}
	if len(w.pairs) == maxPairs {
		clear(w.pairs)
	}
	w.pairs[p] = struct{}{}
	w.config.Begun(w.record(f))
}

// question is a flow that was asked, and when.
type question struct {
	*flow
	key flowKey // the flow's slot may have another by now
	at  int64
}

// Bounds of the questions whose silence is announced.
const (
	maxQuestions = 1 << 14
	silentAfter  = 3e9 // nanoseconds; a client has repeated a SYN twice by then (RFC 6298)
)

// await notes a question, to announce its silence.
func (w *Watch) await(f *flow) {
	if w.config.Begun != nil && len(w.waiting) < maxQuestions {
		w.waiting = append(w.waiting, question{f, f.key, w.now})
	}
}

// announceSilence passes on the flows that nothing has answered for long.
func (w *Watch) announceSilence(now int64) {
	for len(w.waiting) > 0 && now-w.waiting[0].at > silentAfter {
		q := w.waiting[0]
		w.waiting = w.waiting[1:]
		if q.flow.key == q.key && q.is(inUse) && !q.cell.HasAnswer() {
			w.announce(q.flow)
		}
	}
}
