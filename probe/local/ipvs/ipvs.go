package ipvs

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"onmux/probe"
)

// Service is a virtual service.
type Service struct {
	Proto     probe.Proto
	Addr      netip.Addr
	Port      uint16 // 0: every one
	Mark      uint32 // of packets that it takes instead, of any protocol, address and port; 0 if it is not by mark
	Scheduler string
	Servers   []netip.AddrPort // that get new connections
}

// maxSize bounds what is read of the list, in bytes.
const maxSize = 8 << 20

// errTooLarge means that there are more services than are read.
var errTooLarge = errors.New("there are too many IPVS services")

// Read reads the services from a directory that is like /proc/net; none where the
// kernel has no IPVS.
func Read(dir string) ([]Service, error) {
	b, err := os.ReadFile(filepath.Join(dir, "ip_vs"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case len(b) > maxSize:
		return nil, errTooLarge
	}
	return parse(string(b)), nil
}

// parse reads the list as ip_vs_info_seq_show in net/netfilter/ipvs/ip_vs_ctl.c writes
// it. Lines that are not understood, as the headings, are left out.
func parse(text string) []Service {
	var all []Service
	var current *Service
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "->":
			at, ok := parseAddr(f[1])
			if ok && current != nil && len(f) > 3 && f[3] != "0" { // of weight 0: no new connections
				current.Servers = append(current.Servers, at)
			}
			continue
		case "TCP", "UDP":
			at, ok := parseAddr(f[1])
			if current = nil; !ok {
				continue
			}
			s := Service{Proto: probe.TCP, Addr: at.Addr(), Port: at.Port()}
			if f[0] == "UDP" {
				s.Proto = probe.UDP
			}
			all = append(all, s)
		case "FWM":
			mark, err := strconv.ParseUint(f[1], 16, 32)
			if current = nil; err != nil {
				continue
			}
			all = append(all, Service{Mark: uint32(mark)})
		default:
			current = nil
			continue
		}
		if current = &all[len(all)-1]; len(f) > 2 {
			current.Scheduler = f[2]
		}
	}
	return all
}

// parseAddr reads "C0A80001:01A1" or "[2001:0db8:…]:01A1".
func parseAddr(s string) (netip.AddrPort, bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return netip.AddrPort{}, false
	}
	port, err := strconv.ParseUint(s[i+1:], 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	var a netip.Addr
	if inner, ok := strings.CutPrefix(s[:i], "["); ok {
		a, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
	} else {
		var b []byte
		if b, err = hex.DecodeString(s[:i]); err == nil && len(b) == 4 {
			a = netip.AddrFrom4([4]byte(b))
		}
	}
	return netip.AddrPortFrom(a, uint16(port)), err == nil && a.IsValid()
}
