package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// maxRuleset bounds how much of a machine's rules and sets is read, in bytes as
// the kernel sends them: 10,000 rules of kube-proxy are about 6 MB.
const maxRuleset = 64 << 20

// errEnough says that more rules stand there than are read.
var errEnough = fmt.Errorf("more than %d MB of them", maxRuleset>>20)

// unopened says that the kernel was not asked. Of its nf_tables that tells
// nothing, whatever the reason: seccomp(2) filters of containers and units forbid
// sockets with errors such as EPERM and EAFNOSUPPORT, that of a kernel without.
type unopened struct{ error }

func (u *unopened) Error() string { return "no netlink socket can be opened: " + u.error.Error() }

func (u *unopened) Unwrap() error { return u.error }

// ruleset asks the kernel for its nf_tables through netlink
// (linux/netfilter/nf_tables.h).
type ruleset struct {
	diag *sockDiag // receives
	left int       // bytes that may still be read
}

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

// dump tells each object of a kind (NFT_MSG_GET…) whose names the attributes
// give. A dump during which the rules changed is made anew: reset forgets what
// was told.
func (r *ruleset) dump(ctx context.Context, kind uint16, family nftFamily, names []byte, reset func(), see func(nftFamily, []byte)) error {
	for try := 1; ; try++ {
		reset()
		err := r.dumpOnce(ctx, kind, family, names, see)
		if try == dumpTries || !errors.Is(err, errChanged) && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
}

func (r *ruleset) dumpOnce(ctx context.Context, kind uint16, family nftFamily, names []byte, see func(nftFamily, []byte)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return &unopened{err}
	}
	defer unix.Close(fd)
	poll := unix.NsecToTimeval(dumpPoll.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &poll); err != nil {
		return err
	}
	if err := unix.Sendto(fd, nftRequest(kind, family, names), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for changed := false; ; {
		b, err := r.diag.receive(ctx, fd)
		if err != nil {
			return err
		}
		if r.left -= len(b); r.left < 0 {
			return errEnough
		}
		p, err := parseNFT(b, see)
		changed = changed || p.changed
		switch {
		case err != nil:
			return err
		case p.done && changed:
			return errChanged
		case p.done:
			return nil
		}
	}
}

// nftSeq is the sequence number of a dump, each of which has its own socket.
const nftSeq = 1

// nftRequest is a netlink message with a struct nfgenmsg that asks for a dump.
func nftRequest(kind uint16, family nftFamily, names []byte) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN+4, unix.NLMSG_HDRLEN+4+len(names))
	b = append(b, names...)
	binary.NativeEndian.PutUint32(b[0:], uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.NFNL_SUBSYS_NFTABLES<<8|kind)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(b[8:], nftSeq)
	b[unix.NLMSG_HDRLEN] = byte(family)
	return b
}

// appendName appends an attribute that holds a string.
func appendName(b []byte, kind uint16, name string) []byte {
	size := unix.NLA_HDRLEN + len(name) + 1
	b = binary.NativeEndian.AppendUint16(b, uint16(size))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, name...)
	return append(b, make([]byte, 1+align4(size)-size)...)
}

// parseNFT reads one datagram of a dump; see is told the family and the
// attributes of each object. Nothing in b is trusted; see must not keep it.
func parseNFT(b []byte, see func(nftFamily, []byte)) (progress, error) {
	return messages(b, nftSeq, func(kind uint16, body []byte) error {
		if kind>>8 == unix.NFNL_SUBSYS_NFTABLES && len(body) >= 4 {
			see(nftFamily(body[0]), body[4:])
		}
		return nil
	})
}

// nla is the value of the first netlink attribute (struct nlattr) of a kind; nil
// if there is none, or none that is whole. Attributes nest.
func nla(b []byte, kind uint16) []byte {
	for k, v := range nlas(b) {
		if k == kind {
			return v
		}
	}
	return nil
}

// nlas tells all attributes up to one that is not whole.
func nlas(b []byte) func(yield func(uint16, []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.NLA_HDRLEN {
			size := int(binary.NativeEndian.Uint16(b))
			if size < unix.NLA_HDRLEN || size > len(b) {
				return
			}
			kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(kind, b[unix.NLA_HDRLEN:size]) {
				return
			}
			b = b[min(align4(size), len(b)):]
		}
	}
}

// be32 reads a number as nf_tables has them: 4 bytes, the highest first. What is
// shorter is 0.
func be32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

// nlaText reads a string that ends in NUL.
func nlaText(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
