package compact

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/report/record"
	"onmux/scan"
)

// Store keeps endpoints and ranges in the order in which they were added. The zero value
// is empty. Close removes its temporary file. Not for concurrent use.
type Store struct {
	chunks  [][]entry // all but the last are full; nothing is copied when the Store grows
	n       int
	details []detailText
	ids     map[string]uint32 // of the details that are looked for again
	text    Spool
	scratch []byte
	decoded map[uint32]*detail
}

// chunkSize is the number of entries in one allocation.
const chunkSize = 1 << 12

// maxShared bounds the details that are looked for again, and those that are kept decoded.
const maxShared = 1 << 12

// entry is an endpoint or range without its details.
type entry struct {
	hi, lo  uint64 // the first address as a number
	more    uint64 // range: addresses beyond the first; endpoint: the round-trip time in ns
	details uint32
	port    uint16
	proto   probe.Proto
	flags   uint8
}

// The flags of an entry.
const (
	isRange = 1 << iota
	isWeak
	isIPv4
	isIPv6
)

// detail is what many endpoints or ranges have in common.
type detail struct {
	Result probe.Result // without address, port, and time
	Zone   string       `json:",omitempty"`

	// Of a range of which entry.more does not state it.
	Last  netip.Addr `json:",omitzero"`
	Count uint64     `json:",omitzero"`
}

// detailText is where a detail is, as JSON.
type detailText struct {
	at   int64
	size uint32
	zone string // the Zone in it
}

// Item is one endpoint, or the range of addresses from the Result's to Last.
type Item struct {
	probe.Result
	Last   netip.Addr
	Count  uint64
	Single bool // it was added as an endpoint
}

// Range is the item as a range, also if it was added as an endpoint.
func (i *Item) Range() scan.Range {
	r := record.Single(i.Result)
	r.Last, r.Count = i.Last, i.Count
	return r
}

// Len is the number of items.
func (s *Store) Len() int { return s.n }

// Endpoint adds one.
func (s *Store) Endpoint(r probe.Result) error { return s.add(r, uint64(r.RTT), 0, detail{}) }

// Weak adds an endpoint that in ByAddress stands before all others of its port.
func (s *Store) Weak(r probe.Result) error { return s.add(r, uint64(r.RTT), isWeak, detail{}) }

// Range adds one.
func (s *Store) Range(r scan.Range) error {
	var rare detail
	_, from := number(r.First)
	_, to := number(r.Last)
	more := to.lo - from.lo
	if r.Last != addressLike(r.First, from.hi, from.lo+more) || more == math.MaxUint64 || r.Count != more+1 {
		rare.Last, rare.Count = r.Last, r.Count
	}
	return s.add(record.At(r, r.First), more, isRange, rare)
}

// addressLike is a number as an address of the family and zone of one.
func addressLike(like netip.Addr, hi, lo uint64) netip.Addr {
	family, _ := number(like)
	return address(family, hi, lo).WithZone(like.Zone())
}

func (s *Store) add(r probe.Result, more uint64, flags uint8, d detail) error {
	family, v := number(r.Addr)
	e := entry{hi: v.hi, lo: v.lo, more: more, port: r.Port, proto: r.Proto, flags: flags | family}
	d.Result, d.Zone = r, r.Addr.Zone()
	d.Result.Addr, d.Result.Port, d.Result.RTT = netip.Addr{}, 0, 0
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	e.details = s.share(text, &d)
	if s.n%chunkSize == 0 {
		s.chunks = append(s.chunks, make([]entry, 0, chunkSize))
	}
	last := &s.chunks[len(s.chunks)-1]
	*last = append(*last, e)
	s.n++
	return nil
}

// share is the number of a detail, which is stored if it is new.
func (s *Store) share(text []byte, d *detail) uint32 {
	// Only bytes that are no UTF-8 are escaped so, and JSON loses them: such a detail stays in memory.
	lossy := bytes.Contains(text, []byte(`\ufffd`))
	if id, ok := s.ids[string(text)]; ok && !lossy {
		return id
	}
	id := uint32(len(s.details))
	s.details = append(s.details, detailText{s.text.Append(text), uint32(len(text)), d.Zone})
	switch {
	case lossy:
		s.keepDecoded(id, d)
	case len(s.ids) < maxShared && len(text) < 1<<10:
		if s.ids == nil {
			s.ids = make(map[string]uint32)
		}
		s.ids[string(text)] = id
	}
	return id
}

func (s *Store) keepDecoded(id uint32, d *detail) {
	if s.decoded == nil {
		s.decoded = make(map[uint32]*detail)
	}
	s.decoded[id] = d
}

func (s *Store) entry(i uint32) *entry { return &s.chunks[i/chunkSize][i%chunkSize] }

// At is the item that was added as number i.
func (s *Store) At(i uint32) (Item, error) {
	e := s.entry(i)
	d, err := s.detail(e.details)
	if err != nil {
		return Item{}, err
	}
	item := Item{Result: d.Result, Count: 1, Single: e.flags&isRange == 0}
	item.Port = e.port
	item.Addr = address(e.flags, e.hi, e.lo)
	if d.Zone != "" {
		item.Addr = item.Addr.WithZone(d.Zone)
	}
	item.Last = item.Addr
	switch {
	case item.Single:
		item.RTT = probe.Millis(e.more)
	case d.Count > 0:
		item.Last, item.Count = d.Last, d.Count
	default:
		item.Count = e.more + 1
		if e.more > 0 {
			item.Last = addressLike(item.Addr, e.hi, e.lo+e.more)
		}
	}
	return item, nil
}

func (s *Store) detail(id uint32) (*detail, error) {
	if d, ok := s.decoded[id]; ok {
		return d, nil
	}
	t := s.details[id]
	s.scratch = slices.Grow(s.scratch[:0], int(t.size))[:t.size]
	if err := s.text.Read(s.scratch, t.at); err != nil {
		return nil, err
	}
	d := new(detail)
	if err := json.Unmarshal(s.scratch, d); err != nil {
		return nil, err
	}
	if len(s.decoded) < maxShared {
		s.keepDecoded(id, d)
	}
	return d, nil
}

// ByPort is the order by port, then by first address; of equals, as they were added.
func (s *Store) ByPort() []uint32 {
	return s.sorted(func(a, b *entry) int { return comparePort(s, a, s, b) })
}

// ByAddress is the order by first address, then by protocol and port; of equals the weak
// first, then as they were added.
func (s *Store) ByAddress() []uint32 {
	return s.sorted(func(a, b *entry) int {
		return cmp.Or(compareAddress(s, a, s, b), cmp.Compare(a.proto, b.proto), cmp.Compare(a.port, b.port),
			cmp.Compare(b.flags&isWeak, a.flags&isWeak))
	})
}

func (s *Store) sorted(compare func(a, b *entry) int) []uint32 {
	order := make([]uint32, s.n)
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(i, j uint32) int {
		return cmp.Or(compare(s.entry(i), s.entry(j)), cmp.Compare(i, j))
	})
	return order
}

func comparePort(s *Store, a *entry, o *Store, b *entry) int {
	return cmp.Or(cmp.Compare(a.port, b.port), cmp.Compare(a.proto, b.proto), compareAddress(s, a, o, b))
}

// compareAddress compares the first addresses of s's a and o's b as netip.Addr.Compare does.
func compareAddress(s *Store, a *entry, o *Store, b *entry) int {
	const family = isIPv4 | isIPv6
	c := cmp.Or(cmp.Compare(a.flags&family, b.flags&family), cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo))
	if c != 0 || a.flags&isIPv6 == 0 {
		return c
	}
	return cmp.Compare(s.details[a.details].zone, o.details[b.details].zone)
}

// Close removes what is stored.
func (s *Store) Close() {
	s.text.Close()
	*s = Store{}
}

// u128 is an address as a number; IPv4 addresses use the low 32 bits.
type u128 struct{ hi, lo uint64 }

// number is the family flag and the number of an address; both are 0 of none.
func number(a netip.Addr) (family uint8, v u128) {
	switch {
	case a.Is4():
		b := a.As4()
		return isIPv4, u128{0, uint64(binary.BigEndian.Uint32(b[:]))}
	case a.Is6():
		b := a.As16()
		return isIPv6, u128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
	}
	return 0, u128{}
}

// address is the inverse of number, without a zone.
func address(flags uint8, hi, lo uint64) netip.Addr {
	switch {
	case flags&isIPv4 != 0:
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(lo))
		return netip.AddrFrom4(b)
	case flags&isIPv6 != 0:
		var b [16]byte
		binary.BigEndian.PutUint64(b[:8], hi)
		binary.BigEndian.PutUint64(b[8:], lo)
		return netip.AddrFrom16(b)
	}
	return netip.Addr{}
}
