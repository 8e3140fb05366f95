package probe_test

import (
	"encoding/asn1"
	"encoding/binary"
	"testing"

	"onmux/probe"
)

func TestPayload(t *testing.T) {
	if b := probe.Payload(probe.Onmux); len(b) != 0 {
		t.Errorf("nobody knows what port 417 spoke over UDP, and yet %q", b)
	}
	for _, port := range []uint16{53, 137, 5353} { // one question and nothing else, to the last byte
		b := probe.Payload(port)
		if binary.BigEndian.Uint16(b[2:])&0x8000 != 0 || binary.BigEndian.Uint64(b[4:]) != 1<<48 {
			t.Errorf("%d: % x is no DNS message with one question", port, b)
		}
		i := 12
		for b[i] != 0 {
			i += 1 + int(b[i])
		}
		if len(b) != i+5 {
			t.Errorf("%d: %d bytes after the name, want 4", port, len(b)-i-1)
		}
	}
	for _, port := range []uint16{161, 389} {
		var message asn1.RawValue
		if rest, err := asn1.Unmarshal(probe.Payload(port), &message); err != nil || len(rest) != 0 {
			t.Errorf("%d: %v, %d bytes too many", port, err, len(rest))
		}
		for b := message.Bytes; len(b) > 0; {
			var v asn1.RawValue
			rest, err := asn1.Unmarshal(b, &v)
			if err != nil {
				t.Fatalf("%d: %v", port, err)
			}
			if b = rest; v.IsCompound && len(b) == 0 { // the operation comes last
				b = v.Bytes
			}
		}
	}
	for port, want := range map[uint16]int{123: 48, 3478: 20, 111: 40, 5683: 4} {
		if n := len(probe.Payload(port)); n != want {
			t.Errorf("%d: %d bytes, want %d", port, n, want)
		}
	}
}
