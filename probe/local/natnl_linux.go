package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// maxRuleset bounds how much of a machine's rules and sets is read, in bytes as
// the kernel sends them: 10,000 rules of kube-proxy are about 6 MB.
const maxRuleset = 64 << 20

// errEnough says that more rules stand there than are read.
var errEnough = fmt.Errorf("more than %d MB of them", maxRuleset>>20)

// nftFamily is a family of tables, with its name.
type nftFamily uint8

func (f nftFamily) String() string {
	switch f {
	case unix.NFPROTO_IPV4:
		return "ip"
	case unix.NFPROTO_IPV6:
		return "ip6"
	case unix.NFPROTO_INET:
		return "inet"
	}
	return fmt.Sprintf("family %d", uint8(f))
}

// dumpNFT calls see with the family and the attributes of each object of a kind
// (NFT_MSG_GET…, linux/netfilter/nf_tables.h) that the request selects; see must not
// keep them. A dump during which the rules changed is repeated after a reset.
func dumpNFT(ctx context.Context, c *netlink.Client, r *netlink.Request, reset func(), see func(nftFamily, []byte)) error {
	err := c.Dump(ctx, r, reset, func(kind uint16, body []byte) error {
		if kind>>8 == unix.NFNL_SUBSYS_NFTABLES && len(body) >= nfgenmsg {
			see(nftFamily(body[0]), body[nfgenmsg:])
		}
		return nil
	})
	if errors.Is(err, netlink.ErrTooLarge) {
		return errEnough
	}
	return err
}

// nfgenmsg is the size of struct nfgenmsg (linux/netfilter/nfnetlink.h).
const nfgenmsg = 4

// nftRequest requests objects of a kind and a family.
func nftRequest(kind uint16, family nftFamily) *netlink.Request {
	return netlink.NewRequest(unix.NFNL_SUBSYS_NFTABLES<<8|kind, []byte{byte(family), 0, 0, 0})
}

// be32 reads a number as nf_tables has them: 4 bytes, the highest first. What is
// shorter is 0.
func be32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}
