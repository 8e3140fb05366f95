package html_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"onmux/probe"
	. "onmux/report"
	. "onmux/report/record"
	. "onmux/report/reporttest"
)

// TestPagePolicy: the policy in the head allows the style and the script that
// stand in the page, and nothing from anywhere.
func TestPagePolicy(t *testing.T) {
	out := string(Sample().Write(t, "html"))
	policy := regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(out)
	if policy == nil {
		t.Fatal("no policy")
	}
	rules := html.UnescapeString(policy[1])
	if !strings.HasPrefix(rules, "default-src 'none';") || strings.Contains(rules, "unsafe") ||
		strings.Contains(rules, "http") {
		t.Error(rules)
	}
	for what, re := range map[string]string{"style-src": `(?s)<style>(.*?)</style>`,
		"script-src": `(?s)<script>(.*?)</script>`} {
		all := regexp.MustCompile(re).FindAllStringSubmatch(out, -1)
		if len(all) != 1 {
			t.Fatalf("%d elements for %s", len(all), what)
		}
		sum := sha256.Sum256([]byte(all[0][1]))
		if want := what + " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(rules,
			want) {
			t.Errorf("%q is not allowed by %q", want, rules)
		}
	}
}

// TestPageIsBounded: a page of more rows than a browser can show states how many it
// does not have, and its counts are of all.
func TestPageIsBounded(t *testing.T) {
	var out bytes.Buffer
	h, err := New("html", &out, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := Sample()
	h.Start(s.Started)
	const n = 200_017
	a := netip.MustParseAddr("10.0.0.0")
	for range n {
		Write(h, probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: 417, Proto: probe.TCP}, State: probe.Closed,
			Reason: probe.Reset})
		a = a.Next()
	}
	s.Ended.Summary.States = map[string]uint64{"closed": n}
	h.End(s.Ended)
	if got := bytes.Count(out.Bytes(), []byte("\n,{")); got != 199_999 {
		t.Errorf("%d rows after the first", got)
	}
	if !strings.Contains(out.String(), "17 more rows are not on this page") || !strings.Contains(out.String(),
		"200,017") {
		t.Error("the page does not state what it leaves out")
	}
}
