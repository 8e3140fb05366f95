package farend

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
)

func TestMain(m *testing.M) { nettest.Main(m) }

// A listener that proves itself and then ends is proven, though nothing else is known.
func TestProofStands(t *testing.T) {
	t.Parallel()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	k := NewKey("secret")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer c.Close()
		buf := make([]byte, 2*Size)
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		b, _ := NewResponder(k).Answer(nil, buf[:n], from, netip.AddrPort{}, 64)
		_, _ = c.WriteToUDPAddrPort(b, from)
	}()
	e := probe.Endpoint{Proto: probe.UDP}
	at := netip.MustParseAddrPort(c.LocalAddr().String())
	e.Addr, e.Port = at.Addr(), at.Port()
	got, err := Ask(t.Context(), new(net.Dialer).DialContext, e, Options{Key: k, Timeout: 20 * time.Second, Path: true})
	if err != nil || !got.Proven || got.Seen != got.Source {
		t.Errorf("%+v, %v", got, err)
	}
	<-ended
}
