package local

import (
	"testing"

	"onmux/probe/local/owner"
)

func TestProxyText(t *testing.T) {
	for want, target := range map[string]owner.ProxyTarget{
		"":                         {},
		"10.0.0.2:80":              {Address: "10.0.0.2:80"},
		"the socket /run/db.sock":  {Socket: "/run/db.sock"},
		"a Kubernetes service":     {Kubernetes: true},
		`"a\x1b[2Jb:80"`:           {Address: "a\x1b[2Jb:80"},
		`"the socket /run/\nfree"`: {Socket: "/run/\nfree"},
	} {
		if got := proxyText(target); got != want {
			t.Errorf("%+v: %q, want %q", target, got, want)
		}
	}
}
