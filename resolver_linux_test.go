package main

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// nameServer answers on 127.0.0.1:53: every name has the address 127.0.0.1, but of names that begin with
// "half" the lookup of IPv6 addresses fails, of "six" that of IPv4 addresses, and of "none" both.
func nameServer() {
	c, err := net.ListenPacket("udp", "127.0.0.1:53")
	for err == nil {
		var n int
		var from net.Addr
		query := make([]byte, 512)
		if n, from, err = c.ReadFrom(query); err == nil {
			if answer, err := resolved(query[:n]); err == nil {
				_, _ = c.WriteTo(answer, from) // the client asks again
			}
		}
	}
	fmt.Fprintln(os.Stderr, "name-server:", err)
	os.Exit(1)
}

func resolved(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) == 0 {
		return nil, cmp.Or(err, error(unix.EINVAL))
	}
	q := m.Questions[0]
	m.Header = dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}
	m.Additionals = nil
	name := q.Name.String()
	fails := map[dnsmessage.Type]bool{
		dnsmessage.TypeA:    strings.HasPrefix(name, "six") || strings.HasPrefix(name, "none"),
		dnsmessage.TypeAAAA: strings.HasPrefix(name, "half") || strings.HasPrefix(name, "none"),
	}
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET}
	switch {
	case fails[q.Type]:
		m.RCode = dnsmessage.RCodeServerFailure
	case q.Type == dnsmessage.TypeA:
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}})
	case q.Type == dnsmessage.TypeAAAA && strings.HasPrefix(name, "six"):
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: [16]byte{15: 1}}})
	}
	return m.Pack()
}

// withResolver becomes another program that asks the name servers of a file: with-resolver
// resolv.conf onmux scan db1.example.
func withResolver() {
	runtime.LockOSThread() // the thread that calls exec is what remains
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount(os.Args[1], "/etc/resolv.conf", "", unix.MS_BIND, "")
	}
	if err == nil {
		var path string
		if path, err = exec.LookPath(os.Args[2]); err == nil {
			err = syscall.Exec(path, os.Args[2:], os.Environ())
		}
	}
	fmt.Fprintln(os.Stderr, "with-resolver:", err)
	os.Exit(1)
}
