package local

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// memberships reads the groups in which one is interested from igmp, igmp6, mcfilter
// and mcfilter6.
func (p procNet) memberships(in interest) memberships {
	j := memberships{asked: in.any()}
	if !j.asked {
		return j
	}
	see := func(m membership) {
		j.apart = j.apart || in.dual && m.group.Is4() && !always(m.group)
		switch {
		case !m.group.IsMulticast() || !in.in(m.group):
		case len(j.all) == maxMemberships:
			j.cut = true
		default:
			j.all = append(j.all, m)
		}
	}
	failed := []error{
		p.parse("igmp", func(r io.Reader) error { return parseIGMP(r, see) }),
		p.parse("igmp6", func(r io.Reader) error { return parseIGMP6(r, see) }),
	}
	if len(j.all) > 0 {
		failed = append(failed, j.filter(p)...)
	}
	var errs []error
	for _, err := range failed {
		if err != nil {
			errs = append(errs, err)
		}
	}
	j.err = inOneLine(errs)
	slices.SortFunc(j.all, func(a, b membership) int {
		return cmp.Or(a.group.Compare(b.group), cmp.Compare(a.device, b.device))
	})
	return j
}

// parse reads a file. What a kernel without IPv6 lacks is no error.
func (p procNet) parse(name string, parse func(io.Reader) error) error {
	f, err := os.Open(filepath.Join(p.dir, name))
	if errors.Is(err, fs.ErrNotExist) && name[len(name)-1] == '6' && p.lacksIPv6() {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := parse(f); err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}

// groupAt is a group on a device.
type groupAt struct {
	index int
	group netip.Addr
}

// filter adds the senders that were asked for.
func (j *memberships) filter(p procNet) []error {
	at := make(map[groupAt]*membership)
	for i := range j.all {
		m := &j.all[i]
		at[groupAt{m.index, m.group}] = m
	}
	see := func(where groupAt, source netip.Addr, users int) {
		m := at[where]
		if m == nil || users == 0 {
			return
		}
		m.asked = max(m.asked, users)
		if len(m.sources) < maxNamed {
			m.sources = append(m.sources, source.String())
		} else {
			m.more++
		}
	}
	return []error{
		p.parse("mcfilter", func(r io.Reader) error { return parseFilter(r, parseHostOrder, see) }),
		p.parse("mcfilter6", func(r io.Reader) error { return parseFilter(r, parseNetOrder, see) }),
	}
}

// maxText bounds a line of the other files in /proc/net. That of netstat with
// the names has 3 KiB.
const maxText = 64 << 10

// eachLine reads lines of a bounded length, and tells which one made no sense.
func eachLine(r io.Reader, parse func(n int, line []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxText)
	n := 0
	for ; lines.Scan(); n++ {
		if err := parse(n, lines.Bytes()); err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return nil
}

var errNoHeading = errors.New("the heading is missing")

// parseIGMP reads /proc/net/igmp (igmp_mc_seq_show): below a line for each device
// "2\teth0      :     2      V3" one for each group, set in, "\t\t\t\tFB0000E0     1
// 0:00000000\t\t0", the group in the byte order of the machine.
func parseIGMP(r io.Reader, see func(membership)) error {
	var at membership
	headed := false
	err := eachLine(r, func(n int, line []byte) error {
		switch {
		case n == 0:
			if headed = bytes.Contains(line, []byte("Group")); !headed {
				return errNoHeading
			}
			return nil
		case len(line) > 0 && line[0] != '\t' && line[0] != ' ':
			return at.read(line)
		}
		f := bytes.Fields(line)
		if len(f) < 2 || at.device == "" {
			return fmt.Errorf("%q is no group on a device", line)
		}
		var b [4]byte
		if k, err := hex.Decode(b[:], f[0][:min(len(f[0]), 2*len(b))]); err != nil || k != len(b) || len(f[0]) != 2*len(b) {
			return fmt.Errorf("%q is no group", f[0])
		}
		binary.NativeEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:]))
		m := at
		m.group = netip.AddrFrom4(b)
		var err error
		if m.users, err = strconv.Atoi(string(f[1])); err != nil {
			return fmt.Errorf("%q is no count of users", f[1])
		}
		see(m)
		return nil
	})
	if err == nil && !headed {
		return errNoHeading
	}
	return err
}

// read reads the line of a device, whose name ends before a colon and has no
// blanks (dev_valid_name).
func (m *membership) read(line []byte) error {
	number, rest, _ := bytes.Cut(line, []byte("\t"))
	name, _, ok := bytes.Cut(rest, []byte(":"))
	index, err := strconv.Atoi(string(number))
	if name = bytes.TrimSpace(name); !ok || err != nil || len(name) == 0 {
		return fmt.Errorf("%q is no device", line)
	}
	m.index, m.device = index, string(name)
	return nil
}

// parseIGMP6 reads /proc/net/igmp6 (igmp6_mc_seq_show), which has no heading:
// "2    eth0            ff0200000000000000000000000000fb     1 00000004 0".
func parseIGMP6(r io.Reader, see func(membership)) error {
	return eachLine(r, func(_ int, line []byte) error {
		f := bytes.Fields(line)
		if len(f) < 4 {
			return fmt.Errorf("%q is no group on a device", line)
		}
		index, err1 := strconv.Atoi(string(f[0]))
		group, err2 := parseNetOrder(f[2])
		users, err3 := strconv.Atoi(string(f[3]))
		if err := first(err1, err2, err3); err != nil {
			return err
		}
		see(membership{group: group, device: string(f[1]), index: index, users: users})
		return nil
	})
}

// parseFilter reads /proc/net/mcfilter or mcfilter6 (igmp_mcf_seq_show,
// igmp6_mcf_seq_show): device, its name cut to six letters, group, sender, how
// many asked for it and how many asked to be spared.
func parseFilter(r io.Reader, addr func([]byte) (netip.Addr, error), see func(groupAt, netip.Addr, int)) error {
	return eachLine(r, func(n int, line []byte) error {
		f := bytes.Fields(line)
		switch {
		case n == 0 && bytes.HasPrefix(line, []byte("Idx")):
			return nil
		case n == 0:
			return errNoHeading
		case len(f) < 6:
			return fmt.Errorf("%q is no filter", line)
		}
		index, err1 := strconv.Atoi(string(f[0]))
		group, err2 := addr(f[2])
		source, err3 := addr(f[3])
		users, err4 := strconv.Atoi(string(f[4]))
		if err := first(err1, err2, err3, err4); err != nil {
			return err
		}
		see(groupAt{index, group}, source, users)
		return nil
	})
}

// parseHostOrder reads "0xe00000fb".
func parseHostOrder(text []byte) (netip.Addr, error) {
	n, err := strconv.ParseUint(string(text), 0, 32)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%q is no IPv4 address", text)
	}
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(n)))), nil
}

// parseNetOrder reads "ff0200000000000000000000000000fb".
func parseNetOrder(text []byte) (netip.Addr, error) {
	var b [16]byte
	if len(text) != 2*len(b) {
		return netip.Addr{}, fmt.Errorf("%q is no IPv6 address", text)
	}
	if _, err := hex.Decode(b[:], text); err != nil {
		return netip.Addr{}, fmt.Errorf("%q is no IPv6 address", text)
	}
	return netip.AddrFrom16(b), nil
}
