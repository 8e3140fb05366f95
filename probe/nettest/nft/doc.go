// Package nft writes NAT and filter rules of nf_tables for tests, through the library
// google/nftables, which shares nothing with the reader of probe/local/nat. On
// other systems than Linux the package is empty.
package nft
