package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"onmux/probe"
)

var onmuxTCP = []probe.Port{{Number: probe.Onmux, Proto: probe.TCP}}

// names is a resolver that knows a few names and nothing else.
func names(known map[string]string) func(context.Context, string) ([]netip.Addr, error) {
	return func(_ context.Context, host string) ([]netip.Addr, error) {
		text, ok := known[host]
		if !ok {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		if text == "timeout" {
			return nil, &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true, IsTemporary: true}
		}
		var out []netip.Addr
		for f := range strings.FieldsSeq(text) {
			out = append(out, netip.MustParseAddr(f))
		}
		return out, nil
	}
}

var fakeDNS = names(map[string]string{
	"one.example":   "192.0.2.1",
	"dual.example":  "2001:db8::7 192.0.2.7 ::ffff:192.0.2.7",
	"six.example":   "2001:db8::6",
	"slow.example":  "timeout",
	"none.example":  "",
	"local.example": "fe80::1 192.0.2.9",
	"localhost":     "127.0.0.1 ::1",
})

// shown writes a plan's addresses as runs, "10.0.0.0-10.0.0.255 10.0.1.1".
func shown(p *Plan) string {
	var out []string
	for i := uint64(0); i < p.AddrCount(); {
		n := p.Neighbors(i)
		text := p.At(i).Addr.String()
		if n > 1 {
			text += "-" + p.At(i+n-1).Addr.String()
		}
		out = append(out, text)
		i += n
	}
	return strings.Join(out, " ")
}

func TestPlanForms(t *testing.T) {
	for _, tt := range []struct{ targets, want string }{
		{"10.0.0.1", "10.0.0.1"},
		{"10.0.0.0/24", "10.0.0.0-10.0.0.255"},
		{"10.0.0.5/24", "10.0.0.0-10.0.0.255"},
		{"10.0.0.5/32", "10.0.0.5"},
		{"10.0.0.4/31", "10.0.0.4-10.0.0.5"},
		{"127.0.0.0/24", "127.0.0.0-127.0.0.255"},
		{"10.0.0.1-50", "10.0.0.1-10.0.0.50"},
		{"10.0.0.1-10.0.1.20", "10.0.0.1-10.0.1.20"},
		{"10.0.0.1-10.0.0.1", "10.0.0.1"},
		{"10.0.1-3.0-255", "10.0.1.0-10.0.3.255"},
		{"10.0.0.*", "10.0.0.0-10.0.0.255"},
		{"10.0.0-1.1-254", "10.0.0.1-10.0.0.254 10.0.1.1-10.0.1.254"},
		{"10.1-2.0-1.7", "10.1.0.7 10.1.1.7 10.2.0.7 10.2.1.7"},
		{"10.*.*.*", "10.0.0.0-10.255.255.255"},
		{"*.*.*.*", "1.0.0.0-223.255.255.255"},
		{"0.0.0.0/0", "1.0.0.0-223.255.255.255"},
		{"223.255.255.0-224.0.0.9", "223.255.255.0-223.255.255.255"},
		{"::1", "::1"},
		{"[::1]", "::1"},
		{"fe80::1%eth0", "fe80::1%eth0"},
		{"fe80::%eth0/126", "fe80::%eth0-fe80::3%eth0"},
		{"fe80::1%a-b-fe80::3", "fe80::1%a-b-fe80::3%a-b"},
		{"fe80::1%b fe80::1%a fe80::2%b", "fe80::1%a fe80::1%b-fe80::2%b"},
		{"2001:db8::/120", "2001:db8::-2001:db8::ff"},
		{"2001:db8::ff/120", "2001:db8::-2001:db8::ff"},
		{"2001:db8::1-2001:db8::9", "2001:db8::1-2001:db8::9"},
		{"2001:db8::ffff:ffff:ffff:fff0/124 2001:db8:0:1::/124", "2001:db8::ffff:ffff:ffff:fff0-2001:db8:0:1::f"},
		{"::ffff:10.0.0.1", "10.0.0.1"},
		{"::ffff:10.0.0.0/120", "10.0.0.0-10.0.0.255"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"255.255.255.255 0.0.0.0 224.0.0.1", "0.0.0.0 224.0.0.1 255.255.255.255"},
		{"10.0.0.3 10.0.0.1 10.0.0.2 10.0.0.2", "10.0.0.1-10.0.0.3"},
		{"2001:db8::1 10.0.0.1", "10.0.0.1 2001:db8::1"},
		{"one.example", "192.0.2.1"},
		{"dual.example", "192.0.2.7 2001:db8::7"},
		{"local.example", "192.0.2.9"},
		{"localhost", "127.0.0.1 ::1"},
	} {
		p, err := NewPlan(t.Context(), Config{Targets: strings.Fields(tt.targets), Ports: onmuxTCP, Resolve: fakeDNS})
		if err != nil {
			t.Errorf("%s: %v", tt.targets, err)
		} else if got := shown(p); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.targets, got, tt.want)
		}
	}
}

func TestPlanErrors(t *testing.T) {
	for _, tt := range []struct{ targets, exclude, want string }{
		{"", "", "no targets: " + targetForms},
		{"junk!", "", `"junk!" is not a target: ` + targetForms},
		{"10.0.0", "", `"10.0.0" is not a target: an IPv4 address has four numbers; ` + targetForms},
		{"417", "", `"417" is not a target: an IPv4 address has four numbers; ` + targetForms},
		{"a.417", "", `"a.417" is not a target: neither an address nor a name; ` + targetForms},
		{"10.0.0.256", "", `"10.0.0.256" is not a target: "256" is not a number from 0 to 255`},
		{"10.0.0.01", "", `"10.0.0.01" is not a target: "01" may be meant as octal: write it without leading zeros`},
		{"10.0.0.9-3", "", `"10.0.0.9-3" is not a target: range "9-3" runs backwards`},
		{"10.0.0.1-", "", `"10.0.0.1-" is not a target: "" is not a number from 0 to 255`},
		{"1-9.*.*.7", "", `"1-9.*.*.7" makes 589,824 separate ranges, at most 65,536 are possible: name networks instead`},
		{"10.0.1.9-10.0.0.3", "", `range "10.0.1.9-10.0.0.3" runs backwards: write 10.0.0.3-10.0.1.9`},
		{"10.0.0.1-2001:db8::1", "", `range "10.0.0.1-2001:db8::1" mixes IPv4 and IPv6`},
		{"fe80::1%a-fe80::2%b", "", `range "fe80::1%a-fe80::2%b" mixes two zones`},
		{"2001:db8::1-ff", "", `"2001:db8::1-ff" is not a range: "ff" is not an address; write both ends in full`},
		{"10.0.0.0/33", "", `"10.0.0.0/33" is not a network: the prefix length of IPv4 is 0 to 32`},
		{"10.0.0.0/", "", `"10.0.0.0/" is not a network: "" is not a prefix length, 0 to 32`},
		{"10.0.0.0/255.0.0.0", "", `"10.0.0.0/255.0.0.0" is not a network: "255.0.0.0" is not a prefix length, 0 to 32`},
		{"10.0.0.0/-1", "", `"10.0.0.0/-1" is not a network: "-1" is not a prefix length, 0 to 32`},
		{"::/129", "", `"::/129" is not a network: the prefix length of IPv6 is 0 to 128`},
		{"http://a!/", "", `"a!" is not a target: ` + targetForms},
		{"https://me:secret@/", "", `"https://" has no host`},
		{"::ffff:10.0.0.0/95", "",
			`"::ffff:10.0.0.0/95" reaches beyond the IPv4-mapped addresses: write the network as IPv4`},
		{"10.0.0.1:70000", "", `10.0.0.1:70000: port 70000 is out of range: ports are 1 to 65535`},
		{"[::1]:nosuchname", "", `[::1]:nosuchname: "nosuchname" is not a port name`},
		{"10.0.0.1:", "", `"10.0.0.1:" has no port behind its colon`},
		{"10.0.0.1", "10.0.0.1:80", `"10.0.0.1:80" has a port, which cannot be given here`},
		{"[::/64]:80 [::/64]:81/tcp", "",
			"[::/64]:80 and 1 more × 2 ports is about 2^65 endpoints; a scan holds at most 4,294,967,296: narrow the prefix"},
		{"2001:db8:::1", "", `"2001:db8:::1" is not an IPv6 address; ` + targetForms},
		{"a,b", "", `"a,b" is not a target: separate targets with spaces`},
		{"-x", "", `"-x" is not a target: a name cannot start with a dash`},
		{"@x", "", `"@x" is not a target: a file cannot be given here`},
		{"münchen.example", "", `"münchen.example" is not a host name: write it in its ASCII form, xn--…`},
		{"a..b", "", `"a..b" is not a target: ` + targetForms},
		{strings.Repeat("a.", 150), "", clip(strings.Repeat("a.", 150)) +
			" is not a host name: it has 299 bytes, at most 253 are possible"},
		{strings.Repeat("1", 600), "", clip(strings.Repeat("1", 600)) + " is too long for a target: 600 bytes"},
		{"fe80::1", "", "fe80::1 needs a zone, as in fe80::1%eth0"},
		{"fe80::/64", "", "fe80::/64 needs a zone, as in fe80::%eth0/64"},
		{"[fe80::1]", "", "[fe80::1] needs a zone, as in fe80::1%eth0"},
		{"fe80::1-fe80::9", "", "fe80::1-fe80::9 needs a zone, as in fe80::1%eth0-fe80::9"},
		{"! 10.0.0.1 ?", "", `"!" is not a target: ` + targetForms + " (and another target is wrong)"},
		{"! ? =", "", `"!" is not a target: ` + targetForms + " (and 2 more targets are wrong)"},
		{"10.0.0.1", "nope/8", `"nope/8" is not a network: "nope" is not an address; ` + targetForms},
		{"nope.invalid", "", `host "nope.invalid" does not resolve: no such host`},
		{"slow.example", "", `host "slow.example" does not resolve: i/o timeout`},
		{"none.example", "", `host "none.example" does not resolve: it has no address`},
		{"10.0.0.1", "nope.invalid", `host "nope.invalid" does not resolve: no such host`},
		{"10.0.0.0/24", "10.0.0.0/16", "no targets: everything named is excluded"},
		{"::/0", "", "::/0 × 1 port is about 2^128 endpoints; a scan holds at most 4,294,967,296: narrow the prefix"},
		{"2001:db8::/64 10.0.0.1", "10.0.0.1",
			"2001:db8::/64 and 1 more × 1 port is 2^64 endpoints; a scan holds at most 4,294,967,296: narrow the prefix"},
		{"2001:db8::/95", "",
			"2001:db8::/95 × 1 port is 8,589,934,592 endpoints; a scan holds at most 4,294,967,296: narrow the prefix"},
	} {
		p, err := NewPlan(
			t.Context(),
			Config{Targets: strings.Fields(tt.targets), Exclude: strings.Fields(tt.exclude), Ports: onmuxTCP, Resolve: fakeDNS},
		)
		if err == nil {
			t.Errorf("%s: no error but %s", tt.targets, shown(p))
		} else if err.Error() != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.targets, err, tt.want)
		} else if got := IsUsage(err); got != !strings.Contains(tt.targets, "slow") {
			t.Errorf("%s: IsUsage is %t", tt.targets, got)
		}
	}
}

func TestPlanErrorsAboutFlags(t *testing.T) {
	both := []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 417, Proto: probe.UDP}}
	four, six := Config{IPv4: true, Ports: onmuxTCP}, Config{IPv6: true, Ports: onmuxTCP}
	for _, tt := range []struct {
		c             Config
		targets, want string
	}{
		{six, "10.0.0.0/24", "no targets: -6 asked for, but 10.0.0.0/24 is IPv4"},
		{six, "10.0.0.0/24 1.1-2.3.4", "no targets: -6 asked for, but 10.0.0.0/24 and 1.1-2.3.4 are IPv4"},
		{four, "::1", "no targets: -4 asked for, but ::1 is IPv6"},
		{four, "fe80::1", "no targets: -4 asked for, but fe80::1 is IPv6"},
		{Config{}, "10.0.0.1", "no ports: name at least one"},
		{Config{Ports: []probe.Port{{Number: 0, Proto: probe.TCP}}}, "10.0.0.1",
			"0/tcp cannot be probed: a port is 1 to 65535, its protocol tcp or udp"},
		{Config{Ports: []probe.Port{{Number: 1}}}, "10.0.0.1",
			"1/ cannot be probed: a port is 1 to 65535, its protocol tcp or udp"},
		{Config{Ports: both}, "2001:db8::/64",
			"2001:db8::/64 × 2 ports is 2^65 endpoints; a scan holds at most 4,294,967,296: narrow the prefix"},
		{Config{Ports: both}, "0.0.0.0/0",
			"0.0.0.0/0 × 2 ports is 7,482,638,336 endpoints; a scan holds at most 4,294,967,296: name fewer addresses or ports"},
	} {
		tt.c.Targets, tt.c.Resolve = strings.Fields(tt.targets), fakeDNS
		if _, err := NewPlan(t.Context(), tt.c); fmt.Sprint(err) != tt.want {
			t.Errorf("%s:\n got %v\nwant %s", tt.targets, err, tt.want)
		}
	}
}

func TestPlanPublic(t *testing.T) {
	for targets, want := range map[string]uint64{
		"1.1.1.0/24 10.0.0.0/24 ::1 2001:db8::1 2606:4700::/126": 260,
		"9.255.255.255-11.0.0.0":                                 2,
		"100.64.0.0/10 169.254.0.0/16 192.0.2.0/24 127.0.0.1":    0,
		"fe80::1%a ff02::1%a fd00::/120 224.0.0.1":               0,
		"64:ff9b::808:808":                                       1,
		"0.0.0.0/0":                                              223<<24 - 2<<24 - 1<<22 - 1<<20 - 2<<16 - 1<<17 - 4<<8,
	} {
		p, err := NewPlan(t.Context(), Config{Targets: strings.Fields(targets), Ports: onmuxTCP})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Public(); got != want {
			t.Errorf("%s: %d are public, want %d", targets, got, want)
		}
	}
}

func TestPlanHost(t *testing.T) {
	p, err := NewPlan(t.Context(), Config{
		Targets: []string{"alias.example", "dual.example", "10.0.0.1"}, Ports: onmuxTCP, IPv4: true,
		Resolve: names(map[string]string{"alias.example": "192.0.2.7", "dual.example": "192.0.2.7 192.0.2.8 2001:db8::8"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		"192.0.2.7": "alias.example", "::ffff:192.0.2.7": "alias.example", "192.0.2.8": "dual.example",
		"2001:db8::8": "", "10.0.0.1": "", "10.0.0.2": "",
	} {
		if got := p.Host(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Host(%s) = %q, want %q", addr, got, want)
		}
	}
}

func TestPlanCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := NewPlan(ctx, Config{Targets: []string{"a", "b"}, Ports: onmuxTCP,
		Resolve: func(ctx context.Context, _ string) ([]netip.Addr, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		}})
	if !errors.Is(err, context.Canceled) || IsUsage(err) {
		t.Errorf("got %v, want context.Canceled, not a usage error", err)
	}
}
