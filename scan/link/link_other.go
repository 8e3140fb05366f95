//go:build !linux

package link

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/net/bpf"
)

// errUnsupported is the error of every constructor, with what to do instead.
var errUnsupported = fmt.Errorf(
	"onmux sends no packets of its own on %s, use --method connect: %w",
	runtime.GOOS,
	errors.ErrUnsupported,
)

// Permitted always fails.
func Permitted() error { return errUnsupported }

// DropPrivileges always fails.
func DropPrivileges() error { return errUnsupported }

// Routes always fails.
func Routes(context.Context, RouteConfig) (*Table, error) { return nil, errUnsupported }

// Loopback always fails.
func Loopback(context.Context) (*Device, error) { return nil, errUnsupported }

// Neighbors always fails.
func Neighbors(context.Context, *Device) ([]Neighbor, error) { return nil, errUnsupported }

// Ports are a block of reserved source ports.
type Ports struct{ First uint16 }

// Reserve always fails.
func Reserve(bool, int) (*Ports, error) { return nil, errUnsupported }

// Close does nothing.
func (*Ports) Close() {}

// AnnouncedPorts are none.
func AnnouncedPorts() []PortRange { return nil }

// Sender sends packets in batches.
type Sender struct{}

// OpenFrames always fails.
func OpenFrames(*Device, int) (*Sender, error) { return nil, errUnsupported }

// OpenRaw always fails.
func OpenRaw(bool, string, int) (*Sender, error) { return nil, errUnsupported }

// Room is nil.
func (*Sender) Room() []byte { return nil }

// Add does nothing.
func (*Sender) Add(int, netip.Addr, int) {}

// Filled is 0.
func (*Sender) Filled() int { return 0 }

// Len is 0.
func (*Sender) Len() int { return 0 }

// Flush always fails.
func (*Sender) Flush() (int, error) { return 0, errUnsupported }

// Skip does nothing.
func (*Sender) Skip() {}

// Discard does nothing.
func (*Sender) Discard() {}

// Close does nothing.
func (*Sender) Close() error { return nil }

// IsBusy is false.
func IsBusy(error) bool { return false }

// IsGone is false.
func IsGone(error) bool { return false }

// ReceiverConfig describes what is to be received.
type ReceiverConfig struct {
	IPv4, IPv6, ARP bool
	Filter          []bpf.RawInstruction
	Devices         []*Device
	Sources         []netip.Addr
	Buffer          int
	Both            bool
	Interface       int
	Timestamps      bool
}

// Packet is one that was received.
type Packet struct {
	Frame    []byte
	Device   int
	Age      time.Duration
	Time     int64
	Leaves   bool
	Unsummed bool
}

// Receiver receives packets.
type Receiver struct{}

// OpenReceiver always fails.
func OpenReceiver(ReceiverConfig) (*Receiver, error) { return nil, errUnsupported }

// Wait always fails.
func (*Receiver) Wait(time.Duration) error { return errUnsupported }

// Read always fails.
func (*Receiver) Read(func(Packet)) (int, error) { return 0, errUnsupported }

// Lost is 0.
func (*Receiver) Lost() uint64 { return 0 }

// Wake does nothing.
func (*Receiver) Wake() {}

// Close does nothing.
func (*Receiver) Close() error { return nil }
