package local

import (
	"cmp"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/probe/local/bpf"
	"onmux/probe/local/firewall"
	"onmux/probe/local/ipvs"
	"onmux/probe/local/nat"
	"onmux/probe/local/nfexpr"
	"onmux/probe/local/ruleset"
	"onmux/probe/local/socket"
)

// ways is what decides where packets to a port go, beside the sockets on it.
type ways struct {
	rules    ruleset.Result
	nat      nat.Result
	programs bpf.Result
	steered  map[uint64]socket.Socket // that programs choose, by cookie

	services    []ipvs.Service
	servicesErr error // why they could not be read
}

// redirects is everything that sends on what comes for a port: rules first, then the
// load balancer, which comes behind them, then programs that choose a socket.
func (w ways) redirects(p probe.Port) []nat.Redirect {
	return slices.Concat(w.nat.Redirects[p], w.balanced(p), w.chosen(p))
}

// balanced is the real servers to which IPVS sends on what comes for a port.
func (w ways) balanced(p probe.Port) []nat.Redirect {
	var all []nat.Redirect
	for _, s := range w.services {
		if s.Mark != 0 || s.Proto != p.Proto || s.Port != p.Number && s.Port != 0 {
			continue
		}
		for _, to := range s.Servers {
			r := nat.Redirect{
				Means: nat.IPVS, Service: netip.AddrPortFrom(s.Addr, s.Port).String(), Scope: nat.Any, Family: familyName(s.Addr),
				Addresses: []string{s.Addr.String()}, Target: ruleset.Target{Addr: to.Addr()},
			}
			if to.Port() != 0 {
				r.Target.Port, r.Target.Ports = ruleset.KnownPort, nfexpr.PortRange{First: to.Port(), Last: to.Port()}
			}
			all = append(all, r)
		}
	}
	return all
}

// chosen is the sockets that programs of sk_lookup choose for what comes for a port,
// other than those on the port itself.
func (w ways) chosen(p probe.Port) []nat.Redirect {
	var all []nat.Redirect
	for _, s := range w.programs.Steered {
		to, known := w.steered[s.Cookie]
		if s.Port != p || known && to.Local.Port() == p.Number {
			continue
		}
		r := nat.Redirect{
			Means: nat.SKLookup, Program: nat.Program{ID: s.Program.ID, Name: s.Program.Name}, Scope: nat.Inside,
			Family: familyName(
				s.Addr,
			), Addresses: []string{s.Addr.String()}, Target: ruleset.Target{Port: ruleset.UnknownSocket},
		}
		if s.Outside {
			r.Scope = nat.Outside
		}
		if known {
			port := to.Local.Port()
			r.Target = ruleset.Target{Port: ruleset.KnownPort, Ports: nfexpr.PortRange{First: port, Last: port}}
			if a := to.Local.Addr(); !a.IsUnspecified() {
				r.Target.Addr = a
			}
		}
		all = nat.Join(all, r, w.tried(s.Addr.Is4()))
	}
	return all
}

// tried is how many addresses of a family programs were evaluated for.
func (w ways) tried(v4 bool) int {
	n := 0
	for _, a := range w.programs.Tried {
		if a.Is4() == v4 {
			n++
		}
	}
	return n
}

// selected is ports that something picks out and sends on.
func (w ways) selected() []probe.Port {
	var ports []probe.Port
	for p := range w.nat.Selected {
		ports = append(ports, p)
	}
	for _, s := range w.services {
		if s.Mark == 0 && s.Port != 0 && len(s.Servers) > 0 {
			ports = append(ports, probe.Port{Number: s.Port, Proto: s.Proto})
		}
	}
	var steered []probe.Port
	for _, s := range w.programs.Steered {
		steered = append(steered, s.Port)
	}
	slices.SortFunc(steered, comparePorts)
	if steered = slices.Compact(steered); len(steered) <= nat.MaxSelected {
		ports = append(ports, steered...)
	}
	return ports
}

// own keeps those services that are at an address of this machine.
func (w *ways) own(addrs []netip.Addr) {
	w.services = slices.DeleteFunc(w.services, func(s ipvs.Service) bool {
		return s.Mark == 0 && !slices.Contains(addrs, s.Addr) && !s.Addr.IsLoopback()
	})
}

// unknown is the programs that may decide about what comes for a port, and of which
// what they do is not known.
func (w ways) unknown(p probe.Port) []bpf.Program {
	var all []bpf.Program
	for _, program := range w.programs.Attached {
		if program.Kind != bpf.SKLookup && program.Kind.Touches(p.Proto) {
			all = append(all, program)
		}
	}
	return slices.Concat(w.programs.Undecided[p], all)
}

// obstacles is what may drop packets to some sockets, beside the rules that were understood.
func (w ways) obstacles(sockets []socket.Socket) firewall.Obstacles {
	o := firewall.Obstacles{Legacy: w.rules.Legacy, Programs: w.programs.Attached}
	if len(w.programs.Filters) == 0 {
		return o
	}
	var cgroups []uint64
	for _, s := range sockets {
		if s.State == socket.Listening {
			cgroups = append(cgroups, s.Cgroup)
		}
	}
	o.Programs = slices.Concat(o.Programs, w.programs.FiltersOf(cgroups))
	return o
}

// byMark reports whether the load balancer has services by a mark of packets.
func (w ways) byMark() bool {
	return slices.ContainsFunc(w.services, func(s ipvs.Service) bool { return s.Mark != 0 })
}

func familyName(a netip.Addr) string {
	if a.Is4() {
		return "ipv4"
	}
	return "ipv6"
}

// comparePorts orders ports by number, then by protocol.
func comparePorts(a, b probe.Port) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Proto, b.Proto))
}
