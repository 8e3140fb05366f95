package inquiry

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"onmux/probe"
)

// namePatience is how long a name's CNAME may take longer than its addresses.
const namePatience = 500 * time.Millisecond

// Names looks names up, once each, and keeps what else came of it. Its methods may
// be called at the same time.
type Names struct {
	resolver *net.Resolver

	mu       sync.Mutex
	found    map[string]*probe.Lookup
	prefixes func() []netip.Prefix // of this network's NAT64; asked for when an address looks like one of them
	suspects map[netip.Addr]bool   // IPv6 addresses that embed an IPv4 one of the same name
}

// NewNames asks r; the context is that of what Describe must look up.
func NewNames(ctx context.Context, r *net.Resolver) *Names {
	n := &Names{resolver: r, found: make(map[string]*probe.Lookup), suspects: make(map[netip.Addr]bool)}
	n.prefixes = sync.OnceValue(func() []netip.Prefix {
		answers, err := r.LookupNetIP(ctx, "ip6", ipv4Only)
		if err != nil {
			return nil
		}
		return nat64Prefixes(answers)
	})
	return n
}

// Resolve finds the addresses of a name.
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
	addrs, err := n.resolver.LookupNetIP(ctx, "ip", host)
	took := time.Since(start)
	if err != nil {
		cancel()
		<-canonical
		return nil, err
	}
	patience := time.AfterFunc(namePatience, cancel)
	defer patience.Stop()
	n.learn(host, <-canonical, addrs, took)
	return addrs, nil
}

func (n *Names) learn(host, canonical string, addrs []netip.Addr, took time.Duration) {
	l := &probe.Lookup{Time: probe.Millis(took)}
	canonical = strings.TrimSuffix(canonical, ".")
	if canonical != "" && !strings.EqualFold(canonical, strings.TrimSuffix(host, ".")) {
		l.CNAME = canonical
	}
	var v4 []netip.Addr
	for _, a := range addrs {
		if a.Unmap().Is4() {
			v4 = append(v4, a.Unmap())
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.found[host] = l
	for _, a := range addrs {
		if embeds(a, v4) {
			n.suspects[a.WithZone("")] = true
		}
	}
}

// Describe adds to an endpoint what is known of its name and address.
func (n *Names) Describe(r *probe.Result) {
	n.mu.Lock()
	r.Lookup = n.found[r.Host]
	suspect := n.suspects[r.Addr.WithZone("")]
	n.mu.Unlock()
	v4, ok := nat64Target(r.Addr)
	if !ok && suspect {
		v4, ok = nat64Target(r.Addr, n.prefixes()...)
	}
	if ok {
		r.NAT64 = v4
		r.Notes = append(r.Notes, "a NAT64 stands between: the address is its name for "+v4.String())
	}
}
