package nmap_test

import (
	"fmt"
	"strings"
	"testing"

	"onmux/probe"
	. "onmux/report"
	"onmux/report/compare"
	. "onmux/report/record"
	. "onmux/report/reporttest"
)

const head = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap" args="nmap" start="1" version="7.93" xmloutputversion="1.05">
`

const tail = `<runstats><finished time="2" exit="success"/><hosts up="1" down="0" total="1"/></runstats>
</nmaprun>
`

const openSSH = `<host><status state="up"/><address addr="10.0.0.1" addrtype="ipv4"/><ports><port ` +
	`protocol="tcp" portid="22">` +
	`<state state="open" reason="syn-ack"/></port></ports></host>`

func replay(t *testing.T, text string) (*Recorder, error) {
	t.Helper()
	r := NewRecorder()
	err := Replay(strings.NewReader(text), r)
	return r, err
}

// TestKindsOfReports: what kind of report it is, and what of it was not read, is in the
// coverage.
func TestKindsOfReports(t *testing.T) {
	for name, c := range map[string]struct{ xml, want string }{
		"-sO": {head + `<scaninfo type="ipproto" protocol="ip" numservices="2" services="1,6"/><host><status state="up"/>` +
			`<address addr="10.0.0.1" addrtype="ipv4"/><ports><port protocol="ip" portid="1"><state state="open" ` +
			`reason="echo-reply"/></port></ports></host>` + tail, "not read: nmap's scan of IP protocols (-sO)"},
		"-sY": {head + `<scaninfo type="sctpinit" protocol="sctp" numservices="1" services="9"/>` + tail,
			"not read: nmap's scan of SCTP ports"},
		"-sA": {head + `<scaninfo type="ack" protocol="tcp" numservices="1" services="9"/>` + tail,
			"it does not show what is open"},
		"-sn": {head + strings.Repeat(`<host><status state="up" reason="arp-response"/><address addr="10.0.0.1" `+
			`addrtype="ipv4"/>`+
			`</host>`, 4) + `<host><status state="down" reason="no-response"/>` +
			`<address addr="10.0.0.9" addrtype="ipv4"/></host>` +
			tail, "hosts of which no port was probed: 4 up, 1 down"},
		"--append-output": {head + openSSH + tail + head + strings.ReplaceAll(openSSH, "10.0.0.1", "10.0.0.2") + tail,
			"2 reports in one file: an endpoint may be in several of them"},
	} {
		r, err := replay(t, c.xml)
		if coverage := strings.Join(r.Ended.Coverage, "\n"); err != nil || !r.Ended.Complete ||
			!strings.Contains(coverage, c.want) {
			t.Errorf("%s: %v, %q, want %q", name, err, coverage, c.want)
		}
		if name == "--append-output" && len(r.Findings) != 2 {
			t.Errorf("%d endpoints of two reports", len(r.Findings))
		}
	}
	if r, err := replay(t, head+openSSH+tail+"and more\n"); err == nil || r.Starts != r.Ends {
		t.Error("text behind a report is no error")
	}
	if r, err := replay(t, head+openSSH+tail+head+openSSH); err != nil || r.Ended.Complete {
		t.Errorf("a second report that is cut off: %v, complete %v", err, r.Ended.Complete)
	}
}

// TestDetailsOfNmap: what nmap knows beyond our fields is evidence.
func TestDetailsOfNmap(t *testing.T) {
	r, err := replay(t, head+`<host><status state="up"/><address addr="10.0.0.1" addrtype="ipv4"/><address `+
		`addr="00:11:22:33:44:55" addrtype="mac" vendor="Acme"/><hostnames><hostname name="a.example" type="user"/>`+
		`<hostname name="b.example" type="PTR"/></hostnames><ports><port protocol="tcp" portid="443"><state state="open" `+
		`reason="syn-ack"/><service name="http" product="nginx" version="1.22.1" extrainfo="Debian" tunnel="ssl" `+
		`method="probed" conf="10"><cpe>cpe:/a:igor_sysoev:nginx:1.22.1</cpe></service><script id="http-title" `+
		`output="Welcome"/></port></ports><os><osmatch name="Linux 5.X" accuracy="98"/></os><hostscript><script `+
		`id="clock-skew" output="2s"/></hostscript></host>`+tail)
	if err != nil || len(r.Findings) != 1 {
		t.Fatal(err, r.Findings)
	}
	got := r.Findings[0].(probe.Result)
	evidence := strings.Join(got.Evidence, "\n")
	for _, want := range []string{"MAC 00:11:22:33:44:55 Acme", "also named b.example", "system: Linux 5.X (98 %)",
		"script clock-skew: 2s", "cpe:/a:igor_sysoev:nginx:1.22.1", "script http-title: Welcome"} {
		if !strings.Contains(evidence, want) {
			t.Errorf("no %q in\n%s", want, evidence)
		}
	}
	if s := got.Service; got.Host != "a.example" || s.Name != "https" || s.Info != "Debian" {
		t.Errorf("%+v %+v", got, s)
	}
}

// TestHostThatWentDown: what was open on it has vanished, for certain.
func TestHostThatWentDown(t *testing.T) {
	scanned := head + `<scaninfo type="syn" protocol="tcp" numservices="2" services="22-23"/>`
	var old, now compare.Saved
	defer old.Close()
	defer now.Close()
	for of, text := range map[*compare.Saved]string{&old: scanned + openSSH + tail,
		&now: scanned + `<host><status state="down" ` +
			`reason="no-response"/><address addr="10.0.0.1" addrtype="ipv4"/></host>` + tail} {
		if err := Replay(strings.NewReader(text), of); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	if _, err := compare.Diff(&old, &now, func(f Finding) error {
		c := f.(Change)
		got = append(got, fmt.Sprint(c.Place(), " ", c.What, " ", c.New, " ", c.Confidence))
		return nil
	}); err != nil || fmt.Sprint(got) != "[10.0.0.1:22/tcp vanished host down high]" {
		t.Errorf("%v %q", err, got)
	}
}
