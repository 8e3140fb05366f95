package link

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// news are the groups of rtnetlink(7) that are heard: of devices and of addresses.
const news = 1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_IPV4_IFADDR-1) | 1<<(unix.RTNLGRP_IPV6_IFADDR-1)

// watchDevices subscribes to news, and then looks at the devices and addresses
// that are needed, so that none goes unseen. Of the sources it keeps those that
// stand on a device: a route may make others this machine's.
func (h *Hearer) watchDevices() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("no netlink socket: %w", err)
	}
	h.watch = fd
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: news}); err != nil {
		return fmt.Errorf("the netlink socket cannot hear of devices: %w", err)
	}
	own, err := addresses()
	if err != nil {
		return err
	}
	h.sources = slices.DeleteFunc(h.sources, func(a netip.Addr) bool { return !own[a] })
	return h.checkDevices()
}

// lookAtDevices is called when there is news. What it says does not matter, and
// some may have been lost: how the devices are now is asked for.
func (h *Hearer) lookAtDevices() error {
	buf := make([]byte, 1<<14)
	for {
		_, err := unix.Read(h.watch, buf)
		if err == unix.EAGAIN {
			return errors.Join(h.checkDevices(), h.checkSources())
		}
		if err != nil && err != unix.EINTR && err != unix.ENOBUFS {
			return fmt.Errorf("hearing of devices: %w", err)
		}
	}
}

func (h *Hearer) checkDevices() error {
	for _, d := range h.devices {
		l, err := netlink.LookupLink(context.Background(), d.Index)
		switch {
		case errors.Is(err, unix.ENODEV):
			return fmt.Errorf("%s is gone: %w", d.Name, ErrDown)
		case err != nil:
			return fmt.Errorf("the kernel does not tell how %s is: %w", d.Name, err)
		case l.Flags&unix.IFF_UP == 0:
			return fmt.Errorf("%s was switched off: %w", d.Name, ErrDown)
		case !carrier(l.Flags):
			return fmt.Errorf("%s has no carrier: %w", d.Name, ErrDown)
		}
	}
	return nil
}

// checkSources fails when an address that answers come to was taken away: nobody
// would be told any more where to send them, and what is left is silence.
func (h *Hearer) checkSources() error {
	own, err := addresses()
	if err != nil {
		return err
	}
	for _, a := range h.sources {
		if !own[a] {
			return fmt.Errorf("%v, to which answers come: %w", a, ErrTaken)
		}
	}
	return nil
}

// addresses are those of this machine's devices.
func addresses() (map[netip.Addr]bool, error) {
	list, err := netlink.Addresses(context.Background())
	if err != nil {
		return nil, fmt.Errorf("the addresses of this machine cannot be listed: %w", err)
	}
	own := make(map[netip.Addr]bool, len(list))
	for _, a := range list {
		own[a.Addr] = true
	}
	return own, nil
}
