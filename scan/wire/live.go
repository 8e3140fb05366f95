package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"onmux/scan/capture"
	"onmux/scan/link"
	"onmux/scan/packet"
)

// ErrForbidden means that this process may not see packets.
var ErrForbidden = errors.New("seeing packets takes CAP_NET_RAW")

// Live receives the packets of interfaces of this machine. One goroutine uses it.
type Live struct {
	// Refresh is called now and then while packets are taken in, at most once a second. It may be
	// nil.
	Refresh func(*Watch)

	receiver *link.Receiver
}

// liveBuffer is how many bytes the kernel may hold while this process waits for a processor: at the
// rate of a scan, 100,000 packets a second, more than a second's.
const liveBuffer = 128 << 20

// Listen begins to receive what passes the interface of that name, or all if it is "". What
// is not to or from the ports is dropped by the kernel.
func Listen(c Config, name string) (*Live, error) {
	config := link.ReceiverConfig{Both: true, Timestamps: true, Buffer: liveBuffer}
	if name != "" {
		device, err := net.InterfaceByName(name)
		if err != nil {
			return nil, fmt.Errorf("no interface %q on this machine", name)
		}
		config.Interface = device.Index
	}
	var err error
	if config.Filter, err = packet.PortFilter(c.Ports); err != nil {
		return nil, err
	}
	l := &Live{}
	if l.receiver, err = link.OpenReceiver(config); errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("%w: %w", ErrForbidden, err)
	} else if err != nil {
		return nil, err
	}
	return l, nil
}

// idle is how often the clock goes on while nothing passes.
const idle = time.Second

// refreshShare bounds the time that goes into refreshing, during which packets wait: 1/20.
const refreshShare = 20

// Read takes in what passes, until the context ends.
func (l *Live) Read(ctx context.Context, w *Watch) error {
	defer context.AfterFunc(ctx, l.receiver.Wake)()
	var next time.Time // when to refresh
	due := func() bool { return l.Refresh != nil && !time.Now().Before(next) }
	for ctx.Err() == nil {
		if err := l.receiver.Wait(idle); err != nil {
			return err
		}
		for {
			n, err := l.receiver.Read(func(p link.Packet) { w.Packet(captured(&p)) })
			if err != nil {
				return err
			}
			if n == 0 || ctx.Err() != nil || due() {
				break
			}
		}
		w.scope.ended = max(w.scope.ended, time.Now().UnixNano())
		w.tracker.announcer.announceSilence(w.scope.ended)
		if due() {
			begun := time.Now()
			l.Refresh(w)
			next = begun.Add(max(idle, refreshShare*time.Since(begun)))
		}
	}
	w.lost = l.receiver.Lost()
	return nil
}

// captured is a packet as a capture has it.
func captured(p *link.Packet) *capture.Packet {
	via := uint32(p.Device) << 1
	if p.Leaves {
		via |= 1
	}
	return &capture.Packet{Data: p.Frame, Size: len(p.Frame), Time: p.Time, Link: capture.LinkEthernet, Via: via}
}

// Close frees the socket.
func (l *Live) Close() error { return l.receiver.Close() }
