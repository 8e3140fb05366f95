package link

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// watchDevices subscribes to news of devices, and then looks at those that are
// needed, so that none goes down unseen.
func (h *Hearer) watchDevices() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("no netlink socket: %w", err)
	}
	h.watch = fd
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_LINK - 1)}); err != nil {
		return fmt.Errorf("the netlink socket cannot hear of devices: %w", err)
	}
	return h.checkDevices()
}

// lookAtDevices is called when there is news. What it says does not matter, and
// some may have been lost: how the devices are now is asked for.
func (h *Hearer) lookAtDevices() error {
	buf := make([]byte, 1<<14)
	for {
		_, err := unix.Read(h.watch, buf)
		if err == unix.EAGAIN {
			return h.checkDevices()
		}
		if err != nil && err != unix.EINTR && err != unix.ENOBUFS {
			return fmt.Errorf("hearing of devices: %w", err)
		}
	}
}

func (h *Hearer) checkDevices() error {
	for _, d := range h.devices {
		l, err := netlink.LinkByIndex(d.Index)
		var gone netlink.LinkNotFoundError
		switch {
		case errors.As(err, &gone):
			return fmt.Errorf("%s is gone: %w", d.Name, ErrDown)
		case err != nil:
			return fmt.Errorf("the kernel does not tell how %s is: %w", d.Name, err)
		case l.Attrs().RawFlags&unix.IFF_UP == 0:
			return fmt.Errorf("%s was switched off: %w", d.Name, ErrDown)
		case !carrier(l.Attrs().RawFlags):
			return fmt.Errorf("%s has no carrier: %w", d.Name, ErrDown)
		}
	}
	return nil
}
