package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"onmux/probe"
	. "onmux/report"
	. "onmux/report/record"
)

// decodeHTML takes a page apart as a browser does: what it shows as text, and
// what stands in its rows. It fails where there is an element or an attribute
// that our pages do not have.
func decodeHTML(b []byte) ([]string, error) {
	var out []string
	var inside []string
	z := html.NewTokenizer(bytes.NewReader(b))
	for {
		kind := z.Next()
		t := z.Token()
		in := ""
		if len(inside) > 0 {
			in = inside[len(inside)-1]
		}
		switch kind {
		case html.ErrorToken:
			if len(inside) > 0 {
				return nil, fmt.Errorf("%q are not closed", inside)
			}
			return out, nil
		case html.StartTagToken:
			if !strings.Contains(" html head meta title link style script body header main section footer h1 h2 p ul li b div table thead tbody tr th td details summary noscript ", " "+t.Data+" ") {
				return nil, fmt.Errorf("<%s>", t.Data)
			}
			for _, a := range t.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "style" || a.Key == "href" && a.Val != "data:," {
					return nil, fmt.Errorf("<%s %s=%q>", t.Data, a.Key, a.Val)
				}
			}
			if t.Data != "meta" && t.Data != "link" {
				inside = append(inside, t.Data)
			}
		case html.EndTagToken:
			if in != t.Data {
				return nil, fmt.Errorf("</%s> inside <%s>", t.Data, in)
			}
			inside = inside[:len(inside)-1]
		case html.CommentToken:
			return nil, fmt.Errorf("a comment: %.60q", t.Data)
		case html.TextToken:
			if in != "script" && in != "style" {
				out = append(out, t.Data)
			} else if strings.HasPrefix(t.Data, "[") {
				var rows []map[string]any
				if err := json.Unmarshal([]byte(t.Data), &rows); err != nil {
					return nil, err
				}
				for _, r := range rows {
					for _, v := range r {
						if list, ok := v.([]any); ok {
							for _, s := range list {
								out = append(out, fmt.Sprint(s))
							}
							continue
						}
						out = append(out, fmt.Sprint(v))
					}
				}
			}
		}
	}
}

// TestPagePolicy: the policy in the head allows the style and the script that
// stand in the page, and nothing from anywhere.
func TestPagePolicy(t *testing.T) {
	out := string(sample().write(t, "html"))
	policy := regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(out)
	if policy == nil {
		t.Fatal("no policy")
	}
	said := html.UnescapeString(policy[1])
	if !strings.HasPrefix(said, "default-src 'none';") || strings.Contains(said, "unsafe") || strings.Contains(said, "http") {
		t.Error(said)
	}
	for what, re := range map[string]string{"style-src": `(?s)<style>(.*?)</style>`, "script-src": `(?s)<script>(.*?)</script>`} {
		all := regexp.MustCompile(re).FindAllStringSubmatch(out, -1)
		if len(all) != 1 {
			t.Fatalf("%d elements for %s", len(all), what)
		}
		sum := sha256.Sum256([]byte(all[0][1]))
		if want := what + " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(said, want) {
			t.Errorf("%q is not allowed by %q", want, said)
		}
	}
}

// TestPageIsBounded: a page of more rows than a browser bears says how many it
// does not have, and its counts are of all.
func TestPageIsBounded(t *testing.T) {
	var out bytes.Buffer
	h, err := New("html", &out, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := sample()
	h.Start(s.start)
	const n = 200_017
	a := netip.MustParseAddr("10.0.0.0")
	for range n {
		Write(h, probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: 417, Proto: probe.TCP}, State: probe.Closed, Reason: probe.Reset})
		a = a.Next()
	}
	s.end.Summary.States = map[string]uint64{"closed": n}
	h.End(s.end)
	if got := bytes.Count(out.Bytes(), []byte("\n,{")); got != 199_999 {
		t.Errorf("%d rows after the first", got)
	}
	if !strings.Contains(out.String(), "17 more rows are not on this page") || !strings.Contains(out.String(), "200,017") {
		t.Error("the page does not say what it leaves out")
	}
}
