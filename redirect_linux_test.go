package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/google/nftables"

	"onmux/probe/nettest/nft"
)

// redirect makes a NAT rule for scripts: redirect FROM TO sends on what this
// machine itself sends to a TCP port over IPv4, until redirect off.
func redirect() {
	if err := addRedirect(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "redirect:", err)
		os.Exit(1)
	}
}

func addRedirect(args []string) error {
	if args[0] == "off" {
		return nft.New(nftables.TableFamilyIPv4).Delete()
	}
	var ports [2]uint16
	for i := range ports {
		n, err := strconv.ParseUint(args[i], 10, 16)
		if err != nil {
			return err
		}
		ports[i] = uint16(n)
	}
	f := nft.New(nftables.TableFamilyIPv4)
	output := f.Base("output", nftables.ChainHookOutput, nftables.ChainPriorityNATDest)
	f.Rule(output, nft.ToPort(ports[0]), nft.Redirect(ports[1]))
	return f.Flush()
}
