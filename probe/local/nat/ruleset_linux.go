package nat

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// maxOwn bounds the own addresses for which rules are evaluated.
const maxOwn = 64

// ruleset is the rules that new connections to this machine meet.
type ruleset struct {
	client    netlink.Client
	tables    map[string]chain          // a base chain of each table, by "ip nat"
	chains    map[string][][]expression // the rules of chains, by "ip nat prerouting"
	sets      map[string]*set           // read when a rule looks into them, by "ip nat name"
	setFlags  map[string][]setFlags     // of the sets of a table
	loopback  []netip.Addr              // addresses of 127.0.0.0/8 that rules name
	count     int                       // of rules
	steps     int                       // that may still be evaluated
	truncated bool                      // something was not evaluated to its end
}

type setFlags struct {
	name  string
	flags uint32
}

// chain is a chain of a table; base chains are called by the kernel.
type chain struct {
	family   tableFamily
	table    string
	name     string
	nat      bool // of type nat
	hook     uint32
	priority int32
}

// tableName is the chain's table, with its family.
func (c chain) tableName() string { return c.family.String() + " " + c.table }

// parseChain reads the attributes of NFT_MSG_NEWCHAIN.
func parseChain(family tableFamily, b []byte) chain {
	hook := netlink.Attribute(b, unix.NFTA_CHAIN_HOOK)
	return chain{
		family: family, table: text(b, unix.NFTA_CHAIN_TABLE), name: text(b, unix.NFTA_CHAIN_NAME),
		nat:  text(b, unix.NFTA_CHAIN_TYPE) == "nat",
		hook: number(hook, unix.NFTA_HOOK_HOOKNUM), priority: int32(number(hook, unix.NFTA_HOOK_PRIORITY)),
	}
}

func newRuleset() *ruleset {
	return &ruleset{
		client: netlink.Client{Family: unix.NETLINK_NETFILTER, MaxBytes: maxRuleset}, steps: maxSteps,
		tables: make(map[string]chain), chains: make(map[string][][]expression),
		sets: make(map[string]*set), setFlags: make(map[string][]setFlags),
	}
}

// Read finds the rules of this network namespace that send on what comes for the
// ports. The error is the context's.
func Read(ctx context.Context, q Query) (Result, error) {
	r := newRuleset()
	found := newCollector()
	bases, err := r.read(ctx)
	if err == nil || errors.Is(err, errTooLarge) {
		for _, t := range r.evaluate(ctx, q, bases) {
			found.add(t, q.Ports[t.proto])
		}
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	return found.result(r, err, hasLegacyTable()), nil
}

// read reads the base chains of type nat that connections to this machine pass,
// in the order in which they do, and the rules of their tables.
func (r *ruleset) read(ctx context.Context) ([]chain, error) {
	var bases []chain
	reset := func() { bases = nil }
	request := newRequest(unix.NFT_MSG_GETCHAIN, unix.NFPROTO_UNSPEC)
	err := dump(ctx, &r.client, request, reset, func(f tableFamily, b []byte) {
		c := parseChain(f, b)
		arrives := c.hook == unix.NF_INET_PRE_ROUTING || c.hook == unix.NF_INET_LOCAL_OUT
		if c.nat && arrives && (f == unix.NFPROTO_IPV4 || f == unix.NFPROTO_IPV6 || f == unix.NFPROTO_INET) {
			bases = append(bases, c)
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(bases, func(a, b chain) int { return cmp.Compare(a.priority, b.priority) })
	for _, c := range bases {
		if _, known := r.tables[c.tableName()]; known {
			continue
		}
		r.tables[c.tableName()] = c
		if err := r.readRules(ctx, c); err != nil {
			return bases, err
		}
	}
	return bases, nil
}

// readRules reads the rules of a chain's table; with an error, some of them.
func (r *ruleset) readRules(ctx context.Context, c chain) error {
	chains := make(map[string][][]expression)
	n := 0
	reset := func() { clear(chains); n = 0 }
	request := newRequest(unix.NFT_MSG_GETRULE, c.family).AddString(unix.NFTA_RULE_TABLE, c.table)
	err := dump(ctx, &r.client, request, reset, func(f tableFamily, b []byte) {
		chain, exprs := parseRule(f, b)
		chains[chain] = append(chains[chain], exprs)
		r.noteLoopback(exprs)
		n++
	})
	for chain, rules := range chains {
		r.chains[c.tableName()+" "+chain] = rules
	}
	r.count += n
	return err
}

// noteLoopback notes the addresses of 127.0.0.0/8 that a rule names, as Docker's
// resolver has one: all of them are this machine's.
func (r *ruleset) noteLoopback(exprs []expression) {
	for _, e := range exprs {
		named := e.kind == exprCompare && len(e.low) == 4 && e.low[0] == 127 && bytes.Equal(e.low, e.high)
		if named && len(r.loopback) < maxOwn/4 {
			if a := netip.AddrFrom4([4]byte(e.low)); !slices.Contains(r.loopback, a) {
				r.loopback = append(r.loopback, a)
			}
		}
	}
}

// set reads a set, once.
func (r *ruleset) set(ctx context.Context, table, name string) *set {
	key := table + " " + name
	if s := r.sets[key]; s != nil {
		return s
	}
	s := &set{}
	r.sets[key] = s
	c := r.tables[table]
	if s.err = r.readSetFlags(ctx, c); s.err != nil {
		r.truncated = true
		return s
	}
	flags := r.setFlags[table]
	if i := slices.IndexFunc(flags, func(f setFlags) bool { return f.name == name }); i >= 0 {
		const concatenated = 1 << 7 // NFT_SET_CONCAT: its elements have both ends
		s.interval = flags[i].flags&(unix.NFT_SET_INTERVAL|concatenated) == unix.NFT_SET_INTERVAL
	}
	request := newRequest(unix.NFT_MSG_GETSETELEM, c.family).
		AddString(unix.NFTA_SET_ELEM_LIST_TABLE, c.table).AddString(unix.NFTA_SET_ELEM_LIST_SET, name)
	s.err = dump(ctx, &r.client, request, func() { s.elements = nil }, func(_ tableFamily, b []byte) {
		s.elements = append(s.elements, parseElements(b)...)
	})
	s.joinIntervals()
	r.truncated = r.truncated || s.err != nil
	return s
}

// readSetFlags reads the flags of all sets of a chain's table, once.
func (r *ruleset) readSetFlags(ctx context.Context, c chain) error {
	if _, known := r.setFlags[c.tableName()]; known {
		return nil
	}
	var all []setFlags
	request := newRequest(unix.NFT_MSG_GETSET, c.family).AddString(unix.NFTA_SET_TABLE, c.table)
	err := dump(ctx, &r.client, request, func() { all = nil }, func(_ tableFamily, b []byte) {
		all = append(all, setFlags{text(b, unix.NFTA_SET_NAME), number(b, unix.NFTA_SET_FLAGS)})
	})
	if err == nil {
		r.setFlags[c.tableName()] = all
	}
	return err
}

// spend counts steps of evaluation and reports whether any are left.
func (r *ruleset) spend(ctx context.Context, n int) bool {
	if r.steps -= n; r.steps <= 0 || r.steps%1024 == 0 && ctx.Err() != nil {
		r.steps, r.truncated = 0, true
	}
	return r.steps > 0
}

// evaluate evaluates the rules for all that a query is about.
func (r *ruleset) evaluate(ctx context.Context, q Query, bases []chain) []translation {
	if len(bases) == 0 {
		return nil
	}
	own := q.Own()
	for _, a := range r.loopback {
		if !slices.Contains(own, a) {
			own = append(own, a)
		}
	}
	var families []tableFamily
	if q.IPv4 {
		families = append(families, unix.NFPROTO_IPV4)
	}
	if q.IPv6 {
		families = append(families, unix.NFPROTO_IPV6)
	}
	var found []translation
	for _, proto := range protocols(q) {
		for _, family := range families {
			for _, hook := range []uint32{unix.NF_INET_PRE_ROUTING, unix.NF_INET_LOCAL_OUT} {
				v := &evaluation{flow: flow{proto: proto, family: family, hook: hook}, rules: r}
				v.own = r.destinations(own, family, hook)
				v.all = 1<<len(v.own) - 1
				v.run(ctx, bases)
				found = append(found, v.found...)
			}
		}
	}
	return found
}

// destinations is the own addresses for which packets can be. What arrives from
// outside is for none of loopback, unless there is no other.
func (r *ruleset) destinations(own []netip.Addr, family tableFamily, hook uint32) []netip.Addr {
	var all, outer []netip.Addr
	for _, a := range own {
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
		all, r.truncated = all[:maxOwn], true
	}
	return all
}

// hasLegacyTable reports whether legacy iptables has a nat table, which nf_tables
// does not list.
func hasLegacyTable() bool {
	for _, file := range []string{"ip_tables_names", "ip6_tables_names"} {
		names, err := os.ReadFile("/proc/thread-self/net/" + file)
		if err == nil && slices.Contains(strings.Fields(string(names)), "nat") {
			return true
		}
	}
	return false
}
