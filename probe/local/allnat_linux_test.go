package local_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
)

// A port that is only sent on is reported where all are asked for, unless the rule
// is about more or less every port.
func TestCheckAllRedirected(t *testing.T) {
	for _, c := range []struct {
		name  string
		make  func(*nft.Table)
		want  []string
		cover string
	}{
		{"no rule", func(f *nft.Table) { f.Prerouting() }, []string{"8417/tcp listening"}, ""},
		{"one port and a range", func(f *nft.Table) {
			f.Rule(f.Prerouting(), nft.ToPort(417), nft.Redirect(8417))
			ports := []expr.Any{&expr.Range{Register: 1, FromData: nft.Port(500), ToData: nft.Port(501)}}
			f.Rule(f.Output(), nft.Proto(unix.IPPROTO_UDP), nft.LoadPort(), ports, nft.Redirect(1))
		}, []string{"417/tcp redirected", "500/udp redirected", "501/udp redirected", "8417/tcp listening"}, ""},
		{"a listener's own", func(f *nft.Table) {
			f.Rule(f.Prerouting(), nft.ToPort(8417), nft.DNAT("10.9.9.9", 80))
		}, []string{"8417/tcp listening"}, ""},
		{"most ports, and one of them", func(f *nft.Table) {
			f.Rule(f.Output(), nft.ToPort(417), nft.Redirect(1))
			f.Rule(f.Prerouting(), nft.ComparePort(expr.CmpOpGt, 400), nft.Redirect(15001))
		}, []string{"417/tcp redirected", "8417/tcp listening"},
			"ports that are sent on by an nftables rule (table ip nat, chain pre): "},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := nettest.NewHost(t)
			if err := h.Do(func() error {
				nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("0.0.0.0", 8417), nettest.Listen(7))
				f := nft.New(nftables.TableFamilyIPv4)
				c.make(f)
				if err := f.Flush(); err != nil {
					return err
				}
				r, err := checked(t.Context(), Request{All: probe.Protos(), IPv4: true, IPv6: true})
				if err != nil {
					return err
				}
				var got []string
				for _, v := range r.Verdicts {
					if redirected := v.Verdict == Redirected; redirected && len(v.Redirects) == 0 {
						t.Errorf("no rule is reported: %+v", v)
					}
					got = append(got, fmt.Sprintf("%d/%s %s", v.Port, v.Proto, v.Verdict))
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("got %q, want %q", got, c.want)
				}
				covers := func(prefix string) bool {
					return slices.ContainsFunc(r.Coverage, func(s string) bool { return strings.HasPrefix(s, prefix) })
				}
				if wanted := c.cover != ""; covers("ports that are sent on by ") != wanted || wanted && !covers(c.cover) {
					t.Errorf("coverage %q", r.Coverage)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}
