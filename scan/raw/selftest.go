package raw

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"onmux/probe"
	"onmux/scan/link"
	"onmux/scan/packet"
)

// selfTestTimeout is how long a packet to this machine itself may take, under
// load.
const selfTestTimeout = 2 * time.Second

// selfTest sends a datagram to one of the scan's own ports through loopback, for
// each family that is asked, and waits until it is received: so the sockets, the
// filter and the decoder work here. It is written to the device, where no
// firewall is in between. Where loopback is down nothing can be tested.
func (r *receiver) selfTest(ctx context.Context) error {
	lo, err := link.Loopback(ctx)
	if err != nil || !lo.Carrier {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, selfTestTimeout)
	defer cancel()
	for _, self := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		if !r.routes.uses(self.Is4()) {
			continue
		}
		if err := r.sendSelf(lo, self); err != nil {
			return fmt.Errorf("packets cannot be sent: %w", err)
		}
		if err := r.await(ctx, func() bool { return r.forged.Load() > 0 }); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("packets cannot be received: what this machine sent to itself "+
					"did not arrive within %v; --method connect does not need packets", selfTestTimeout)
			}
			return err
		}
		r.forged.Store(0)
	}
	return nil
}

// sendSelf sends a datagram that passes the filter and proves nothing.
func (r *receiver) sendSelf(lo *link.Device, self netip.Addr) error {
	to := probe.Port{Number: r.cookies.Ports(probe.UDP).First, Proto: probe.UDP}
	b, err := packet.NewBuilder(packet.Path{Src: self}, r.cookies, []probe.Port{to})
	if err != nil {
		return err
	}
	s, err := link.OpenFrames(lo, b.MaxLen())
	if err != nil {
		return err
	}
	n := b.Put(s.Room(), probe.Endpoint{Addr: self, Port: to.Number, Proto: to.Proto}, 1, packet.MAC{}, 0)
	s.Add(n, self, 0)
	_, err = s.Flush()
	return errors.Join(err, s.Close())
}

// await reads packets until a condition holds.
func (r *receiver) await(ctx context.Context, holds func() bool) error {
	for !holds() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		deadline, _ := ctx.Deadline()
		if err := r.socket.Wait(min(max(time.Until(deadline), 0), 50*time.Millisecond)); err != nil {
			return err
		}
		if err := r.read(); err != nil {
			return err
		}
	}
	return nil
}
