package compare

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/report/phrase"
	"onmux/report/record"
)

func (d *differ) verdicts() {
	for _, p := range union(d.old.ports, d.now.ports) {
		a, was := d.old.ports[p]
		b, is := d.now.ports[p]
		switch {
		case !is:
			d.onlyOld++
			if len(d.now.ports) == 0 || a.Verdict != local.Listening {
				continue
			}
			b = local.Verdict{Verdict: phrase.NotReported}
		case !was:
			d.onlyNow++
			if len(d.old.ports) == 0 || b.Verdict != local.Listening {
				continue
			}
			// With --all-ports only what listens has a record.
			a = local.Verdict{Verdict: phrase.NotReported}
		default:
			d.compared++
		}
		if a.Verdict == b.Verdict {
			continue
		}
		c := record.Change{What: record.Changed, Port: p.Number, Proto: p.Proto, Old: string(a.Verdict),
			New: string(b.Verdict), Confidence: probe.High}
		if b.Verdict == local.Listening {
			c.What = record.Appeared
		} else if a.Verdict == local.Listening {
			c.What = record.Vanished
		}
		switch {
		case a.Verdict == local.Unknown || b.Verdict == local.Unknown:
			c.Notes = []string{phrase.NotLooked}
		case !was:
			c.Notes = []string{phrase.Old.Doubt(phrase.Absent)}
		case !is:
			c.Notes = []string{phrase.New.Doubt(phrase.Absent)}
		}
		if c.Notes != nil {
			c.Confidence = probe.Low
		}
		d.add(c)
	}
}

// owners compares who holds the sockets that are in both reports, and emits those that
// only one has where the port listens in both: another address may be exposed.
// Processes come and go: their names count, not their pids.
func (d *differ) owners() {
	all := maps.Clone(d.old.sockets)
	maps.Copy(all, d.now.sockets)
	keys := slices.SortedFunc(maps.Keys(all), func(a, b socketKey) int {
		return cmp.Or(cmp.Compare(a.port.Number, b.port.Number), cmp.Compare(a.port.Proto, b.port.Proto),
			a.address.Compare(b.address), strings.Compare(a.netns, b.netns))
	})
	for _, k := range keys {
		before, was := d.old.sockets[k]
		now, is := d.now.sockets[k]
		if was != is {
			d.socket(k, is)
			continue
		}
		a, b := holdersOf(before, wholeName), holdersOf(now, wholeName)
		if a != "" && b != "" && a != b && holdersOf(before, cutName) != holdersOf(now, cutName) {
			d.add(record.Change{What: record.Owner, Address: k.address, Port: k.port.Number, Proto: k.port.Proto,
				Old: a, New: b, Confidence: probe.High})
		}
	}
}

// socket emits one that only one of the reports has.
func (d *differ) socket(k socketKey, is bool) {
	const there = string(local.Listening)
	if d.old.ports[k.port].Verdict != local.Listening || d.now.ports[k.port].Verdict != local.Listening {
		return // it is the verdict that changed, or the port was not looked at
	}
	c := record.Change{What: record.Vanished, Address: k.address, Port: k.port.Number, Proto: k.port.Proto, Old: there,
		New: phrase.NotThere, Confidence: probe.High}
	if is {
		c.What, c.Old, c.New = record.Appeared, phrase.NotThere, there
	}
	d.add(c)
}

func wholeName(o owner.Owner) string { return o.Name }

// cutName is an owner's name as the kernel cuts it: one of the reports may have no more.
func cutName(o owner.Owner) string {
	const maxComm = 15
	return o.Name[:min(len(o.Name), maxComm)]
}

func holdersOf(owners []owner.Owner, nameOf func(owner.Owner) string) string {
	var names []string
	for _, o := range owners {
		name := nameOf(o)
		if o.User != "" {
			name += " of " + o.User
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

func union[V any](a, b map[probe.Port]V) []probe.Port {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.SortFunc(keys, record.ComparePorts)
	return slices.Compact(keys)
}
