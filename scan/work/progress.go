package work

import (
	"time"

	"onmux/scan/target"
)

// goneAfter is how long a worker that reports nothing counts as working.
const goneAfter = 5 * time.Second

// working is what workers reported that work on a scan.
type working map[string]reported

type reported struct {
	Presence
	at time.Time
}

// add takes in what a worker reports.
func (w working) add(p Presence, r *Request, now time.Time) {
	if p.Scan != r.ID || p.Left || p.Segment < 0 || p.Segment >= r.Segments() {
		delete(w, p.Worker)
		return
	}
	w[p.Worker] = reported{p, now}
}

// report reports how far the scan is.
func (g *gathering) report() {
	if g.Watch == nil {
		return
	}
	now := time.Now()
	total := float64(g.request.Plan.Len()) * float64(len(g.parts))
	done := 0.0
	for queue := range g.parts {
		done += float64(g.ledger.endpoints(queue))
	}
	p := Progress{Open: g.open}
	zones := make(map[string]bool)
	for id, w := range g.working {
		if now.Sub(w.at) > goneAfter {
			delete(g.working, id)
			continue
		}
		zones[w.Zone] = true
		p.Workers++
		p.Rate += w.Rate
		p.Open += w.Open
		done += w.Share * float64(size(g.request.Segment(w.Segment)))
	}
	p.Zones = len(zones)
	p.Share = min(done/total, 1)
	if spent := now.Sub(g.begun); p.Share > 0 && p.Share < 1 {
		p.ETA = time.Duration(float64(spent) * (1 - p.Share) / p.Share)
	}
	g.Watch(p)
}

func size(s target.Shard) uint64 { return s.Hi - s.Lo }
