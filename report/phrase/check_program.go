package phrase

import (
	"fmt"

	"onmux/probe/local"
	"onmux/probe/local/bpf"
)

// unknownPrograms names the programs that may decide about a port.
func unknownPrograms(all []bpf.Program) string {
	return "what BPF does with arrivals is not known: " + programs(all)
}

func programs(all []bpf.Program) string {
	var parts []string
	for _, p := range all {
		parts = append(parts, programName(p))
	}
	return some(parts, ", ", "more program", "more programs")
}

// programName is "redirect (connect4 of cgroup /system.slice)".
func programName(p bpf.Program) string {
	place := string(p.Kind)
	switch p.Kind {
	case bpf.Connect4, bpf.Connect6, bpf.Sendmsg4, bpf.Sendmsg6:
		place += " of cgroup " + printable(p.Where)
	case bpf.XDP:
		place = "XDP on device " + printable(p.Where)
	case bpf.TC:
		place = "filters of tc on device " + printable(p.Where)
	case bpf.Netfilter:
		place = "a hook of netfilter, perhaps in another network namespace"
	}
	if p.Name == "" {
		return place
	}
	return printable(p.Name) + " (" + place + ")"
}

// programsCoverage states which programs of BPF, and services of IPVS, were found.
func programsCoverage(c local.Coverage) []string {
	var all []string
	switch r := c.Programs; {
	case r.Status == bpf.NotPermitted:
		all = append(all, "BPF programs: not readable without "+privilege(c, "CAP_SYS_ADMIN and CAP_NET_ADMIN"))
	case r.Status == bpf.Failed:
		all = append(all, fmt.Sprintf("BPF programs: not all listed: %v", r.Err))
	case r.Status == bpf.Unsupported:
		all = append(all, "BPF programs: this kernel has none")
	}
	if len(c.Programs.Attached) > 0 {
		all = append(all, "BPF programs that may decide where packets go: "+programs(c.Programs.Attached))
	}
	switch {
	case c.ServicesErr != nil:
		all = append(all, "IPVS services: not read: "+c.ServicesErr.Error())
	case c.Services > 0:
		all = append(all, fmt.Sprintf("IPVS services of this machine: %d", c.Services))
	}
	return all
}
