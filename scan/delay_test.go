package scan_test

import (
	"container/heap"
	"sync"
	"time"
)

// delayLine delivers packets when their time has come, those of the same time in
// the order in which they were taken.
type delayLine struct {
	deliver func([]byte)
	in      chan []delivery
	running sync.WaitGroup
}

// delivery is packets and when they arrive.
type delivery struct {
	at      time.Time
	order   int
	packets [][]byte
}

func newDelayLine(deliver func([]byte)) *delayLine {
	c := &delayLine{deliver: deliver, in: make(chan []delivery)}
	c.running.Go(c.run)
	return c
}

// take delivers at once what takes no time.
func (c *delayLine) take(replies []reply) {
	var later []delivery
	now := time.Now()
	for _, p := range replies {
		if p.after == 0 {
			c.deliverAll(p.packets)
		} else {
			later = append(later, delivery{at: now.Add(p.after), packets: p.packets})
		}
	}
	if later != nil {
		c.in <- later
	}
}

// stop forgets what was not delivered yet.
func (c *delayLine) stop() {
	close(c.in)
	c.running.Wait()
}

func (c *delayLine) deliverAll(packets [][]byte) {
	for _, b := range packets {
		c.deliver(b)
	}
}

func (c *delayLine) run() {
	var queue deliveries
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
				heap.Push(&queue, d)
			}
		case <-timer.C:
		}
		for len(queue) > 0 && !queue[0].at.After(time.Now()) {
			c.deliverAll(heap.Pop(&queue).(delivery).packets)
		}
		if len(queue) > 0 {
			timer.Reset(time.Until(queue[0].at))
		}
	}
}

// deliveries is a heap, the next one on top.
type deliveries []delivery

func (h deliveries) Len() int      { return len(h) }
func (h deliveries) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h deliveries) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].order < h[j].order
}
func (h *deliveries) Push(x any) { *h = append(*h, x.(delivery)) }
func (h *deliveries) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	*h = (*h)[:last]
	return d
}
