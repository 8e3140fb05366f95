package coverage

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"onmux/probe/recog"
)

func TestFingerprints(t *testing.T) {
	dir := t.TempDir()
	const text = `<fingerprints><fingerprint pattern="^(?=a)b"/><fingerprint pattern="^a"/></fingerprints>`
	for name, text := range map[string]string{"a_banners.xml": text, "b_banners.xml": "<fingerprints>"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := recog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.Find("a_banners", "x")
	l.Find("b_banners", "x")
	want := []string{
		"fingerprints: a_banners.xml: 1 of 2 patterns are left out: Go's regular expressions cannot express them",
		"fingerprints: " + filepath.Join(dir, "b_banners.xml") + ": XML syntax error on line 1: unexpected EOF",
	}
	if got := Fingerprints(l); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if got := Fingerprints(nil); got != nil {
		t.Errorf("no library: %q", got)
	}
}
