package local

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
)

// A port that is only sent on is told where all are asked for, unless the rule
// is about more or less every port.
func TestCheckAllRedirected(t *testing.T) {
	for _, c := range []struct {
		name  string
		make  func(*firewall)
		want  []string
		cover string
	}{
		{"no rule", func(f *firewall) { f.pre() }, []string{"8417/tcp listening"}, ""},
		{"one port and a range", func(f *firewall) {
			f.rule(f.pre(), port(417), redirect(8417))
			f.rule(f.out(), ofProto(unix.IPPROTO_UDP), loadPort(), []expr.Any{&expr.Range{Register: 1, FromData: be16(500), ToData: be16(501)}}, redirect(1))
		}, []string{"417/tcp redirected", "500/udp redirected", "501/udp redirected", "8417/tcp listening"}, ""},
		{"a listener's own", func(f *firewall) { f.rule(f.pre(), port(8417), dnat("10.9.9.9", 80)) }, []string{"8417/tcp listening"}, ""},
		{"most ports, and one of them", func(f *firewall) {
			f.rule(f.out(), port(417), redirect(1))
			f.rule(f.pre(), toPort(expr.CmpOpGt, 400), redirect(15001))
		}, []string{"417/tcp redirected", "8417/tcp listening"}, "ports that are sent on by an nftables rule (table ip nat, chain pre): "},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := nettest.NewHost(t)
			if err := h.Do(func() error {
				nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("0.0.0.0", 8417), nettest.Listen(7))
				f := newFirewall(nftables.TableFamilyIPv4)
				c.make(f)
				if err := f.Flush(); err != nil {
					return err
				}
				r, err := Check(t.Context(), Request{All: probe.Protos(), IPv4: true, IPv6: true})
				if err != nil {
					return err
				}
				var got []string
				for _, v := range r.Verdicts {
					if redirected := v.Verdict == Redirected; redirected && len(v.Redirects) == 0 {
						t.Errorf("no rule is told: %+v", v)
					}
					got = append(got, fmt.Sprintf("%d/%s %s", v.Port, v.Proto, v.Verdict))
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("got %q, want %q", got, c.want)
				}
				told := slices.ContainsFunc(r.Coverage, func(s string) bool { return strings.HasPrefix(s, "ports that are sent on by ") })
				if wanted := c.cover != ""; told != wanted || wanted && !slices.ContainsFunc(r.Coverage, func(s string) bool { return strings.HasPrefix(s, c.cover) }) {
					t.Errorf("coverage %q", r.Coverage)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}
