package packets

import (
	"onmux/probe/local/bpf"
	"onmux/probe/wording"
)

// UnknownPrograms names the programs that may decide about a port.
func UnknownPrograms(all []bpf.Program) string {
	return "what BPF does with arrivals is not known: " + Programs(all)
}

func Programs(all []bpf.Program) string {
	var parts []string
	for _, p := range all {
		parts = append(parts, programName(p))
	}
	return wording.Some(parts, ", ", "more program", "more programs")
}

// programName is "redirect (connect4 of cgroup /system.slice)".
func programName(p bpf.Program) string {
	place := string(p.Kind)
	switch p.Kind {
	case bpf.Connect4, bpf.Connect6, bpf.Sendmsg4, bpf.Sendmsg6:
		place += " of cgroup " + wording.Printable(p.Where)
	case bpf.XDP:
		place = "XDP on device " + wording.Printable(p.Where)
	case bpf.TC:
		place = "filters of tc on device " + wording.Printable(p.Where)
	case bpf.Netfilter:
		place = "a hook of netfilter, perhaps in another network namespace"
	}
	if p.Name == "" {
		return place
	}
	return wording.Printable(p.Name) + " (" + place + ")"
}
