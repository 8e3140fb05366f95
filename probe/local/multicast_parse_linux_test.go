package local

import (
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"onmux/probe"
)

// The files as a kernel writes them, on a machine of the byte order of hexAddr.
var (
	igmpFile = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n" +
		"1\tlo        :     1      V3\n\t\t\t\t" + hexAddr(netip.MustParseAddr("224.0.0.1")) + "     1 0:00000000\t\t0\n" +
		"12\tverylongdevice1:     3      V3\n\t\t\t\t" + hexAddr(netip.MustParseAddr("224.0.0.251")) + "     2 0:00000000\t\t1\n" +
		"\t\t\t\t" + hexAddr(netip.MustParseAddr("232.1.1.1")) + "     2 0:00000000\t\t1\n" +
		"\t\t\t\t" + hexAddr(netip.MustParseAddr("224.0.0.1")) + "     1 0:00000000\t\t0\n"
	igmp6File = "1    lo              ff020000000000000000000000000001     1 0000000C 0\n" +
		"1    lo              ff010000000000000000000000000001     1 00000008 0\n" +
		"12   verylongdevice1 ff0200000000000000000001ff000002     1 00000004 0\n" +
		"12   verylongdevice1 ff050000000000000000000000000002     1 00000004 0\n" +
		"12   verylongdevice1 ff0200000000000000000000000000fb     1 00000004 0\n"
	filterFile = "Idx Device        MCA        SRC    INC    EXC\n" +
		" 12 verylo 0xe8010101 0x0a000005      2      0\n" +
		" 12 verylo 0xe8010101 0x0a000006      1      0\n" +
		" 12 verylo 0xe00000fb 0x0a000006      1      0\n"
	filter6File = "Idx Device                Multicast Address                   Source Address    INC    EXC\n" +
		" 12 verylo ff0200000000000000000000000000fb fe800000000000000000000000000001      0      1\n"
)

func TestParseIGMP(t *testing.T) {
	all := func(parse func(io.Reader, func(membership)) error, in string) (names []string, err error) {
		err = parse(strings.NewReader(in), func(m membership) {
			names = append(names, fmt.Sprintf("%d %d %s", m.index, m.users, m))
		})
		return names, err
	}
	want := []string{"1 1 224.0.0.1 on lo", "12 2 224.0.0.251 on verylongdevice1", "12 2 232.1.1.1 on verylongdevice1", "12 1 224.0.0.1 on verylongdevice1"}
	if got, err := all(parseIGMP, igmpFile); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	want = []string{"1 1 ff02::1 on lo", "1 1 ff01::1 on lo", "12 1 ff02::1:ff00:2 on verylongdevice1", "12 1 ff05::2 on verylongdevice1", "12 1 ff02::fb on verylongdevice1"}
	if got, err := all(parseIGMP6, igmp6File); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	heading, _, _ := strings.Cut(igmpFile, "\n")
	device := heading + "\n1\tlo        :     1      V3\n"
	for name, in := range map[string]string{
		"no heading":     "1\tlo        :     1      V3\n",
		"nothing":        "",
		"no device":      heading + "\n\t\t\t\t010000E0     1 0:00000000\t\t0\n",
		"a short device": heading + "\n1\n",
		"no index":       heading + "\nx\tlo        :     1      V3\n",
		"no name":        heading + "\n1\t:     1      V3\n",
		"a short line":   device + "\t\t\t\t010000E0\n",
		"no hex":         device + "\t\t\t\t01000XE0     1 0:0\t0\n",
		"half a group":   device + "\t\t\t\t0100E0     1 0:0\t0\n",
		"too much":       device + "\t\t\t\t010000E000     1 0:0\t0\n",
		"no users":       device + "\t\t\t\t010000E0     x 0:0\t0\n",
		"an empty line":  device + "\n",
	} {
		if got, err := all(parseIGMP, in); err == nil {
			t.Errorf("igmp, %s: %q", name, got)
		}
	}
	for name, in := range map[string]string{
		"a short line": "1 lo ff020000000000000000000000000001\n",
		"half a group": "1 lo ff02 1 0 0\n",
		"no hex":       "1 lo ff02000000000000000000000000000x 1 0 0\n",
		"no index":     "x lo ff020000000000000000000000000001 1 0 0\n",
		"no users":     "1 lo ff020000000000000000000000000001 x 0 0\n",
	} {
		if got, err := all(parseIGMP6, in); err == nil {
			t.Errorf("igmp6, %s: %q", name, got)
		}
	}
}

func TestMemberships(t *testing.T) {
	both := interest{v4: true, v6: true, bound: map[netip.Addr]bool{netip.MustParseAddr("224.0.0.1"): true}}
	whole := map[string][]byte{"tcp": {}, "tcp6": {}, "igmp": []byte(igmpFile), "igmp6": []byte(igmp6File), "mcfilter": []byte(filterFile), "mcfilter6": []byte(filter6File)}
	all := []string{"224.0.0.1 on lo", "224.0.0.1 on verylongdevice1", "224.0.0.251 on verylongdevice1",
		"232.1.1.1 on verylongdevice1, from 10.0.0.5 and 10.0.0.6 only", "ff02::fb on verylongdevice1"}
	for name, c := range map[string]struct {
		in       interest
		drop     []string
		put      map[string][]byte
		want     []string
		coverage string // "": without complaint
	}{
		"all":                {both, nil, nil, all, ""},
		"IPv4":               {interest{v4: true}, nil, nil, all[2:4], ""},
		"IPv6":               {interest{v6: true}, nil, nil, all[4:], ""},
		"nobody asks":        {interest{}, []string{"igmp"}, nil, nil, ""},
		"no IPv6":            {both, []string{"tcp6", "igmp6", "mcfilter6"}, nil, all[:4], ""},
		"no file for IPv6":   {both, []string{"igmp6"}, nil, all[:4], "multicast groups: not all read: open "},
		"no file":            {both, []string{"igmp", "igmp6"}, nil, nil, "multicast groups: not read: open "},
		"unreadable":         {both, nil, map[string][]byte{"igmp": nil}, all[4:], "multicast groups: not all read: "},
		"torn":               {both, nil, map[string][]byte{"igmp": []byte(igmpFile[:len(igmpFile)-30])}, append(slices.Clip(all[:1]), all[2:]...), "multicast groups: not all read: "},
		"no filters":         {both, []string{"mcfilter"}, nil, append(slices.Clip(all[:3]), "232.1.1.1 on verylongdevice1", all[4]), "multicast groups: not all read: open "},
		"empty filters":      {both, nil, map[string][]byte{"mcfilter": {}}, append(slices.Clip(all[:3]), "232.1.1.1 on verylongdevice1", all[4]), ""},
		"a short filter":     {interest{v6: true}, nil, map[string][]byte{"mcfilter6": []byte(filter6File + " 12 x\n")}, all[4:], "multicast groups: not all read: "},
		"no address":         {interest{v6: true}, nil, map[string][]byte{"mcfilter": []byte(filterFile + " 12 x y z 1 0\n")}, all[4:], "multicast groups: not all read: "},
		"filters, no header": {interest{v6: true}, nil, map[string][]byte{"mcfilter": []byte(" 12 x 0x0 0x0 1 0\n")}, all[4:], "multicast groups: not all read: "},
	} {
		files := make(map[string][]byte)
		for n, b := range whole {
			if !slices.Contains(c.drop, n) {
				files[n] = b
			}
		}
		for n, b := range c.put {
			files[n] = b
		}
		j := procFiles(t, files).memberships(c.in)
		var names []string
		for _, m := range j.all {
			names = append(names, m.String())
		}
		said := strings.Join(j.coverage(), "\n")
		if !slices.Equal(names, c.want) || !strings.HasPrefix(said, c.coverage) || (c.coverage == "") != (j.err == nil) || strings.Contains(said, "\n") {
			t.Errorf("%s: %q, %q", name, names, said)
		}
	}
}

// However many groups are joined, few are kept and fewer told.
func TestManyMemberships(t *testing.T) {
	var b strings.Builder
	b.WriteString("Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n1\teth0      :     1      V3\n")
	for n := range maxMemberships + 5 {
		group := netip.AddrFrom4([4]byte{239, 1, byte(n >> 8), byte(n)})
		fmt.Fprintf(&b, "\t\t\t\t%s     1 0:00000000\t\t0\n", hexAddr(group))
	}
	j := procFiles(t, map[string][]byte{"tcp": {}, "igmp": []byte(b.String()), "mcfilter": {}}).memberships(interest{v4: true})
	s := socket{proto: probe.UDP, local: netip.MustParseAddrPort("0.0.0.0:417"), family: "ipv4", state: listening}
	if got := j.of(s); len(j.all) != maxMemberships || len(got) != maxGroups || got[0] != "239.1.0.0 on eth0" {
		t.Errorf("%d memberships, of which %q", len(j.all), got)
	}
	const said = "; only the first 4096 were looked at; no more than 64 for a socket"
	if got := j.coverage(); len(got) != 1 || !strings.HasSuffix(got[0], said) {
		t.Errorf("%q", got)
	}
	// One of those that were left out may be joined.
	far := Listener{Proto: probe.UDP, Address: netip.MustParseAddr("239.9.9.9"), State: Listening}
	if j.misses(far) {
		t.Errorf("%s is told not to be joined", far.Address)
	}
}

func TestFilters(t *testing.T) {
	for want, m := range map[string]membership{
		"232.1.1.1 on eth0":                                       {users: 1},
		"232.1.1.1 on eth0, from 10.0.0.1 only":                   {users: 1, asked: 1, sources: []string{"10.0.0.1"}},
		"232.1.1.1 on eth0, from a and b and c only":              {users: 2, asked: 2, sources: []string{"a", "b", "c"}},
		"232.1.1.1 on eth0, from a and b and c and 7 others only": {users: 2, asked: 2, sources: []string{"a", "b", "c"}, more: 7},
	} {
		m.group, m.device = netip.MustParseAddr("232.1.1.1"), "eth0"
		if got := m.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	// Of two users, each may ask for another sender or one take them all.
	open := membership{group: netip.MustParseAddr("232.1.1.1"), device: "eth0", users: 2, asked: 1, sources: []string{"a", "b"}}
	if got := open.String(); got != "232.1.1.1 on eth0" {
		t.Error(got)
	}
}

func FuzzParseMulticast(f *testing.F) {
	f.Add(igmpFile, igmp6File, filterFile, filter6File)
	f.Add("Group\n1\t:\n", "1 lo", "Idx\n1", "Idx\n1 x 0xe0000001 0x0 1 1")
	f.Fuzz(func(t *testing.T, igmp, igmp6, filter, filter6 string) {
		files := map[string]string{"igmp": igmp, "igmp6": igmp6}
		for name, parse := range map[string]func(io.Reader, func(membership)) error{"igmp": parseIGMP, "igmp6": parseIGMP6} {
			seen := 0
			_ = parse(strings.NewReader(files[name]), func(m membership) {
				if seen++; !m.group.IsValid() || m.device == "" || strings.ContainsAny(m.String(), "\n\x1b") {
					t.Errorf("%+v", m)
				}
			})
			if seen > len(files[name])/4 {
				t.Errorf("%d groups from %d bytes", seen, len(files[name]))
			}
		}
		see := func(at groupAt, source netip.Addr, _ int) {
			if !at.group.IsValid() || !source.IsValid() || reflect.DeepEqual(at, groupAt{}) {
				t.Errorf("%+v", at)
			}
		}
		_ = parseFilter(strings.NewReader(filter), parseHostOrder, see)
		_ = parseFilter(strings.NewReader(filter6), parseNetOrder, see)
	})
}
