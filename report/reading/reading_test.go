package reading_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"onmux/probe"
	. "onmux/report"
	. "onmux/report/record"
	. "onmux/report/reporttest"
)

// read reads a report and lists its endpoints, a line each, and its coverage.
func read(t *testing.T, text string) (string, *Recorder, error) {
	t.Helper()
	r := NewRecorder()
	err := Replay(strings.NewReader(text), r)
	var lines []string
	for _, f := range r.Findings {
		p := f.(probe.Result)
		line := fmt.Sprint(Place(p), " ", p.State, " ", p.Reason)
		if p.Host != "" {
			line += " " + p.Host
		}
		if p.Service != nil {
			line += fmt.Sprintf(" %s %q", p.Service.Name, p.Service.Banner)
		}
		lines = append(lines, line)
	}
	if r.Starts != r.Ends {
		t.Errorf("%d starts, %d ends", r.Starts, r.Ends)
	}
	return strings.Join(lines, "\n"), r, err
}

const masscanXML = `<?xml version="1.0"?>
<!-- masscan v1.0 scan -->
<nmaprun scanner="masscan" start="1700000000" version="1.0-BETA"  xmloutputversion="1.03">
<scaninfo type="syn" protocol="tcp" />
<host endtime="1700000000"><address addr="10.0.0.1" addrtype="ipv4"/>
<ports><port protocol="tcp" portid="80"><state state="open" reason="syn-ack" reason_ttl="64"/></port></ports></host>
<host endtime="1700000001"><address addr="10.0.0.2" addrtype="ipv4"/>
<ports><port protocol="tcp" portid="22"><state state="open" reason="syn-ack" reason_ttl="64"/></port></ports></host>
<host endtime="1700000002"><address addr="10.0.0.1" addrtype="ipv4"/>
<ports><port protocol="tcp" portid="80"><state state="open" reason="response" reason_ttl="64" />
<service name="http" banner="HTTP/1.0 200 OK&#x0d;&#x0a;"></service></port></ports></host>
<runstats><finished time="1700000003" timestr="x" elapsed="3" /><hosts up="2" down="0" total="2" /></runstats>
</nmaprun>
`

const masscanList = `#masscan
open tcp 22 10.0.0.2 1700000001
open tcp 80 10.0.0.1 1700000000
open udp 53 10.0.0.1 1700000000
banner tcp 80 10.0.0.1 1700000002 http HTTP/1.0 200 OK\x0d\x0a
# end
`

// TestForeignReports: each is read as what it records, and no more.
func TestForeignReports(t *testing.T) {
	for name, c := range map[string]struct {
		text, want string
		complete   bool
		coverage   string
	}{
		"masscan -oX": {masscanXML, `10.0.0.1:80/tcp open syn-ack http "HTTP/1.0 200 OK\\r\\n"` + "\n10.0.0.2:22/tcp " +
			"open syn-ack",
			true, "what masscan reported"},
		"masscan -oL": {masscanList, `10.0.0.1:80/tcp open  http "HTTP/1.0 200 OK\\\\x0d\\\\x0a"` +
			"\n10.0.0.1:53/udp open \n10.0.0.2:22/tcp open ", true, "what masscan found open"},
		"masscan -oL, cut off": {strings.TrimSuffix(masscanList, "# end\n"), "10.0.0.1", false, "cut off"},
		"masscan -oJ": {"[\n" + `{   "ip": "10.0.0.1",   "timestamp": "1700000000", "ports": [ {"port": 80, ` +
			`"proto": "tcp", "status": "open", "reason": "syn-ack", "ttl": 64} ] }` + "\n,\n" +
			`{   "ip": "10.0.0.1",   "timestamp": "1700000001", "ports": [ {"port": 80, "proto": "tcp", ` +
			`"service": {"name": "http", "banner": "HTTP/1.0 200 OK"} } ] }` + "\n]\n",
			`10.0.0.1:80/tcp open syn-ack http "HTTP/1.0 200 OK"`, true, ""},
		"masscan -oJ, old": {"[\n" + `{   "ip": "10.0.0.1",   "timestamp": "1700000000", "ports": [ {"port": 80, ` +
			`"proto": "tcp", "status": "open", "reason": "syn-ack", "ttl": 64} ] },` + "\n{finished: 1}\n]\n",
			"10.0.0.1:80/tcp open syn-ack", true, ""},
		"masscan -oJ, cut off": {"[\n" + `{ "ip": "10.0.0.1", "timestamp": "1700000000", "ports": [ {"port": 80, ` +
			`"proto": "tcp", ` +
			`"status": "open", "reason": "syn-ack", "ttl": 64} ] }` + "\n,\n", "10.0.0.1:80/tcp open syn-ack", false, "cut off"},
		"masscan, a line for each": {`{"ip":"10.0.0.1","timestamp":"1700000000","ports":[{"port":80,"proto":"tcp",` +
			`"status":"open",` +
			`"reason":"syn-ack","ttl":64}]}` + "\n", "10.0.0.1:80/tcp open syn-ack", false, ""},
		"zmap": {"saddr,sport,classification,success,ttl,timestamp_ts\n10.0.0.2,443,synack,1,57,1700000000\n" +
			"10.0.0.1,443,synack,1,57,1700000001\n10.0.0.3,443,rst,0,57,1700000002\n",
			"10.0.0.1:443/tcp open syn-ack\n10.0.0.2:443/tcp open syn-ack", true, "whether zmap came to its end"},
		"zmap, addresses": {"saddr\n10.0.0.2\n10.0.0.1\n", "", false, "2 addresses, of which the port is not recorded"},
		"naabu": {`{"host":"web.example","ip":"10.0.0.1","timestamp":"2026-01-02T03:04:05Z","port":8080,` +
			`"protocol":"tcp","tls":false}` +
			"\n" + `{"ip":"10.0.0.2","port":22}` + "\n", "10.0.0.1:8080/tcp open  web.example\n10.0.0.2:22/tcp open ", true,
			"naabu"},
		"naabu, old": {`{"ip":"10.0.0.2","port":{"Port":22,"Protocol":0,"TLS":false}}` + "\n", "10.0.0.2:22/tcp open ",
			true, ""},
		"RustScan": {"10.0.0.1 -> [22,80]\n10.0.0.2 -> [22]\n",
			"10.0.0.1:22/tcp open \n10.0.0.1:80/tcp open \n10.0.0.2:22/tcp open ", true, "RustScan"},
	} {
		got, r, err := read(t, c.text)
		if name == "masscan, a line for each" { // whose end is not recorded, as it always is not
			c.complete = true
		}
		if !strings.HasPrefix(got, c.want) || err != nil || r.Ended.Complete != c.complete ||
			!strings.Contains(strings.Join(r.Ended.Coverage, "\n"), c.coverage) ||
			r.Ended.Summary.Targets != uint64(len(r.Findings)) {
			t.Errorf("%s: %v, complete %v, %q\ngot\n%s\nwant\n%s", name, err, r.Ended.Complete, r.Ended.Coverage, got, c.want)
		}
	}
	if _, r, _ := read(t, masscanXML); !slices.Contains([]int{2023}, r.Started.Started.Year()) {
		t.Errorf("started %s", r.Started.Started)
	}
}

// TestOtherFiles: what is not a report is rejected with an error that names what it is.
func TestOtherFiles(t *testing.T) {
	for text, want := range map[string]string{
		"# Nmap 7.93 scan initiated Sat Nov 28 as: nmap -oG - 10.0.0.1\n": "save its XML with -oX FILE",
		"Starting Nmap 7.93\n":                    "save its XML with -oX FILE",
		"10.0.0.1:80\n10.0.0.2:80\n":              "a list of addresses",
		"State  Recv-Q Send-Q\nLISTEN 0 128\n":    "the output of ss",
		"TAP version 13\nok 1\n":                  "-o json=FILE",
		"type,address,last,count\n":               "-o json=FILE",
		"\xfd7zXZ\x00\x00":                        "xz -dc FILE",
		"\x28\xb5\x2f\xfd\x00":                    "zstd -dc FILE",
		"PK\x03\x04\x00\x00":                      "unzip -p FILE",
		"\x1f\x8b\x08\x00":                        "gzip",
		"saddr,sport\n10.0.0.1,http\n":            `line 2: "http" is not a port`,
		`{"ip":"10.0.0.x","port":80}` + "\n":      "line 1: \"10.0.0.x\" is not an address",
		`<?xml version="1.0" encoding="EBCDIC"?>`: `its encoding "EBCDIC" is not known`,
	} {
		if _, r, err := read(t, text); err == nil || !strings.Contains(err.Error(), want) || r.Starts > 0 {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// encodings writes a text as other systems do.
func encodings(text string) map[string]string {
	utf16Of := func(little, mark bool) string {
		var b []byte
		units := utf16.Encode([]rune(text))
		if mark {
			units = append([]uint16{0xfeff}, units...)
		}
		for _, u := range units {
			if little {
				b = append(b, byte(u), byte(u>>8))
			} else {
				b = append(b, byte(u>>8), byte(u))
			}
		}
		return string(b)
	}
	zip := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write([]byte(text))
		w.Close()
		return b.String()
	}
	return map[string]string{"as it is": text, "UTF-8 with a mark": "\ufeff" + text, "UTF-16LE": utf16Of(true, true),
		"UTF-16BE": utf16Of(false, true), "UTF-16LE without a mark": utf16Of(true, false), "gzip": zip(text),
		"UTF-16BE without a mark": utf16Of(false, false), "gzip of UTF-16": zip(utf16Of(true, true)),
		"gzip twice": zip(zip(text)),
		"CRLF":       strings.ReplaceAll(text, "\n", "\r\n")}
}

// TestEncodings: every report is read whatever it is compressed or encoded with.
func TestEncodings(t *testing.T) {
	t.Parallel()
	s := Sample()
	reports := map[string]string{"json": string(s.Write(t, "json")), "jsonl": string(s.Write(t, "jsonl")),
		"masscan": masscanXML, "list": masscanList, "naabu": `{"host":"ü.example","ip":"10.0.0.1","port":80}` + "\n",
		"nmap": `<?xml version="1.0" encoding="UTF-8"?><nmaprun scanner="nmap" start="1">` +
			`<host><status state="up"/><address ` +
			`addr="10.0.0.1" addrtype="ipv4"/><hostnames><hostname name="ü.example" type="PTR"/></hostnames><ports><port ` +
			`protocol="tcp" portid="80"><state state="open" reason="syn-ack"/></port></ports></host><runstats><finished ` +
			`time="2" exit="success"/></runstats></nmaprun>`}
	for name, text := range reports {
		want := NewRecorder()
		if err := Replay(strings.NewReader(text), want); err != nil {
			t.Fatal(name, err)
		}
		for how, encoded := range encodings(text) {
			got := NewRecorder()
			if err := Replay(strings.NewReader(encoded), got); err != nil || len(got.Findings) != len(want.Findings) ||
				fmt.Sprintf("%+v", got.Stream) != fmt.Sprintf("%+v", want.Stream) && !strings.Contains(name, "json") {
				t.Errorf("%s as %s: %v, %d findings", name, how, err, len(got.Findings))
			}
		}
	}
	latin := strings.ReplaceAll(strings.Replace(reports["nmap"], "UTF-8", "ISO-8859-1", 1), "ü", "\xfc")
	if got, _, err := read(t, latin); err != nil || !strings.Contains(got, "ü.example") {
		t.Errorf("XML in ISO-8859-1: %v %s", err, got)
	}
	if got, _, err := read(t, strings.ReplaceAll(reports["naabu"], "ü", "\xfc")); err != nil ||
		!strings.Contains(got, "ü.example") {
		t.Errorf("JSON in ISO-8859-1: %v %s", err, got)
	}
}

// FuzzRead: nothing that is read makes a report that has a start and no end, or panics.
func FuzzRead(f *testing.F) {
	for _, s := range []string{masscanXML, masscanList, "[\n{\"ip\":\"10.0.0.1\",\"ports\":[{\"port\":1}]}\n]",
		"saddr,sport\n1.2.3.4,5\n",
		"10.0.0.1 -> [1]", `{"ip":"::1","port":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewRecorder()
		_ = Replay(bytes.NewReader(b), r)
		if r.Starts != r.Ends {
			t.Errorf("%d starts, %d ends", r.Starts, r.Ends)
		}
	})
}
