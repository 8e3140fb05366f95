package inquiry

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"onmux/probe"
	"onmux/probe/lookup"
)

// cnameWait is how much longer a name's CNAME may take than its addresses.
const cnameWait = 500 * time.Millisecond

// Names resolves names, once each, and keeps what is known of them. Its methods may be
// called at the same time.
type Names struct {
	resolver *net.Resolver
	known    knownNames
	nat64    nat64Network
}

// NewNames returns Names that resolve with r.
func NewNames(r *net.Resolver) *Names {
	return &Names{
		resolver: r,
		known:    knownNames{lookups: make(map[string]*probe.Lookup), suspects: make(map[netip.Addr]bool)},
		nat64:    nat64Network{resolver: r},
	}
}

// knownNames is what was found out about names.
type knownNames struct {
	mu       sync.Mutex // guards all fields
	lookups  map[string]*probe.Lookup
	suspects map[netip.Addr]bool // IPv6 addresses that embed an IPv4 one of the same name
}

// add keeps a lookup and the addresses that may be those of a NAT64.
func (k *knownNames) add(host string, l *probe.Lookup, addrs []netip.Addr) {
	var v4 []netip.Addr
	for _, a := range addrs {
		if a.Unmap().Is4() {
			v4 = append(v4, a.Unmap())
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lookups[host] = l
	for _, a := range addrs {
		if embeds(a, v4) {
			k.suspects[a.WithZone("")] = true
		}
	}
}

// of is what is known of a name and of one of its addresses.
func (k *knownNames) of(host string, a netip.Addr) (l *probe.Lookup, suspect bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lookups[host], k.suspects[a.WithZone("")]
}

// nat64Network looks up this network's NAT64 prefixes, once.
type nat64Network struct {
	resolver *net.Resolver
	once     sync.Once // guards found
	found    []netip.Prefix
}

func (n *nat64Network) prefixes(ctx context.Context) []netip.Prefix {
	n.once.Do(func() {
		if answers, err := n.resolver.LookupNetIP(ctx, "ip6", ipv4Only); err == nil {
			n.found = nat64Prefixes(answers)
		}
	})
	return n.found
}

// Resolve finds the addresses of a name, as lookup.Addresses does.
func (n *Names) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	canonical := make(chan string, 1)
	go func() {
		name, err := n.resolver.LookupCNAME(limited, host)
		if err != nil {
			name = ""
		}
		canonical <- name
	}()
	start := time.Now()
	addrs, err := lookup.Addresses(ctx, n.resolver, host)
	took := time.Since(start)
	if len(addrs) == 0 {
		cancel()
		<-canonical
		return nil, cmp.Or(err, errNoAddress)
	}
	wait := time.AfterFunc(cnameWait, cancel)
	defer wait.Stop()
	l := &probe.Lookup{Time: probe.Millis(took)}
	cname := strings.TrimSuffix(<-canonical, ".")
	if cname != "" && !strings.EqualFold(cname, strings.TrimSuffix(host, ".")) {
		l.CNAME = cname
	}
	n.known.add(host, l, addrs)
	return addrs, err
}

var errNoAddress = errors.New("it has no address")

// Describe adds to an endpoint what is known of its name and address.
func (n *Names) Describe(ctx context.Context, r *probe.Result) {
	l, suspect := n.known.of(r.Host, r.Addr)
	r.Lookup = l
	v4, ok := nat64Target(r.Addr)
	if !ok && suspect {
		v4, ok = nat64Target(r.Addr, n.nat64.prefixes(ctx)...)
	}
	if ok {
		r.NAT64 = v4
	}
}

// Unresolved is what is known of the ports of a host whose name has no address, because of why.
func Unresolved(host string, why error, on []probe.Port) []probe.Result {
	var all []probe.Result
	for _, p := range on {
		all = append(all, probe.Result{Endpoint: probe.Endpoint{Port: p.Number, Proto: p.Proto},
			Origin: probe.Origin{Host: host}, Error: why.Error()})
	}
	return all
}
