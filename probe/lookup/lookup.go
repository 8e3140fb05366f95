package lookup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// PartError is the error of a lookup that failed for one family of addresses and found
// some of the other.
type PartError struct {
	IPv6 bool // the family that failed; false is IPv4
	Err  error
}

func (e *PartError) Error() string {
	return fmt.Sprintf("its %s addresses cannot be looked up: %v", e.Family(), e.Err)
}

// Family names the family that failed.
func (e *PartError) Family() string {
	if e.IPv6 {
		return "IPv6"
	}
	return "IPv4"
}

func (e *PartError) Unwrap() error { return e.Err }

// Addresses looks up a name. With a PartError there are addresses, too.
func Addresses(ctx context.Context, r *net.Resolver, host string) ([]netip.Addr, error) {
	if isLocalhost(host) {
		return localhost(ctx, host), nil
	}
	type answer struct {
		addrs []netip.Addr
		err   error
	}
	second := make(chan answer, 1)
	go func() {
		addrs, err := r.LookupNetIP(ctx, "ip6", host)
		second <- answer{addrs, err}
	}()
	v4, err4 := r.LookupNetIP(ctx, "ip4", host)
	six := <-second
	switch {
	case len(v4) == 0 && len(six.addrs) == 0:
		return nil, cause(err4, six.err)
	case six.err != nil && !isNone(six.err):
		return v4, &PartError{IPv6: true, Err: six.err}
	case err4 != nil && !isNone(err4):
		return six.addrs, &PartError{Err: err4}
	}
	return append(v4, six.addrs...), nil
}

// cause is the error that is no proof that the name does not exist, if one of them is, or
// the first.
func cause(err4, err6 error) error {
	if isNone(err4) && err6 != nil && !isNone(err6) {
		return err6
	}
	return err4
}

// isNone reports whether a lookup succeeded in finding that there is no address.
func isNone(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	_, ok := errors.AsType[*net.AddrError](err) // the hosts file has the name with other addresses
	return ok
}

// isLocalhost reports whether a name always stands for this machine (RFC 6761, section 6.3).
func isLocalhost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// localhost has the addresses of localhost in the hosts file, or else loopback's. No name
// server is asked (RFC 6761, section 6.3).
func localhost(ctx context.Context, host string) []netip.Addr {
	files := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errNoServer
	}}
	if addrs, err := files.LookupNetIP(ctx, "ip", host); err == nil {
		return addrs
	}
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
}

var errNoServer = errors.New("no name server is asked")
