package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// forward makes a NAT rule for scripts: forward FROM TO sends on what this
// machine itself sends to a TCP port over IPv4. The rule stays as long as the
// namespace.
func forward() {
	if err := addRedirect(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "forward:", err)
		os.Exit(1)
	}
}

func addRedirect(args []string) error {
	var ports [2][]byte
	for i := range ports {
		n, err := strconv.ParseUint(args[i], 10, 16)
		if err != nil {
			return err
		}
		ports[i] = binaryutil.BigEndian.PutUint16(uint16(n))
	}
	c, err := nftables.New()
	if err != nil {
		return err
	}
	table := c.AddTable(&nftables.Table{Name: "nat", Family: nftables.TableFamilyIPv4})
	chain := c.AddChain(&nftables.Chain{Name: "output", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest})
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Register: 1, Data: ports[0]},
		&expr.Immediate{Register: 1, Data: ports[1]},
		&expr.Redir{RegisterProtoMin: 1},
	}})
	return c.Flush()
}
