package compact

import (
	"cmp"
	"container/heap"
	"iter"
)

// Merge yields the items of several stores in the order by port, then by first address; of
// equals, that of the first store.
func Merge(stores []*Store) iter.Seq2[*Store, uint32] {
	orders := make([][]uint32, len(stores))
	for i, s := range stores {
		orders[i] = s.ByPort()
	}
	return func(yield func(*Store, uint32) bool) {
		var h fronts
		for i, s := range stores {
			if s.n > 0 {
				h = append(h, front{s, i, orders[i]})
			}
		}
		heap.Init(&h)
		for len(h) > 0 {
			f := &h[0]
			i := f.rest[0]
			store := f.store
			if f.rest = f.rest[1:]; len(f.rest) == 0 {
				heap.Pop(&h)
			} else {
				heap.Fix(&h, 0)
			}
			if !yield(store, i) {
				return
			}
		}
	}
}

// front is what of one store was not yielded yet.
type front struct {
	store *Store
	index int
	rest  []uint32
}

// fronts is a heap of those that are not empty.
type fronts []front

// The methods of heap.Interface.
func (h fronts) Len() int      { return len(h) }
func (h fronts) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *fronts) Push(f any)   { *h = append(*h, f.(front)) }
func (h *fronts) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
func (h fronts) Less(i, j int) bool {
	a, b := h[i], h[j]
	c := comparePort(a.store, a.store.entry(a.rest[0]), b.store, b.store.entry(b.rest[0]))
	return cmp.Or(c, cmp.Compare(a.index, b.index)) < 0
}
