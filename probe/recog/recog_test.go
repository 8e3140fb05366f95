package recog

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// directory makes a directory of fingerprint files by name.
func directory(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const anvils = `<?xml version="1.0" encoding="UTF-8"?>
<!-- greetings of anvils -->
<fingerprints matches="anvil.banner" protocol="anvil" database_type="service" preference="0.90">
  <fingerprint pattern="^(\S+) Anvil (\d+\.\d+)(?: rev \h+)? ready$" flags="REG_ICASE">
    <description>Anvil of
      several lines</description>
    <example host.name="a.example" service.version="4.17">a.example Anvil 4.17 ready</example>
    <example service.version="4.18" _encoding="base64">Yi5leGFtcGxlIEFOVklMIDQuMTggcmV2IGMwZmZlZSByZWFkeQ==</example>
    <param pos="0" name="service.vendor" value="Acme"/>
    <param pos="0" name="service.product" value="Anvil"/>
    <param pos="2" name="service.version"/>
    <param pos="1" name="host.name"/>
    <param pos="0" name="service.cpe23" value="cpe:/a:acme:anvil:{service.version}"/>
  </fingerprint>
  <fingerprint pattern="^(?=Looking)ahead$">
    <param pos="0" name="service.product" value="Never"/>
  </fingerprint>
  <fingerprint pattern="^Anvil$">
    <param pos="3" name="service.version"/>
  </fingerprint>
  <fingerprint pattern="first line.second" flags="REG_DOT_NEWLINE">
    <param pos="0" name="hw.vendor" value="Acme"/>
    <param pos="0" name="hw.product" value="Box {hw.version}"/>
    <param pos="0" name="hw.version" value="2"/>
    <param pos="0" name="os.product" value="Linux"/>
  </fingerprint>
  <fingerprint pattern="^second of two$"><param pos="0" name="os.product" value="VMS"/></fingerprint>
  <fingerprint pattern="^nothing known$"><description>identifies nothing</description></fingerprint>
</fingerprints>`

func TestFind(t *testing.T) {
	l, err := Open(directory(t, map[string]string{"anvil_banners.xml": anvils}))
	if err != nil {
		t.Fatal(err)
	}
	if notes := l.Notes(); notes != nil {
		t.Errorf("before anything was read: %+v", notes)
	}
	for _, c := range []struct {
		text string
		want Software
		ok   bool
	}{
		{"x.example anvil 5.0 ready", Software{"Acme", "Anvil", "5.0", "Anvil of several lines"}, true},
		{"x.example Anvil 5.0 rev zz ready", Software{}, false},
		{"the first line\nsecond", Software{Vendor: "Acme", Product: "Box 2", Version: "2"}, true},
		{"one\nsecond of two\nthree", Software{Product: "VMS"}, true}, // ^ and $ are those of lines
		{"nothing known", Software{Description: "identifies nothing"}, true},
		{strings.Repeat("x", maxText) + "\nsecond of two", Software{}, false},
	} {
		if got, ok := l.Find("anvil_banners", c.text); got != c.want || ok != c.ok {
			t.Errorf("%.40q: %+v, %v", c.text, got, ok)
		}
	}
	if _, ok := l.Find("hammer_banners", "x.example Anvil 5.0 ready"); ok {
		t.Error("a file that is not there knows something")
	}
	if notes := l.Notes(); !slices.Equal(notes, []Note{{File: "anvil_banners", Left: 2, Total: 6}}) {
		t.Errorf("notes: %+v", notes)
	}
}

// TestExamples: fingerprints have texts that they must match, and the values that must
// be found in them.
func TestExamples(t *testing.T) {
	f, err := parse(strings.NewReader(anvils))
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, p := range f.prints {
		for _, x := range p.examples {
			examples++
			if x.want["_encoding"] == "base64" {
				b, err := base64.StdEncoding.DecodeString(x.text)
				if err != nil {
					t.Fatal(err)
				}
				x.text = string(b)
			}
			groups := p.pattern.FindStringSubmatch(x.text)
			if groups == nil {
				t.Errorf("%q does not match %q", p.pattern, x.text)
				continue
			}
			for name, want := range x.want {
				if got := p.value(name, groups); got != want && name[0] != '_' {
					t.Errorf("%q: %s is %q instead of %q", x.text, name, got, want)
				}
			}
			if got := p.value("service.cpe23", groups); got != "cpe:/a:acme:anvil:"+x.want["service.version"] {
				t.Errorf("cpe: %s", got)
			}
		}
	}
	if examples != 2 {
		t.Errorf("%d examples", examples)
	}
}

// TestBrokenFiles: a file that is not one of fingerprints is reported, with the line, and
// what precedes the error is used.
func TestBrokenFiles(t *testing.T) {
	for name, c := range map[string]struct {
		text, note string
		finds      bool
	}{
		"cut": {anvils[:strings.Index(anvils, "<fingerprint pattern=\"^Anvil$")+20], "XML syntax error on line", true},
		"entities": {`<!DOCTYPE x [<!ENTITY a "aaaa">]><fingerprints><fingerprint pattern="&a;"/></fingerprints>`,
			"invalid character entity &a;", false},
		"other": {"<html></html>", "begins with <html>", false},
		"empty": {"", "there is no <fingerprints>", false},
		"text":  {"hello", "there is no <fingerprints>", false},
		"long":  {"<fingerprints><!--" + strings.Repeat("x", maxFile), "", false},
	} {
		l, err := Open(directory(t, map[string]string{"a.xml": c.text}))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := l.Find("a", "x.example Anvil 5.0 ready"); ok != c.finds {
			t.Errorf("%s: found %v", name, ok)
		}
		if notes := l.Notes(); len(notes) != 1 || !strings.Contains(fmt.Sprint(notes[0].Err), "a.xml") ||
			!strings.Contains(notes[0].Err.Error(), c.note) {
			t.Errorf("%s: notes %+v", name, notes)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := directory(t, nil)
	for path, want := range map[string]string{
		dir:                      "has no fingerprints",
		filepath.Join(dir, "no"): "no such file",
		os.Args[0]:               "is not a directory",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	odd := filepath.Join(directory(t, nil), "a[b]*", "xml")
	if err := os.MkdirAll(odd, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(odd, "x.xml"), []byte(anvils), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Open(filepath.Dir(odd)) // a checkout has them in xml
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := l.Find("x", "x.example Anvil 5.0 ready"); !ok {
		t.Error("not found in the directory xml")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(anvils, "x.example Anvil 5.0 ready")
	f.Add("<fingerprints><fingerprint pattern='(a*)*b' flags=','><param pos='1' name='service.product'/></fingerprint>",
		"aaaaab")
	f.Add(`<fingerprints><fingerprint pattern='[\h\Z]`+
		`\'><param pos='0' name='service.product' value='{service.product}{os.product}'/></fingerprint>`, "")
	f.Fuzz(func(t *testing.T, text, reply string) {
		got, _ := parse(strings.NewReader(text))
		if got == nil {
			t.Fatal("nothing came with the error")
		}
		got.find(reply)
	})
}

func BenchmarkFind(b *testing.B) {
	f, err := parse(strings.NewReader(anvils))
	if err != nil {
		b.Fatal(err)
	}
	for len(f.prints) < 500 {
		f.prints = append(f.prints[:1:1], f.prints...)
	}
	b.ReportAllocs()
	for b.Loop() {
		f.find("nothing of all that")
	}
}
