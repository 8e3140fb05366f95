package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"onmux/probe"
	"onmux/probe/lookup"
)

// maxResolving bounds how many names are looked up at the same time.
const maxResolving = 8

// A resolver turns a host name into its addresses.
type resolver func(ctx context.Context, host string) ([]netip.Addr, error)

func systemResolver(ctx context.Context, host string) ([]netip.Addr, error) {
	return lookup.Addresses(ctx, net.DefaultResolver, host)
}

// ResolveError: a name has no address, or no name server answered.
// With a Family, only those of that family are not known.
type ResolveError struct {
	Host  string
	Err   error
	Ports []probe.Port // on which it was to be asked

	Family string // IPv4 or IPv6; "" for both
}

func (e *ResolveError) Error() string {
	if e.Family != "" {
		return fmt.Sprintf("the %s addresses of host %s cannot be looked up: %s", e.Family, clip(e.Host), e.reason())
	}
	return fmt.Sprintf("host %s does not resolve: %s", clip(e.Host), e.reason())
}

// reason is Err without the name.
func (e *ResolveError) reason() string {
	if dns, ok := errors.AsType[*net.DNSError](e.Err); ok {
		return dns.Err
	}
	return e.Err.Error()
}

func (e *ResolveError) Unwrap() error { return e.Err }

// IsUsage reports of an error of NewPlan, ports.Parse or Read whether the user can
// mend it: a target, port or file that makes no sense, or a name that does not
// exist. It is false where the context ended, no name server answered, or
// the machine's own networks cannot be read.
func IsUsage(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, ErrOwnNetworks) {
		return false
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	_, ok := errors.AsType[*ResolveError](err)
	return !ok
}

// answer is what one name resolved to.
type answer struct {
	addrs []netip.Addr
	err   error // a *ResolveError; with addresses, of one family
}

// resolve looks up each of hosts once, several at a time. The addresses are
// sorted, without duplicates, and IPv4-mapped ones are IPv4.
func (look resolver) resolve(ctx context.Context, hosts []string) map[string]answer {
	if look == nil {
		look = systemResolver
	}
	hosts = slices.Clone(hosts)
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	var (
		answers = make([]answer, len(hosts))
		next    = make(chan int)
		all     sync.WaitGroup
	)
	for range min(maxResolving, len(hosts)) {
		all.Go(func() {
			for i := range next {
				answers[i] = look.one(ctx, hosts[i])
			}
		})
	}
	for i := range hosts {
		next <- i
	}
	close(next)
	all.Wait()
	out := make(map[string]answer, len(hosts))
	for i, h := range hosts {
		out[h] = answers[i]
	}
	return out
}

func (look resolver) one(ctx context.Context, host string) answer {
	if err := ctx.Err(); err != nil {
		return answer{err: &ResolveError{Host: host, Err: err}}
	}
	addrs, err := look(ctx, host)
	var failed error
	if part, ok := errors.AsType[*lookup.PartError](err); ok && len(addrs) > 0 {
		failed = &ResolveError{Host: host, Err: part.Err, Family: part.Family()}
	} else if err != nil {
		return answer{err: &ResolveError{Host: host, Err: err}}
	}
	var out []netip.Addr
	for _, a := range addrs {
		if a.IsValid() {
			out = append(out, a.Unmap())
		}
	}
	if len(out) == 0 {
		none := &net.DNSError{Err: "it has no address", Name: host, IsNotFound: true}
		return answer{err: &ResolveError{Host: host, Err: none}}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return answer{addrs: slices.Compact(out), err: failed}
}
