package target

import (
	"context"
	"net"
	"net/netip"
	"testing"
)

// Names of this machine have an address where no hosts file or name server knows them, and
// those that are known there where one does.
func TestLocalhost(t *testing.T) {
	t.Parallel()
	unknown := resolver(func(_ context.Context, host string) ([]netip.Addr, error) {
		if host == "known.localhost" {
			return []netip.Addr{netip.MustParseAddr("127.0.0.9")}, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	})
	for host, want := range map[string]string{
		"localhost": "127.0.0.1", "LocalHost.": "127.0.0.1", "db.localhost": "127.0.0.1", "known.localhost": "127.0.0.9",
		"localhost.example": "", "mylocalhost": "", "host": "",
	} {
		got := unknown.one(t.Context(), host)
		if (got.err == nil) != (want != "") || want != "" && got.addrs[0].String() != want {
			t.Errorf("%s: %+v, want %s", host, got, want)
		}
		for _, a := range got.addrs {
			if !a.IsLoopback() {
				t.Errorf("%s: %s", host, a)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := unknown.one(ctx, "localhost"); got.err == nil {
		t.Error("it is resolved after the context has ended")
	}
}
