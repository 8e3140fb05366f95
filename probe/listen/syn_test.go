package listen

import (
	"reflect"
	"testing"
)

// The SYN of a Linux client over IPv4, 192.0.2.1:51234 to 192.0.2.2:417.
var syn4 = []byte("\x45\x00\x00\x3c\x00\x00\x40\x00\x3d\x06\x00\x00\xc0\x00\x02\x01\xc0\x00\x02\x02" +
	"\xc8\x22\x01\xa1\x00\x00\x00\x01\x00\x00\x00\x00\xa0\x02\xfa\xf0\x00\x00\x00\x00" +
	"\x02\x04\x05\xb4\x04\x02\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x00\x01\x03\x03\x07")

func TestParseSYN(t *testing.T) {
	scale := uint8(7)
	want := &SYN{Window: 64240, MSS: 1460, Scale: &scale, Options: []string{"mss", "sack", "timestamps", "window-scale"}}
	if got, ttl := parseSYN(syn4); !reflect.DeepEqual(got, want) || ttl != 61 {
		t.Errorf("%+v, TTL %d", got, ttl)
	}
}

func FuzzParseSYN(f *testing.F) {
	f.Add(syn4)
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, _ := parseSYN(b); s != nil && len(s.Options) > 20 {
			t.Errorf("%d options", len(s.Options))
		}
	})
}
