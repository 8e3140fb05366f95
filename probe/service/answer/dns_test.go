package answer

import (
	"strings"
	"testing"

	"onmux/probe/request"
)

// FuzzDNS: no bytes panic or take long, and a version that is found is in them.
func FuzzDNS(f *testing.F) {
	for _, name := range []string{"dns", "dns-version"} {
		q := message(name)
		f.Add(q[2:])
		q[4] |= 0x80
		f.Add(q)
	}
	for _, a := range specified {
		if strings.HasPrefix(a.request, "dns") {
			f.Add([]byte(a.reply))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a := New("dns", nil, b)
		found, ok := readDNSVersion(a)
		text, named := found.Description, found.Description != ""
		if ok != named || ok && !strings.Contains(string(a.Bytes), text) {
			t.Errorf("%q: %+v", b, found)
		}
		if _, known := readDNS(a); ok && !known {
			t.Errorf("%q: a version without a reply", b)
		}
	})
}

// A reply is one to our query, whole, and in our class.
func TestDNSReply(t *testing.T) {
	const (
		head   = "\x04\x17\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00"
		query  = "\x07VERSION\x04bind\x00\x00\x10\x00\x03"
		record = "\xc0\x0c\x00\x10\x00\x03\x00\x00\x00\x00\x00\x07\x069.18.1"
	)
	for b, want := range map[string]string{
		head + query + record: "9.18.1",
		head + query + strings.Replace(record, "\xc0\x0c", "\x07version\x04bind\x00", 1): "9.18.1",
		head + query + strings.Replace(record, "\xc0\x0c", "\xc0\x40", 1):                "", // points past the end
		head + query + strings.Replace(record, "\xc0\x0c", "\xc0\x1e", 1):                "", // points to itself
		head + query + strings.Replace(record, "\x00\x03", "\x00\x01", 1):                "", // class IN
		head + query + record[:len(record)-1]:                                            "", // cut
		head + query:                                                                     "",
		strings.Replace(head, "\x04\x17", "\x04\x18", 1) + query + record:                "", // another query's
		strings.Replace(head, "\x84", "\x04", 1) + query + record:                        "", // a query
		"\x04\x17\x84\x40" + head[4:] + query + record:                                   "", // a reserved bit is set
	} {
		if got := versionText([]byte(b)); got != want {
			t.Errorf("%q: %q, want %q", b, got, want)
		}
	}
	if !isDNS([]byte("\x04\x17\x80\x01\x00\x00\x00\x00\x00\x00\x00\x00")) {
		t.Error("a header alone, which means that the query was not read, is a reply")
	}
	if request.ID != 0x0417 {
		t.Error("the id changed")
	}
}
