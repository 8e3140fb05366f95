package local

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/netlink"
)

// maxOwn bounds the own addresses against which rules are held.
const maxOwn = 64

// natRules are the rules that new connections to this machine meet.
type natRules struct {
	source netlink.Client
	tables map[string]natChain  // a chain of each table, by "ip nat"
	of     map[string][][]step  // the rules of chains, by "ip nat prerouting"
	sets   map[string]*natSet   // read when a rule asks for them
	flags  map[string][]setFlag // of the sets of a table
	named  []netip.Addr         // addresses of loopback that rules name
	count  int                  // rules read
	steps  int                  // that may still be walked
	cut    bool                 // something was not followed to its end
}

type setFlag struct {
	name  string
	flags uint32
}

// readNAT finds the rules of this network namespace that send on what comes for
// the ports. The error is the context's.
func readNAT(ctx context.Context, q Query) (nat, error) {
	r := &natRules{
		source: netlink.Client{Family: unix.NETLINK_NETFILTER, MaxBytes: maxRuleset}, steps: maxSteps,
		tables: make(map[string]natChain), of: make(map[string][][]step), sets: make(map[string]*natSet), flags: make(map[string][]setFlag),
	}
	n := newNAT()
	bases, err := r.read(ctx)
	if err == nil || errors.Is(err, errEnough) {
		for _, s := range r.walk(ctx, q, bases) {
			n.note(s, q.ports[s.proto])
		}
	}
	if err := ctx.Err(); err != nil {
		return nat{}, err
	}
	n.cover(r, err)
	return n, nil
}

func newNAT() nat {
	return nat{
		of: make(map[probe.Port][]Redirect), picked: make(map[probe.Port]struct{}), wide: make(map[string]struct{}),
		unread: make(map[probe.Port][]string),
	}
}

// read reads the base chains of type nat that connections to this machine pass,
// in the order in which they do, and the rules of their tables.
func (r *natRules) read(ctx context.Context) ([]natChain, error) {
	var bases []natChain
	err := dumpNFT(ctx, &r.source, nftRequest(unix.NFT_MSG_GETCHAIN, unix.NFPROTO_UNSPEC), func() { bases = nil }, func(f nftFamily, b []byte) {
		c := parseChain(f, b)
		arrives := c.hook == unix.NF_INET_PRE_ROUTING || c.hook == unix.NF_INET_LOCAL_OUT
		if c.nat && arrives && (f == unix.NFPROTO_IPV4 || f == unix.NFPROTO_IPV6 || f == unix.NFPROTO_INET) {
			bases = append(bases, c)
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(bases, func(a, b natChain) int { return cmp.Compare(a.priority, b.priority) })
	for _, c := range bases {
		table := tableOf(c)
		if _, done := r.tables[table]; done {
			continue
		}
		r.tables[table] = c
		chains := make(map[string][][]step)
		n := 0
		request := nftRequest(unix.NFT_MSG_GETRULE, c.family).AddString(unix.NFTA_RULE_TABLE, c.table)
		err := dumpNFT(ctx, &r.source, request, func() { clear(chains); n = 0 }, func(f nftFamily, b []byte) {
			chain, steps := parseRule(f, b)
			chains[chain] = append(chains[chain], steps)
			r.name(steps)
			n++
		})
		for chain, rules := range chains {
			r.of[table+" "+chain] = rules
		}
		if r.count += n; err != nil {
			return bases, err
		}
	}
	return bases, nil
}

// name remembers the addresses of 127.0.0.0/8 that a rule names, as Docker's
// resolver has one: all of them are this machine's.
func (r *natRules) name(steps []step) {
	for _, s := range steps {
		if s.op == opCompare && len(s.a) == 4 && s.a[0] == 127 && bytes.Equal(s.a, s.b) && len(r.named) < maxOwn/4 {
			if a := netip.AddrFrom4([4]byte(s.a)); !slices.Contains(r.named, a) {
				r.named = append(r.named, a)
			}
		}
	}
}

// set reads a set, once.
func (r *natRules) set(ctx context.Context, table, name string) *natSet {
	key := table + " " + name
	if s := r.sets[key]; s != nil {
		return s
	}
	s := &natSet{}
	r.sets[key] = s
	c := r.tables[table]
	if _, known := r.flags[table]; !known {
		var all []setFlag
		request := nftRequest(unix.NFT_MSG_GETSET, c.family).AddString(unix.NFTA_SET_TABLE, c.table)
		s.err = dumpNFT(ctx, &r.source, request, func() { all = nil }, func(_ nftFamily, b []byte) {
			all = append(all, setFlag{netlink.Text(netlink.Attribute(b, unix.NFTA_SET_NAME)), be32(netlink.Attribute(b, unix.NFTA_SET_FLAGS))})
		})
		if s.err != nil {
			r.cut = true
			return s
		}
		r.flags[table] = all
	}
	i := slices.IndexFunc(r.flags[table], func(f setFlag) bool { return f.name == name })
	if i >= 0 {
		const concatenated = 1 << 7 // NFT_SET_CONCAT: its elements tell both ends
		s.interval = r.flags[table][i].flags&(unix.NFT_SET_INTERVAL|concatenated) == unix.NFT_SET_INTERVAL
	}
	request := nftRequest(unix.NFT_MSG_GETSETELEM, c.family).
		AddString(unix.NFTA_SET_ELEM_LIST_TABLE, c.table).AddString(unix.NFTA_SET_ELEM_LIST_SET, name)
	s.err = dumpNFT(ctx, &r.source, request, func() { s.elements = nil }, func(_ nftFamily, b []byte) {
		s.elements = append(s.elements, parseElements(b)...)
	})
	s.pair()
	r.cut = r.cut || s.err != nil
	return s
}

// spend counts steps, of which there is an end.
func (r *natRules) spend(ctx context.Context, n int) bool {
	if r.steps -= n; r.steps <= 0 || r.steps%1024 == 0 && ctx.Err() != nil {
		r.steps, r.cut = 0, true
	}
	return r.steps > 0
}

// walk follows all that the query asks for.
func (r *natRules) walk(ctx context.Context, q Query, bases []natChain) []sent {
	if len(bases) == 0 {
		return nil
	}
	addrs := ownAddrs()
	for _, a := range r.named {
		if !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	var found []sent
	for _, proto := range q.protos() {
		for _, family := range []nftFamily{unix.NFPROTO_IPV4, unix.NFPROTO_IPV6} {
			if family == unix.NFPROTO_IPV4 && !q.v4 || family == unix.NFPROTO_IPV6 && !q.v6 {
				continue
			}
			for _, hook := range []uint32{unix.NF_INET_PRE_ROUTING, unix.NF_INET_LOCAL_OUT} {
				w := &walk{ctx: ctx, rules: r, proto: proto, family: family, hook: hook}
				w.own = r.destinations(addrs, family, hook)
				w.all = 1<<len(w.own) - 1
				w.chains(bases)
				found = append(found, w.found...)
			}
		}
	}
	return found
}

// destinations are the own addresses for which packets can be. What arrives from
// outside is for none of loopback, unless there is no other.
func (r *natRules) destinations(addrs []netip.Addr, family nftFamily, hook uint32) []netip.Addr {
	var all, outer []netip.Addr
	for _, a := range addrs {
		if a.Is4() == (family == unix.NFPROTO_IPV4) {
			all = append(all, a)
			if !a.IsLoopback() {
				outer = append(outer, a)
			}
		}
	}
	if hook == unix.NF_INET_PRE_ROUTING && len(outer) > 0 {
		all = outer
	}
	if len(all) > maxOwn {
		all, r.cut = all[:maxOwn], true
	}
	return all
}

// ownAddrs is the addresses of this network namespace.
func ownAddrs() []netip.Addr {
	var own []netip.Addr
	nets, _ := net.InterfaceAddrs() // without them loopback stands for all
	for _, n := range nets {
		if p, err := netip.ParsePrefix(n.String()); err == nil && !slices.Contains(own, p.Addr().Unmap()) {
			own = append(own, p.Addr().Unmap())
		}
	}
	if len(own) == 0 {
		own = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	return own
}

// maxRedirects bounds how many redirects of one port are told.
const maxRedirects = 32

// add puts a redirect to those of a port. One that differs only in scope or
// family joins its like, which may make that one like another.
func (n *nat) add(p probe.Port, r Redirect) {
	all := n.of[p]
	for i := 0; i < len(all); {
		if r.join(all[i]) {
			all, i = slices.Delete(all, i, i+1), 0
			continue
		}
		i++
	}
	if len(all) < maxRedirects {
		all = append(all, r)
	}
	n.of[p] = all
}

// join makes r part of s if the two say one thing of two scopes or two families.
func (s *Redirect) join(r Redirect) bool {
	if s.To != r.To || s.By != r.By || !slices.Equal(s.If, r.If) || !slices.Equal(s.Addresses, r.Addresses) {
		return false
	}
	switch sameFamily, sameScope := s.Family == r.Family, s.Scope == r.Scope; {
	case sameFamily && sameScope:
	case sameFamily:
		s.Scope = scopeAny
	case sameScope && len(s.Addresses) == 0:
		s.Family = ""
	default:
		return false
	}
	return true
}

// note puts what a rule does to those ports that were asked about, which are
// sorted.
func (n *nat) note(s sent, asked []uint16) {
	r := Redirect{To: s.to, By: s.by, Scope: scopeOutside, Family: "ipv4", Addresses: s.addrs, If: s.asks}
	if s.hook == unix.NF_INET_LOCAL_OUT {
		r.Scope = scopeInside
	}
	if s.family == unix.NFPROTO_IPV6 {
		r.Family = "ipv6"
	}
	wide := s.to != "" && s.ports.size() > maxPicked
	if wide {
		n.wide[s.by] = struct{}{}
	}
	for _, span := range s.ports {
		from, _ := slices.BinarySearch(asked, span.First)
		for _, number := range asked[from:] {
			if number > span.Last {
				break
			}
			p := probe.Port{Number: number, Proto: s.proto}
			if s.to != "" {
				n.add(p, r)
				if !wide {
					n.picked[p] = struct{}{}
				}
			} else if !slices.Contains(n.unread[p], s.by) && len(n.unread[p]) < maxRedirects {
				n.unread[p] = append(n.unread[p], s.by)
			}
		}
	}
}

// cover says what was looked at.
func (n *nat) cover(r *natRules, err error) {
	switch closed := new(netlink.OpenError); {
	case errors.As(err, &closed):
		n.missed = true
		n.coverage = append(n.coverage, "NAT rules: not read: "+err.Error())
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		n.missed = true
		n.coverage = append(n.coverage, "NAT rules: not readable without CAP_NET_ADMIN")
		n.hints = append(n.hints, "CAP_NET_ADMIN, as root has it, is needed to read NAT rules")
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL) && r.count == 0:
		n.coverage = append(n.coverage, "NAT rules: this kernel has no nftables")
	case err != nil:
		n.missed = true
		n.coverage = append(n.coverage, fmt.Sprintf("NAT rules: not all read: %v", err))
	case r.cut:
		n.missed = true
		n.coverage = append(n.coverage, fmt.Sprintf("NAT rules: %s of nftables read, not all followed to their end: there are too many", count(r.count, "rule", "rules")))
	case r.count == 0:
		n.coverage = append(n.coverage, "NAT rules: nftables has none")
	default:
		n.coverage = append(n.coverage, fmt.Sprintf("NAT rules: %s of nftables read", count(r.count, "rule", "rules")))
	}
	for _, file := range []string{"ip_tables_names", "ip6_tables_names"} {
		if names, err := os.ReadFile("/proc/thread-self/net/" + file); err == nil && slices.Contains(strings.Fields(string(names)), "nat") {
			n.missed = true
			n.coverage = append(n.coverage, "NAT rules of legacy iptables: there is a nat table, which was not looked at")
			break
		}
	}
}
