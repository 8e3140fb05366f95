package service

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"onmux/probe"
	"onmux/probe/recog"
	"onmux/probe/service/answer"
)

// everything is a library that takes each text in each of its files for a product
// of that name, version 1.
func everything(t *testing.T, files ...string) *recog.Library {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		text := fmt.Sprintf(`<fingerprints><fingerprint pattern="(?s)\A(.+)`+
			`\z"><param pos="1" name="service.product"/><param pos="0" name="service.version" value="%s 1"/>`+
			`</fingerprint></fingerprints>`, f)
		if err := os.WriteFile(filepath.Join(dir, f+".xml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := recog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestSoftwareTexts: what fingerprints of each file are made for is what is held
// against them, without the protocol's own words.
func TestSoftwareTexts(t *testing.T) {
	for _, c := range []struct{ reply, file, text string }{
		{"SSH-2.0-AnvilSSH-9\r\n", "ssh_banners", "AnvilSSH-9"},
		{"220 a.example Anvil FTP 4.17 ready\r\n", "ftp_banners", "a.example Anvil FTP 4.17 ready"},
		{"220 a.example ESMTP Anvil\r\n", "smtp_banners", "a.example ESMTP Anvil"},
		{"+OK Anvil POP3 ready <1.2@a>\r\n", "pop_banners", "Anvil POP3 ready <1.2@a>"},
		{"* OK Anvil IMAP4rev1 ready\r\n", "imap_banners", "Anvil IMAP4rev1 ready"},
		{"HTTP/1.0 401 no\r\nWWW-Authenticate: Basic realm=\"Anvil\"\r\n\r\n", "http_wwwauth", `Basic realm="Anvil"`},
		{"HTTP/1.0 200 yes\r\nSet-Cookie: ANVIL=1\r\n\r\n", "http_cookies", "ANVIL=1"},
		{"HTTP/1.0 200 yes\r\n\r\n<html><title>\n Anvil  7 </title>", "html_title", "Anvil 7"},
	} {
		l := everything(t, c.file)
		m, _ := answer.Recognise(answer.New("wait", nil, []byte(c.reply)))
		if m.Rule == nil {
			t.Fatalf("%q is not known", c.reply)
		}
		s := m.Report()
		(&Options{Library: l}).name(s, m.SoftwareTexts())
		if want := answer.Printable(c.text, answer.NameSize); s.Product != want || s.Version != c.file+" 1" ||
			s.Rule != m.Rule.Name+", recog "+c.file {
			t.Errorf("%q: product %q, version %q, rule %q", c.reply, s.Product, s.Version, s.Rule)
		}
	}
}

// TestNoDescription: an SNMP engine names its vendor's number, which is no description.
func TestNoDescription(t *testing.T) {
	m := answer.Match{Rule: &answer.Rule{Service: "snmp"}, Facts: answer.Facts{Info: "enterprise 417"},
		Answer: answer.New("snmp", nil, []byte("x"))}
	s := m.Report()
	(&Options{Library: everything(t, "snmp_sysdescr")}).name(s, m.SoftwareTexts())
	if s.Product != "" || s.Info != "enterprise 417" {
		t.Errorf("%+v", s)
	}
}

// TestLibraryComesSecond: rules of this program are not overruled.
func TestLibraryComesSecond(t *testing.T) {
	l := everything(t, "ssh_banners")
	for _, c := range []struct{ product, version, text, wantProduct, wantVersion string }{
		{"OpenSSH", "9.2p1", "x", "OpenSSH", "9.2p1"},
		{"OpenSSH", "", "other", "OpenSSH", ""},
		{"OpenSSH", "", "openssh", "OpenSSH", "ssh_banners 1"},
		{"", "", "new", "new", "ssh_banners 1"},
		{"", "", "", "", ""},
	} {
		s := &probe.Service{Name: "ssh", Product: c.product, Version: c.version}
		(&Options{Library: l}).name(s, []answer.SoftwareText{{File: "none_such", Text: "x"},
			{File: "ssh_banners", Text: c.text}})
		if s.Product != c.wantProduct || s.Version != c.wantVersion {
			t.Errorf("%+v: %q %q", c, s.Product, s.Version)
		}
	}
}
