package request

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"testing"
)

// onmux is the port of a service of which no UDP message is known.
const onmux = 417

func TestPayload(t *testing.T) {
	if b := Payload(onmux); len(b) != 0 {
		t.Errorf("nobody knows what port 417 spoke over UDP, and yet %q", b)
	}
	for _, port := range []uint16{53, 137, 5353} { // one question and nothing else, to the last byte
		b := Payload(port)
		if binary.BigEndian.Uint16(b[2:])&0x8000 != 0 || binary.BigEndian.Uint64(b[4:]) != 1<<48 {
			t.Errorf("%d: % x is no DNS query with one question", port, b)
		}
		i := 12
		for b[i] != 0 {
			i += 1 + int(b[i])
		}
		if len(b) != i+5 {
			t.Errorf("%d: %d bytes after the name, want 4", port, len(b)-i-1)
		}
	}
	for port, want := range map[uint16]int{123: 48, 3478: 20, 111: 40, 5683: 4} {
		if n := len(Payload(port)); n != want {
			t.Errorf("%d: %d bytes, want %d", port, n, want)
		}
	}
}

// BER to the last byte, in all that is inside.
func TestPayloadsOfBER(t *testing.T) {
	for _, port := range []uint16{161, 389} {
		for i, b := range Payloads(port) {
			if err := walkBER(b, port == 161 && i == 2); err != nil {
				t.Errorf("%d, request %d: %v in % x", port, i, err, b)
			}
		}
	}
}

// walkBER goes into everything that is compound, and into the octet strings
// that hold BER themselves (RFC 3414, section 2.4).
func walkBER(b []byte, strings bool) error {
	for len(b) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(b, &v)
		if err != nil {
			return err
		}
		if v.IsCompound || strings && v.Tag == asn1.TagOctetString && len(v.Bytes) > 4 {
			if err := walkBER(v.Bytes, strings); err != nil {
				return err
			}
		}
		b = rest
	}
	return nil
}

// Every port has a request; those without a known service have the same; none is as long
// as a segment, and none is there twice.
func TestPayloads(t *testing.T) {
	for port := range 65536 {
		all := Payloads(uint16(port))
		if len(all) == 0 {
			t.Fatalf("%d has no request", port)
		}
		seen := make(map[string]bool)
		for _, b := range all {
			if seen[string(b)] || len(b) > 1200 {
				t.Errorf("%d: %q is there twice or is too long", port, b)
			}
			seen[string(b)] = true
		}
	}
	onmux, other := Payloads(onmux), Payloads(40000)
	if len(onmux) != 15 || &onmux[0] != &other[0] {
		t.Errorf("%d requests for 417, want one for each try, as for other ports", len(onmux))
	}
	for _, port := range []uint16{9, 67, 68, 162, 514} { // a service there may log what it receives
		if all := Payloads(port); len(all) != 1 || len(all[0]) != 0 {
			t.Errorf("%d is sent data: %q", port, all)
		}
	}
}

// No request is one of those that amplifiers are known for.
func TestPayloadsAreHarmless(t *testing.T) {
	for port := range 65536 {
		for _, b := range Payloads(uint16(port)) {
			switch {
			case len(b) == 48 && b[0]&7 != 3:
				t.Errorf("%d: NTP of mode %d, want 3 (client)", port, b[0]&7)
			case bytes.Contains(b, []byte("stats")), bytes.Contains(b, []byte("ssdp:all")), bytes.Contains(b, []byte("monlist")):
				t.Errorf("%d: %q", port, b)
			case bytes.HasSuffix(b, []byte("\x00\xff\x00\x01")):
				t.Errorf("%d: a DNS question for everything", port)
			case bytes.Contains(b, []byte{0xa5}) && port == 161:
				t.Errorf("%d: an SNMP bulk request", port)
			case bytes.Contains(b, []byte{0xa3}) && port == 161:
				t.Errorf("%d: an SNMP set request", port)
			}
		}
	}
}
