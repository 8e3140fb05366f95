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

// changes are the groups of rtnetlink(7) that are subscribed to: interfaces and
// addresses.
const changes = 1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_IPV4_IFADDR-1) | 1<<(unix.RTNLGRP_IPV6_IFADDR-1)

// watcher notices when an interface or an address that is needed goes away.
type watcher struct {
	fd      int
	devices []*Device
	sources []netip.Addr
}

// openWatcher subscribes to changes, and then looks at the devices and addresses,
// so that no change is missed. Of the sources it keeps those that are set on an
// interface: a route may make others this machine's.
func openWatcher(devices []*Device, sources []netip.Addr) (*watcher, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("no netlink socket: %w", err)
	}
	w := &watcher{fd: fd, devices: devices, sources: slices.Clone(sources)}
	if err := w.start(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return w, nil
}

func (w *watcher) start() error {
	if err := unix.Bind(w.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: changes}); err != nil {
		return fmt.Errorf("the netlink socket cannot subscribe to interfaces: %w", err)
	}
	own, err := addresses()
	if err != nil {
		return err
	}
	w.sources = slices.DeleteFunc(w.sources, func(a netip.Addr) bool { return !own[a] })
	return w.checkDevices()
}

// check is called when the kernel reports changes. Some may have been lost, so it
// does not read what they are but asks how the interfaces are now.
func (w *watcher) check() error {
	buf := make([]byte, 1<<14)
	for {
		_, err := unix.Read(w.fd, buf)
		if err == unix.EAGAIN {
			return errors.Join(w.checkDevices(), w.checkSources())
		}
		if err != nil && err != unix.EINTR && err != unix.ENOBUFS {
			return fmt.Errorf("reading changes of interfaces: %w", err)
		}
	}
}

func (w *watcher) checkDevices() error {
	for _, d := range w.devices {
		l, err := netlink.LookupLink(context.Background(), d.Index)
		switch {
		case errors.Is(err, unix.ENODEV):
			return fmt.Errorf("%s is gone: %w", d.Name, ErrDown)
		case err != nil:
			return fmt.Errorf("the kernel does not report the state of %s: %w", d.Name, err)
		case l.Flags&unix.IFF_UP == 0:
			return fmt.Errorf("%s was switched off: %w", d.Name, ErrDown)
		case !carrier(l.Flags):
			return fmt.Errorf("%s has no carrier: %w", d.Name, ErrDown)
		}
	}
	return nil
}

// checkSources fails when an address that answers are sent to was removed:
// answers would no longer arrive, and all targets would seem silent.
func (w *watcher) checkSources() error {
	own, err := addresses()
	if err != nil {
		return err
	}
	for _, a := range w.sources {
		if !own[a] {
			return fmt.Errorf("%v: %w", a, ErrAddressRemoved)
		}
	}
	return nil
}

// addresses are those of this machine's interfaces.
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
