package ruleset

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"onmux/probe/local/nfexpr"
	"onmux/probe/netlink"
)

// Bounds of the own addresses for which rules are evaluated, and of the devices.
const (
	maxOwn     = 64
	maxDevices = 64
)

// ruleset is the rules that new connections to this machine meet.
type ruleset struct {
	client    netlink.Client
	tables    map[string]bool                  // of which the rules were read, by "ip nat"
	chains    map[string][][]nfexpr.Expression // the rules of chains, by "ip nat prerouting"
	sets      map[string]*set                  // read when a rule looks into them, by "ip nat name"
	setFlags  map[string][]setFlags            // of the sets of a table
	own       []netip.Addr                     // addresses of this machine
	prefixes  []netip.Prefix                   // of which it has every address
	count     int                              // of rules
	steps     int                              // that may still be evaluated
	truncated bool                             // something was not evaluated to its end
}

type setFlags struct {
	name   string
	flags  uint32
	object uint32 // the type of its objects (NFT_OBJECT_*), if it is a map of them
}

// chain is a chain of a table; base chains are called by the kernel.
type chain struct {
	family   nfexpr.Family
	table    string
	name     string
	kind     string // "filter", "nat" or "route" of a base chain
	hook     uint32
	priority int32
	policy   int32
	devices  []string // by which packets have to come or go, of ingress and egress
}

// tableName is the chain's table, with its family.
func (c chain) tableName() string { return c.family.String() + " " + c.table }

func (c chain) bridge() bool { return c.family == unix.NFPROTO_BRIDGE }

// leaving reports whether a chain is called for what this machine sends.
func (c chain) leaving() bool {
	return c.hook == unix.NF_INET_LOCAL_OUT || c.hook == unix.NF_INET_POST_ROUTING
}

// sees reports whether packets of a family pass the chain.
func (c chain) sees(family nfexpr.Family) bool {
	return c.family == family || c.family != unix.NFPROTO_IPV4 && c.family != unix.NFPROTO_IPV6
}

// filters reports whether a base chain decides what comes to sockets.
func (c chain) filters() bool { return c.hook == unix.NF_INET_LOCAL_IN && c.kind != "nat" }

// called is the priority at which the kernel calls the chain: all nat chains of a
// hook at that of NAT.
func (c chain) called() int32 {
	switch {
	case c.kind != "nat":
		return c.priority
	case c.hook == unix.NF_INET_PRE_ROUTING, c.hook == unix.NF_INET_LOCAL_OUT:
		return destNATPriority
	}
	return sourceNATPriority
}

// parseChain reads the attributes of NFT_MSG_NEWCHAIN. A chain that new connections
// to this machine do not pass has no kind.
func parseChain(family nfexpr.Family, b []byte) chain {
	const device, devices = 3, 4 // NFTA_HOOK_DEV, NFTA_HOOK_DEVS
	hook := netlink.Attribute(b, unix.NFTA_CHAIN_HOOK)
	c := chain{
		family: family, table: nfexpr.Text(b, unix.NFTA_CHAIN_TABLE), name: nfexpr.Text(b, unix.NFTA_CHAIN_NAME),
		kind: nfexpr.Text(b, unix.NFTA_CHAIN_TYPE), policy: nfexpr.Accept,
		hook: nfexpr.Number(hook, unix.NFTA_HOOK_HOOKNUM), priority: int32(nfexpr.Number(hook, unix.NFTA_HOOK_PRIORITY)),
	}
	if netlink.Attribute(b, unix.NFTA_CHAIN_POLICY) != nil {
		c.policy = int32(nfexpr.Number(b, unix.NFTA_CHAIN_POLICY))
	}
	if name := nfexpr.Text(hook, device); name != "" {
		c.devices = append(c.devices, name)
	}
	for _, name := range netlink.Attributes(netlink.Attribute(hook, devices)) {
		if d := netlink.Text(name); !slices.Contains(c.devices, d) {
			c.devices = append(c.devices, d)
		}
	}
	switch family {
	case unix.NFPROTO_IPV4, unix.NFPROTO_IPV6, unix.NFPROTO_INET, unix.NFPROTO_BRIDGE:
	case unix.NFPROTO_NETDEV:
		c.hook += hookIngress // NF_NETDEV_INGRESS is 0, NF_NETDEV_EGRESS 1
	default:
		c.kind = ""
	}
	if c.hook == unix.NF_INET_FORWARD || c.hook > hookEgress || hook == nil {
		c.kind = ""
	}
	return c
}

func newRuleset() *ruleset {
	return &ruleset{
		client: netlink.Client{Family: unix.NETLINK_NETFILTER, MaxBytes: nfexpr.MaxRuleset}, steps: maxSteps,
		tables: make(map[string]bool), chains: make(map[string][][]nfexpr.Expression),
		sets: make(map[string]*set), setFlags: make(map[string][]setFlags),
	}
}

// Read finds what the rules of this network namespace do to new connections to this
// machine. The error is the context's.
func Read(ctx context.Context, q Query) (Result, error) {
	r := newRuleset()
	var out Result
	bases, err := r.read(ctx)
	if err == nil || errors.Is(err, nfexpr.ErrTooLarge) {
		out.NoChains = len(bases) == 0
		out.Translations, out.Fates = r.evaluate(ctx, q, bases)
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	out.Rules, out.Err = r.count, err
	if out.Status = r.status(err); out.Status != Complete && out.Status != NoRules {
		out.Fates = nil
	}
	out.Legacy, out.LegacyUnread = legacyTables()
	return out, nil
}

// status is how much of the rules was read.
func (r *ruleset) status(err error) Status {
	switch opened := new(netlink.OpenError); {
	case errors.As(err, &opened):
		return NotOpened
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return NotPermitted
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP),
		errors.Is(err, unix.EINVAL) && r.count == 0:
		return Unsupported
	case err != nil:
		return Failed
	case r.truncated:
		return Truncated
	case r.count == 0:
		return NoRules
	}
	return Complete
}

// read reads the base chains that connections to this machine pass, in the order in
// which they do, and the rules of their tables.
func (r *ruleset) read(ctx context.Context) ([]chain, error) {
	var bases []chain
	reset := func() { bases = nil }
	request := nfexpr.NewRequest(unix.NFT_MSG_GETCHAIN, unix.NFPROTO_UNSPEC)
	err := nfexpr.Dump(ctx, &r.client, request, reset, func(f nfexpr.Family, b []byte) {
		if c := parseChain(f, b); c.kind != "" {
			bases = append(bases, c)
		}
	})
	if err != nil {
		return nil, err
	}
	if len(bases) > 0 {
		dormant, err := r.dormantTables(ctx)
		if err != nil {
			return nil, err
		}
		bases = slices.DeleteFunc(bases, func(c chain) bool { return dormant[c.tableName()] })
	}
	for _, c := range bases {
		if !r.tables[c.tableName()] {
			r.tables[c.tableName()] = true
			if err := r.readRules(ctx, c); err != nil {
				return bases, err
			}
		}
	}
	// Of chains with the same priority the kernel calls the youngest first.
	slices.Reverse(bases)
	slices.SortStableFunc(bases, func(a, b chain) int {
		return cmp.Or(cmp.Compare(a.called(), b.called()), cmp.Compare(a.priority, b.priority))
	})
	return bases, nil
}

// dormantTables is the tables of which the kernel calls no chain.
func (r *ruleset) dormantTables(ctx context.Context) (dormant map[string]bool, err error) {
	const flag = 1 << 0 // NFT_TABLE_F_DORMANT
	request := nfexpr.NewRequest(unix.NFT_MSG_GETTABLE, unix.NFPROTO_UNSPEC)
	reset := func() { dormant = make(map[string]bool) }
	err = nfexpr.Dump(ctx, &r.client, request, reset, func(f nfexpr.Family, b []byte) {
		c := chain{family: f, table: nfexpr.Text(b, unix.NFTA_TABLE_NAME)}
		dormant[c.tableName()] = nfexpr.Number(b, unix.NFTA_TABLE_FLAGS)&flag != 0
	})
	return dormant, err
}

// readRules reads the rules of a chain's table; with an error, some of them.
func (r *ruleset) readRules(ctx context.Context, c chain) error {
	chains := make(map[string][][]nfexpr.Expression)
	n := 0
	reset := func() { clear(chains); n = 0 }
	request := nfexpr.NewRequest(unix.NFT_MSG_GETRULE, c.family).AddString(unix.NFTA_RULE_TABLE, c.table)
	err := nfexpr.Dump(ctx, &r.client, request, reset, func(f nfexpr.Family, b []byte) {
		chain, exprs := nfexpr.ParseRule(f, b)
		chains[chain] = append(chains[chain], exprs)
		n++
	})
	for chain, rules := range chains {
		for _, exprs := range rules {
			err = cmp.Or(err, r.findSYNProxies(ctx, c, exprs))
		}
		r.chains[c.tableName()+" "+chain] = rules
	}
	r.count += n
	return err
}

// findSYNProxies marks the expressions that take from a map the object that answers.
func (r *ruleset) findSYNProxies(ctx context.Context, c chain, exprs []nfexpr.Expression) error {
	for i, e := range exprs {
		if e.Kind != nfexpr.KindCondition || e.Lookup.Set == "" {
			continue
		}
		if err := r.readSetFlags(ctx, c); err != nil {
			return err
		}
		answers := func(f setFlags) bool { return f.name == e.Lookup.Set && f.object == nfexpr.SYNProxy }
		if slices.ContainsFunc(r.setFlags[c.tableName()], answers) {
			exprs[i] = nfexpr.Expression{Kind: nfexpr.KindUnknownTarget,
				Condition: nfexpr.Condition{Kind: nfexpr.UnknownTarget, Name: "synproxy"}}
		}
	}
	return nil
}

// set reads a set, once.
func (r *ruleset) set(ctx context.Context, c chain, name string) *set {
	table := c.tableName()
	key := table + " " + name
	if s := r.sets[key]; s != nil {
		return s
	}
	s := &set{}
	r.sets[key] = s
	if s.err = r.readSetFlags(ctx, c); s.err != nil {
		r.truncated = true
		return s
	}
	flags := r.setFlags[table]
	if i := slices.IndexFunc(flags, func(f setFlags) bool { return f.name == name }); i >= 0 {
		const concatenated = 1 << 7 // NFT_SET_CONCAT: its elements have both ends
		s.interval = flags[i].flags&(unix.NFT_SET_INTERVAL|concatenated) == unix.NFT_SET_INTERVAL
	}
	request := nfexpr.NewRequest(unix.NFT_MSG_GETSETELEM, c.family).
		AddString(unix.NFTA_SET_ELEM_LIST_TABLE, c.table).AddString(unix.NFTA_SET_ELEM_LIST_SET, name)
	s.err = nfexpr.Dump(ctx, &r.client, request, func() { s.elements = nil }, func(_ nfexpr.Family, b []byte) {
		s.elements = append(s.elements, nfexpr.ParseElements(b)...)
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
	request := nfexpr.NewRequest(unix.NFT_MSG_GETSET, c.family).AddString(unix.NFTA_SET_TABLE, c.table)
	err := nfexpr.Dump(ctx, &r.client, request, func() { all = nil }, func(_ nfexpr.Family, b []byte) {
		const object = 15 // NFTA_SET_OBJ_TYPE
		all = append(all, setFlags{nfexpr.Text(b, unix.NFTA_SET_NAME), nfexpr.Number(b, unix.NFTA_SET_FLAGS),
			nfexpr.Number(b, object)})
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
func (r *ruleset) evaluate(ctx context.Context, q Query, bases []chain) (found []Translation, fates []Fate) {
	if len(bases) == 0 {
		return nil, nil
	}
	r.own = q.Own()
	r.prefixes = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8)}
	if q.OwnPrefixes != nil {
		r.addPrefixes(q.OwnPrefixes(ctx))
	}
	devices, err := net.Interfaces()
	for _, proto := range q.Protos {
		for _, family := range []nfexpr.Family{unix.NFPROTO_IPV4, unix.NFPROTO_IPV6} {
			if family == unix.NFPROTO_IPV4 && !q.IPv4 || family == unix.NFPROTO_IPV6 && !q.IPv6 {
				continue
			}
			for _, inside := range []bool{false, true} {
				e := r.follow(ctx, flow{proto: proto, family: family, inside: inside}, bases, devices, err)
				found, fates = append(found, e.found...), append(fates, e.fates...)
				r.truncated = r.truncated || e.truncated
			}
		}
	}
	return found, fates
}

// follow evaluates the rules for a flow: again where they compare destinations that differ from
// those for which it was done.
func (r *ruleset) follow(ctx context.Context, f flow, bases []chain, all []net.Interface, err error) effects {
	var more []netip.Addr
	for {
		v := &evaluation{flow: f, rules: r}
		v.own, v.prefixes = r.destinations(f.family, f.inside, more)
		v.all = 1<<len(v.own) - 1
		if len(v.own) == 0 {
			return effects{}
		}
		v.setSources()
		v.setDevices(all, err)
		v.effects.flow = &v.flow
		v.run(ctx, bases)
		if len(v.missing) == 0 {
			return v.effects
		}
		if more = append(more, v.missing...); len(more) > maxOwn/4 {
			r.truncated = true
			return v.effects
		}
	}
}

// destinations is the own addresses for which packets can be, with some more, and the prefixes
// of which all are own. What arrives from outside is for none of loopback, unless there is no other.
func (r *ruleset) destinations(
	family nfexpr.Family, inside bool, more []netip.Addr,
) (addrs []netip.Addr, prefixes []netip.Prefix) {
	var all, outer []netip.Addr
	for _, a := range slices.Concat(r.own, more) {
		if a.Is4() == (family == unix.NFPROTO_IPV4) {
			all = append(all, a)
			if !a.IsLoopback() {
				outer = append(outer, a)
			}
		}
	}
	for _, p := range r.prefixes {
		if p.Addr().Is4() == (family == unix.NFPROTO_IPV4) && (inside || !p.Addr().IsLoopback()) {
			prefixes = append(prefixes, p)
		}
	}
	if !inside && len(outer) > 0 {
		all = outer
	}
	if len(all) > maxOwn {
		all, r.truncated = all[:maxOwn], true
	}
	return all, prefixes
}

// setSources sets the addresses from which the flow can come: what arrives has a
// unicast address that is not of loopback (RFC 6890), what this machine sends to
// itself one of its own.
func (f *flow) setSources() {
	span := func(first, last string) Span { return Span{netip.MustParseAddr(first), netip.MustParseAddr(last)} }
	switch {
	case f.inside:
		for _, a := range f.own {
			f.sources = append(f.sources, Span{a.WithZone(""), a.WithZone("")})
		}
		if f.family == unix.NFPROTO_IPV4 {
			f.sources = append(f.sources, span("127.0.0.0", "127.255.255.255"))
		}
		f.sources = newSourceSet(f.sources)
	case f.family == unix.NFPROTO_IPV4:
		f.sources = sourceSet{span("1.0.0.0", "126.255.255.255"), span("128.0.0.0", "223.255.255.255")}
	default:
		f.sources = sourceSet{span("::2", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}
	}
}

// setDevices sets the devices by which the flow can arrive. Where there are none but
// loopback, one of no name stands for those that may come.
func (f *flow) setDevices(all []net.Interface, err error) {
	for _, d := range all {
		if d.Flags&net.FlagLoopback != 0 == f.inside {
			f.devices = append(f.devices, d)
		}
	}
	if len(f.devices) > maxDevices {
		f.devices, err = f.devices[:maxDevices], nfexpr.ErrTooLarge
	}
	if len(f.devices) == 0 {
		f.devices = []net.Interface{{}}
	}
	f.devicesUnknown = err != nil
	f.anyDevice = 1<<len(f.devices) - 1
}

// legacyTables is the tables of legacy iptables, which nf_tables does not list; unread
// if the caller may not know.
func legacyTables() (tables []string, unread bool) {
	for family, file := range map[string]string{"ip": "ip_tables_names", "ip6": "ip6_tables_names"} {
		names, err := os.ReadFile("/proc/thread-self/net/" + file)
		unread = unread || errors.Is(err, os.ErrPermission)
		for _, name := range strings.Fields(string(names)) {
			tables = append(tables, family+" "+name)
		}
	}
	slices.Sort(tables)
	return tables, unread
}
