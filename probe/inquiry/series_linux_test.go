package inquiry

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
)

// The loss of a real link is the loss that is reported.
func TestRepeatLoss(t *testing.T) {
	t.Parallel()
	h := nettest.NewHost(t)
	var c net.PacketConn
	if err := h.Do(func() (err error) { c, err = net.ListenPacket("udp", ":417"); return }); err != nil {
		t.Fatal(err)
	}
	nettest.Receive(t, c, func(_ []byte, from net.Addr) { c.WriteTo([]byte("hello"), from) })
	e := probe.Endpoint{Addr: h.Addr4, Port: 417, Proto: probe.UDP}
	// the link is up now
	if r, err := probe.Do(t.Context(), e, probe.Options{Timeout: 20 * time.Second, Resend: true}); err != nil ||
		r.State != probe.Open {
		t.Fatal(r.State, err)
	}
	if err := h.Do(dropEveryOther); err != nil {
		t.Fatal(err)
	}
	tries := 0
	r, err := Repeat{Count: 8, Interval: time.Millisecond}.Run(t.Context(),
		func(ctx context.Context) (probe.Result, error) {
			return probe.Do(ctx, e, probe.Options{Timeout: 500 * time.Millisecond})
		}, func(a probe.Attempt) { tries++ })
	if a := r.Attempts; err != nil || tries != 8 || a.Sent != 8 || a.Answered != 4 || a.Loss != 0.5 ||
		r.State != probe.Open || a.Min <= 0 || a.Max < a.Min || a.Avg < a.Min || a.Avg > a.Max {
		t.Errorf("%s, %+v, %v", r.State, a, err)
	}
}

// dropEveryOther drops every other datagram that comes over IPv4.
func dropEveryOther() error {
	f := nft.New(nftables.TableFamilyIPv4)
	f.Rule(f.Filter(nftables.ChainHookInput), nft.Proto(unix.IPPROTO_UDP), []expr.Any{
		&expr.Numgen{Register: 1, Type: unix.NFT_NG_INCREMENTAL, Modulus: 2},
		&expr.Cmp{Register: 1, Data: []byte{0, 0, 0, 0}},
	}, nft.Verdict(expr.VerdictDrop, ""))
	return f.Flush()
}
