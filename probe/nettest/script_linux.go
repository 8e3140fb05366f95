package nettest

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// Ruleset loads rules in the language of nft(8) in the host's namespace. It skips the
// test where there is no nft.
func (h *Host) Ruleset(t testing.TB, rules string) {
	t.Helper()
	nft := NFT(t)
	if err := h.Do(func() error { return LoadRules(nft, rules) }); err != nil {
		t.Fatal("nettest: ", err)
	}
}

// IPTables runs iptables-nft in the host's namespace. It skips the test where there is
// none.
func (h *Host) IPTables(t testing.TB, args string) {
	t.Helper()
	path := Program(t, "iptables-nft", "iptables")
	if err := h.Do(func() error {
		if out, err := exec.Command(path, strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", args, err, out)
		}
		return nil
	}); err != nil {
		t.Fatal("nettest: ", err)
	}
}

// NFT is the path of nft(8). It skips the test where there is none.
func NFT(t testing.TB) string {
	t.Helper()
	return Program(t, "nft", "nftables")
}

// Program is the path of a program of a Debian package. It skips the test where there
// is none.
func Program(t testing.TB, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		t.Skipf("needs %s (Debian: %s)", name, debian)
	}
	return path
}

// LoadRules runs nft in the namespace of the calling thread.
func LoadRules(nft, rules string) error {
	cmd := exec.Command(nft, "-f", "-")
	cmd.Stdin = strings.NewReader(strings.NewReplacer("; }", "\n}", " }", "\n}").Replace(rules))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}
