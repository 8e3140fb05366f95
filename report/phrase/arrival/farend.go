package arrival

import (
	"fmt"
	"time"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report/phrase"
)

// FarEnd is what a listener with the key answered, a sentence for each thing.
func FarEnd(f *probe.FarEnd) []string {
	if f == nil {
		return nil
	}
	if !f.Proven {
		return []string{"far end: no listener with this key answers; something else holds the port, or answers on the way"}
	}
	took := phrase.Duration(time.Duration(f.RTT))
	all := []string{"far end: the listener with this key answered in " + took + translated(f)}
	if f.Forward != nil {
		all = append(all, "to it: "+direction(*f.Forward)+between(f.Forward.TTL))
	}
	if f.Back != nil {
		all = append(all, "back: "+direction(*f.Back))
	}
	return all
}

// translated states what NAT did to the addresses.
func translated(f *probe.FarEnd) string {
	text := ""
	if f.Seen.IsValid() && f.Seen != f.Source {
		text = fmt.Sprintf("; %s is %s to it: NAT", phrase.Visible(f.Source.String()), phrase.Visible(f.Seen.String()))
	}
	return text
}

func direction(d probe.Direction) string {
	text := fmt.Sprintf("%d of %s arrived", d.Arrived, phrase.Count(uint64(d.Sent), "datagram", "datagrams"))
	if loss := d.Loss(); loss > 0 {
		text += fmt.Sprintf(" (%s lost)", phrase.Percent(loss))
	}
	if d.Reordered > 0 {
		text += fmt.Sprintf(", %d out of order", d.Reordered)
	}
	if d.Duplicated > 0 {
		text += fmt.Sprintf(", %d twice", d.Duplicated)
	}
	switch {
	case d.MTUTried == 0:
	case d.MTU == 0:
		text += "; longer packets do not pass whole"
	default:
		text += fmt.Sprintf("; packets of up to %s bytes pass whole", wording.Number(uint64(d.MTU)))
	}
	return text
}

// between is how many routers the TTL shows.
func between(ttl uint8) string {
	for _, first := range []uint8{64, 128, 255} {
		if ttl > 0 && ttl <= first {
			return "; " + routersBetween(uint64(first-ttl))
		}
	}
	return ""
}
