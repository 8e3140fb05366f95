package target

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"onmux/probe/wording"
)

const (
	maxTarget = 512     // bytes; the longest name has 253, a zone is short
	maxPieces = 1 << 16 // separate ranges that one octet pattern may make
)

const targetForms = "a target is a name, an address, a network (10.0.0.0/24), " +
	"a range (10.0.0.1-50, 10.0.0.1-10.0.1.20), HOST:PORT, a URL or @FILE"

// appendTarget reads one target. Addresses are appended to dst as spans; a name
// is returned as such, to be resolved. Link-local addresses may lack a zone.
func appendTarget(dst []span, text string) (spans []span, name string, err error) {
	if text == "" {
		return dst, "", errors.New("a target is empty: " + targetForms)
	}
	if len(text) > maxTarget {
		return dst, "", fmt.Errorf("%s is too long for a target: %d bytes", clip(text), len(text))
	}
	if strings.Contains(text, "/") {
		s, err := parseNetwork(text)
		return append(dst, s), "", err
	}
	if a, err := parseAddr(text); err == nil {
		return append(dst, spanOf(a, a)), "", nil
	}
	if s, ok, err := parseRange(text); ok {
		return append(dst, s), "", err
	}
	if strings.Trim(text, "0123456789.*-") == "" {
		spans, err := appendOctets(dst, text)
		return spans, "", err
	}
	if err := checkName(text); err != nil {
		return dst, "", err
	}
	return dst, text, nil
}

// parseAddr reads an address, in brackets or not. IPv4-mapped ones become IPv4.
func parseAddr(text string) (netip.Addr, error) {
	if n := len(text); n > 1 && text[0] == '[' && text[n-1] == ']' && strings.Contains(text, ":") {
		text = text[1 : n-1]
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return a, err
	}
	if !zoneOK(a.Zone()) {
		return a, fmt.Errorf("%s has no valid zone", clip(text))
	}
	return a.Unmap(), nil
}

func zoneOK(zone string) bool {
	return !strings.ContainsFunc(zone, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' || r == '%' })
}

// parseNetwork reads ADDRESS/BITS. Host bits are dropped, as nmap does.
func parseNetwork(text string) (span, error) {
	left, right, _ := strings.Cut(text, "/")
	a, err := netip.ParseAddr(left)
	if err != nil {
		return span{}, fmt.Errorf("%s is not a network: %s is not an address; %s", clip(text), clip(left), targetForms)
	}
	n, err := strconv.ParseUint(right, 10, 16)
	if err != nil || right[0] == '+' {
		return span{}, fmt.Errorf("%s is not a network: %s is not a prefix length, 0 to %d",
			clip(text), clip(right), a.BitLen())
	}
	if n > uint64(a.BitLen()) {
		return span{}, fmt.Errorf("%s is not a network: the prefix length of %s is 0 to %d",
			clip(text), family(a), a.BitLen())
	}
	if a.Is4In6() {
		if n < 96 {
			return span{}, fmt.Errorf("%s reaches beyond the IPv4-mapped addresses: write the network as IPv4", clip(text))
		}
		a, n = a.Unmap(), n-96
	}
	if _, err := parseAddr(left); err != nil {
		return span{}, err
	}
	return prefixSpan(netip.PrefixFrom(a.WithZone(""), int(n)), a.Zone()), nil
}

// parseRange reads FIRST-LAST where FIRST is an address; false if text is
// something else. A zone's name may hold a dash, so every dash is tried.
func parseRange(text string) (s span, ok bool, err error) {
	for i := range len(text) {
		if text[i] != '-' {
			continue
		}
		first, bad := parseAddr(text[:i])
		if bad != nil || first.Is4() && !strings.Contains(text[i+1:], ".") && !strings.Contains(text[i+1:], ":") {
			continue // 10.0.0.1-50 is an octet pattern
		}
		ok = true
		last, bad := parseAddr(text[i+1:])
		if bad != nil {
			err = fmt.Errorf("%s is not a range: %s is not an address; write both ends in full", clip(text), clip(text[i+1:]))
			continue
		}
		if s, err = rangeOf(first, last); err != nil {
			err = fmt.Errorf("range %s %w", clip(text), err)
		}
		return s, true, err
	}
	return s, ok, err
}

func rangeOf(first, last netip.Addr) (span, error) {
	if last.Zone() == "" && last.Is6() && first.Is6() {
		last = last.WithZone(first.Zone()) // fe80::1%eth0-fe80::9
	}
	switch {
	case first.Is4() != last.Is4():
		return span{}, errors.New("mixes IPv4 and IPv6")
	case first.Zone() != last.Zone():
		return span{}, errors.New("mixes two zones")
	case last.Less(first):
		return span{}, fmt.Errorf("runs backwards: write %s-%s", last, first)
	}
	return spanOf(first, last), nil
}

// appendOctets reads nmap's patterns: each octet of an IPv4 address is a
// number, a range or *.
func appendOctets(dst []span, text string) ([]span, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 4 {
		return dst, fmt.Errorf("%s is not a target: an IPv4 address has four numbers; %s", clip(text), targetForms)
	}
	var lo, hi [4]uint64
	for i, part := range parts {
		var err error
		if lo[i], hi[i], err = parseOctet(part); err != nil {
			return dst, fmt.Errorf("%s is not a target: %w", clip(text), err)
		}
	}
	// The last octets that are whole, and the one before them, make one run.
	run := 3
	for run > 0 && lo[run] == 0 && hi[run] == 255 {
		run--
	}
	pieces := uint64(1)
	for i := range run {
		pieces *= hi[i] - lo[i] + 1
	}
	if pieces > maxPieces {
		return dst, fmt.Errorf("%s makes %s separate ranges, at most %s are possible: name networks instead",
			clip(text), wording.Number(pieces), wording.Number(maxPieces))
	}
	for k := range pieces {
		var from, to uint64
		for i := run - 1; i >= 0; i-- {
			n := hi[i] - lo[i] + 1
			from |= (lo[i] + k%n) << (24 - 8*i)
			k /= n
		}
		to = from
		for i := run; i < 4; i++ {
			from |= lo[i] << (24 - 8*i)
			to |= hi[i] << (24 - 8*i)
		}
		dst = append(dst, span{from: u128{0, from}, to: u128{0, to}})
	}
	return dst, nil
}

func parseOctet(s string) (lo, hi uint64, err error) {
	if s == "*" {
		return 0, 255, nil
	}
	first, last, isRange := strings.Cut(s, "-")
	if lo, err = parseByte(first); err != nil || !isRange {
		return lo, lo, err
	}
	if hi, err = parseByte(last); err == nil && hi < lo {
		err = fmt.Errorf("range %s runs backwards", clip(s))
	}
	return lo, hi, err
}

func parseByte(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("%s is not a number from 0 to 255", clip(s))
	}
	if len(s) > 1 && s[0] == '0' {
		return 0, fmt.Errorf("%s may be meant as octal: write it without leading zeros", clip(s))
	}
	return n, nil
}

// checkName rejects what cannot be a host name (RFC 1123, section 2.1, plus the
// underscore that many networks use), and suggests what it may be.
func checkName(s string) error {
	switch {
	case strings.HasPrefix(s, "@"):
		return fmt.Errorf("%s is not a target: a file cannot be given here", clip(s))
	case strings.Contains(s, ":"):
		return fmt.Errorf("%s is not an IPv6 address; %s", clip(s), targetForms)
	case strings.Contains(s, ","):
		return fmt.Errorf("%s is not a target: separate targets with spaces", clip(s))
	case strings.HasPrefix(s, "-"):
		return fmt.Errorf("%s is not a target: a name cannot start with a dash", clip(s))
	case strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }):
		return fmt.Errorf("%s is not a host name: write it in its ASCII form, xn--…", clip(s))
	}
	name := strings.TrimSuffix(s, ".")
	if len(name) > 253 {
		return fmt.Errorf("%s is not a host name: it has %d bytes, at most 253 are possible", clip(s), len(name))
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInName) {
			return fmt.Errorf("%s is not a target: %s", clip(s), targetForms)
		}
	}
	if last := name[strings.LastIndexByte(name, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return fmt.Errorf("%s is not a target: neither an address nor a name; %s", clip(s), targetForms)
	}
	return nil
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// clip quotes what a user wrote so that it fits a line, whatever it holds.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}

func family(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "IPv4"
	}
	return "IPv6"
}
