// Package bpf finds which BPF programs decide where packets to a port of this machine
// go, beside its sockets and netfilter's rules.
//
// Read lists the programs that are attached to this network namespace, to cgroups and
// to devices. It never loads or attaches one. For sk_lookup, which chooses the socket
// of a new connection, the kernel itself evaluates the attached program for the
// ports in question (BPF_PROG_TEST_RUN), so that what it answers is certain; of other
// programs only that they are attached is known.
package bpf
