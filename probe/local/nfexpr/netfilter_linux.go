package nfexpr

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// MaxRuleset bounds how much of a machine's rules and sets is read, in bytes as
// the kernel sends them: 10,000 rules of kube-proxy are about 6 MB.
const MaxRuleset = 64 << 20

// ErrTooLarge means that there are more rules than are read.
var ErrTooLarge = fmt.Errorf("more than %d MB of them", MaxRuleset>>20)

// Family is a family of tables, with its name in nft(8).
type Family uint8

func (f Family) String() string {
	switch f {
	case unix.NFPROTO_IPV4:
		return "ip"
	case unix.NFPROTO_IPV6:
		return "ip6"
	case unix.NFPROTO_INET:
		return "inet"
	case unix.NFPROTO_NETDEV:
		return "netdev"
	case unix.NFPROTO_BRIDGE:
		return "bridge"
	}
	return fmt.Sprintf("family %d", uint8(f))
}

// nfgenmsgSize is that of struct nfgenmsg (linux/netfilter/nfnetlink.h).
const nfgenmsgSize = 4

// NewRequest requests objects of a type (NFT_MSG_GET…) and a family.
func NewRequest(kind uint16, family Family) *netlink.Request {
	return netlink.NewRequest(unix.NFNL_SUBSYS_NFTABLES<<8|kind, []byte{byte(family), 0, 0, 0})
}

// Dump calls each with the family and the attributes of every object that a request
// selects (linux/netfilter/nf_tables.h), which are valid during the call. A dump
// during which the rules changed is repeated after a reset.
func Dump(
	ctx context.Context, c *netlink.Client, r *netlink.Request, reset func(), each func(Family, []byte),
) error {
	err := c.Dump(ctx, r, reset, func(kind uint16, body []byte) error {
		if kind>>8 == unix.NFNL_SUBSYS_NFTABLES && len(body) >= nfgenmsgSize {
			each(Family(body[0]), body[nfgenmsgSize:])
		}
		return nil
	})
	if errors.Is(err, netlink.ErrTooLarge) {
		return ErrTooLarge
	}
	return err
}

// be32 reads a number as nf_tables has them: 4 bytes, the highest first. What is
// shorter is 0.
func be32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

// Number is an attribute that holds one; 0 if there is none.
func Number(b []byte, kind uint16) uint32 { return be32(netlink.Attribute(b, kind)) }

// Text is an attribute that holds a string.
func Text(b []byte, kind uint16) string { return netlink.Text(netlink.Attribute(b, kind)) }

// value is a copy of the data in an attribute (NFTA_DATA_VALUE).
func value(b []byte, kind uint16) []byte {
	return slices.Clone(netlink.Attribute(netlink.Attribute(b, kind), unix.NFTA_DATA_VALUE))
}
