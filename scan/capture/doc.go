// Package capture answers which packets a capture file has, and writes such files. It reads
// pcap and pcapng of any byte order and resolution, also compressed with gzip and cut short.
//
// The readers of gopacket's pcapgo are not used: they allocate what a length in the file
// asks for, and some malformed options make them panic. Here every length is bounded
// before it is used, nothing is allocated for a packet, and what is damaged ends the
// reading with an error that states where.
package capture
