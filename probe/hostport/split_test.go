package hostport

import (
	"fmt"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/ports"
)

// A name and a port as users write them.
func ExampleSplit() {
	for _, word := range []string{"db1:5432", "[2001:db8::1]:53/udp", "2001:db8::1", "https://www.example/index.html"} {
		host, spec, err := Split(word)
		fmt.Printf("%q %q %v\n", host, spec, err)
	}
	// Output:
	// "db1" "5432" <nil>
	// "2001:db8::1" "53/udp" <nil>
	// "2001:db8::1" "" <nil>
	// "www.example" "443/tcp" <nil>
}

const noPort = " has no port, and its scheme stands for none that is known: write HOST:PORT"

func TestSplit(t *testing.T) {
	for word, want := range map[string]string{
		"":                                  "",
		"db1":                               "db1",
		"db1:http,8080-8090/tcp":            "db1 http,8080-8090/tcp",
		"10.0.0.0/24:443":                   "10.0.0.0/24 443",
		"10.0.0.1-50:22/tcp":                "10.0.0.1-50 22/tcp",
		"10.0.0.0/24":                       "10.0.0.0/24",
		"::":                                "::",
		"::1":                               "::1",
		"[::1]":                             "::1",
		"[::1]:http":                        "::1 http",
		"[fe80::1%eth0]:22":                 "fe80::1%eth0 22",
		"fe80::1%eth0":                      "fe80::1%eth0",
		"2001:db8::/120":                    "2001:db8::/120",
		"[2001:db8::/120]:80":               "2001:db8::/120 80",
		"::1-::9":                           "::1-::9",
		"http://a":                          "a 80/tcp",
		"HTTPS://A:8443/x?y#z":              "A 8443/tcp",
		"https://user:p%40ss:x@a/":          "a 443/tcp",
		"https://a:/":                       "a 443/tcp",
		"https://a?x=http://b":              "a 443/tcp",
		"https://[2001:db8::1]:8443/":       "2001:db8::1 8443/tcp",
		"https://[fe80::1%25eth0]/":         "fe80::1%eth0 443/tcp",
		"https://2001:db8::1/":              "2001:db8::1 443/tcp",
		"wss://a/socket":                    "a 443/tcp",
		"ssh://git@a/repo.git":              "a 22/tcp",
		"git+ssh://git@a/repo.git":          "a 22/tcp",
		"postgres://u:p@a/db":               "a 5432/tcp",
		"postgresql+psycopg2://u:p@a/db":    "a 5432/tcp",
		"jdbc:postgresql://a/db":            "a 5432/tcp",
		"jdbc:sqlserver://a:1433;x=y":       "a 1433/tcp",
		"mysql://a":                         "a 3306/tcp",
		"rediss://a":                        "a 6379/tcp",
		"mongodb+srv://a/db":                "a 27017/tcp",
		"amqps://a":                         "a 5671/tcp",
		"mqtts://a":                         "a 8883/tcp",
		"ldaps://a":                         "a 636/tcp",
		"imaps://a":                         "a 993/tcp",
		"smb://a/share":                     "a 445/tcp",
		"irc://a/chan":                      "a 6667/tcp",
		"coap://a/x":                        "a 5683/udp",
		"dns://a/x":                         "a 53",
		"sip:a":                             "sip a",
		"tcp://a:9000":                      "a 9000/tcp",
		"udp://a:9000":                      "a 9000/udp",
		"redis://a:1":                       "a 1/tcp",
		"unknown://a:1":                     "a 1/tcp",
		"unknown://a":                       "! \"unknown://a\"" + noPort,
		"80://a":                            "! \"80://a\"" + noPort,
		"tcp://a":                           "! \"tcp://a\" has no port: write HOST:PORT",
		"https://":                          "! \"https://\" has no host",
		"file:///etc/passwd":                "! \"file://\" has no host",
		"https://me:secret@/":               "! \"https://\" has no host",
		"https://me:secret@a:b":             "! \"https://a:b\": \"b\" is not a port number",
		"a:":                                "! \"a:\" has no port behind its colon",
		"[::1]:":                            "! \"[::1]:\" has no port behind its colon",
		":80":                               "! \":80\" has no host before its port",
		"[::1":                              "! \"[::1\" has no closing bracket",
		"[::1]80":                           "! \"[::1]80\" has something other than :PORT behind its bracket",
		"x:" + strings.Repeat("1", 100_000): "x " + strings.Repeat("1", 100_000),
	} {
		host, spec, err := Split(word)
		got := strings.TrimSpace(host + " " + spec)
		if err != nil {
			got = "! " + err.Error()
		}
		if got != want {
			t.Errorf("%.60q:\n got %.200s\nwant %.200s", word, got, want)
		}
	}
}

// FuzzSplit: what has ports is taken apart once: a host in brackets with them is the same.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"a:80", "[::1]:80", "https://u:p@[::1]:80/x", "jdbc:a+b://c", "::1%x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, word string) {
		host, spec, err := Split(word)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > 600 {
				t.Errorf("%q: %q", word, err)
			}
			return
		}
		if strings.Contains(word, "://") && spec == "" {
			t.Errorf("%q: a URL without a port", word)
		}
		_, err = ports.Parse([]string{spec}, probe.Protos())
		if spec == "" || err != nil || strings.ContainsAny(host, "[]") {
			return
		}
		if again, same, err := Split("[" + host + "]:" + spec); again != host || same != spec || err != nil {
			t.Errorf("%q: %q %q, again %q %q %v", word, host, spec, again, same, err)
		}
	})
}
