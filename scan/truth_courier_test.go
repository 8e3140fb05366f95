package scan_test

import (
	"container/heap"
	"sync"
	"time"
)

// courier delivers packets when their time has come, those of the same time in
// the order in which they were taken.
type courier struct {
	deliver func([]byte)
	in      chan []due
	running sync.WaitGroup
}

// due is packets and when they arrive.
type due struct {
	at      time.Time
	order   int
	packets [][]byte
}

func newCourier(deliver func([]byte)) *courier {
	c := &courier{deliver: deliver, in: make(chan []due)}
	c.running.Go(c.run)
	return c
}

// take delivers at once what takes no time.
func (c *courier) take(parcels []parcel) {
	var later []due
	now := time.Now()
	for _, p := range parcels {
		if p.after == 0 {
			c.hand(p.packets)
		} else {
			later = append(later, due{at: now.Add(p.after), packets: p.packets})
		}
	}
	if later != nil {
		c.in <- later
	}
}

// stop forgets what was not delivered yet.
func (c *courier) stop() {
	close(c.in)
	c.running.Wait()
}

func (c *courier) hand(packets [][]byte) {
	for _, b := range packets {
		c.deliver(b)
	}
}

func (c *courier) run() {
	var bag dues
	taken := 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case later, ok := <-c.in:
			if !ok {
				return
			}
			for _, d := range later {
				d.order = taken
				taken++
				heap.Push(&bag, d)
			}
		case <-timer.C:
		}
		for len(bag) > 0 && !bag[0].at.After(time.Now()) {
			c.hand(heap.Pop(&bag).(due).packets)
		}
		if len(bag) > 0 {
			timer.Reset(time.Until(bag[0].at))
		}
	}
}

// dues is a heap, the next one on top.
type dues []due

func (h dues) Len() int      { return len(h) }
func (h dues) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h dues) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].order < h[j].order
}
func (h *dues) Push(x any) { *h = append(*h, x.(due)) }
func (h *dues) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	*h = (*h)[:last]
	return d
}
