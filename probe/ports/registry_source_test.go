package ports

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"onmux/probe"
)

// Every line of the registry is read as it is written, in ascending order without overlaps,
// and each port with a name is found by number and by name.
func TestRegistry(t *testing.T) {
	if len(header()) != 3 {
		t.Fatalf("the first line is %q", header())
	}
	if _, err := time.Parse("2 January 2006", RegistryDate()); err != nil {
		t.Error(err)
	}
	count, before := 0, registered{proto: probe.UDP}
	for r := range lines(registry()) {
		count++
		second := r.first == before.first && before.proto == probe.TCP && r.proto == probe.UDP
		if r.first > r.last || r.first == 0 || !second && r.first <= before.last {
			t.Errorf("%+v follows %+v", r, before)
		}
		if r.name == "" || len(r.name) > maxName || strings.ContainsFunc(r.name, notPlain) {
			t.Errorf("%+v has no name to show", r)
		}
		before = r
		for _, proto := range probe.Protos() {
			if !r.has(proto) {
				continue
			}
			for _, n := range []uint16{r.first, r.last} {
				if got := NameOf(probe.Port{Number: n, Proto: proto}); got != r.name {
					t.Errorf("%d/%s is %q, want %q", n, proto, got, r.name)
				}
			}
		}
	}
	if count < 6000 {
		t.Errorf("the registry has %d lines", count)
	}
}

func notPlain(r rune) bool { return r <= ' ' || r > '~' }

// What was registered since 2017, what is no longer, and ranges.
func TestRegistryIsOfItsDate(t *testing.T) {
	for p, want := range map[probe.Port]string{
		{Number: 853, Proto: probe.UDP}:  "domain-s",
		{Number: 4460, Proto: probe.TCP}: "ntske",
		{Number: 8448, Proto: probe.TCP}: "matrix-fed",
		{Number: 993, Proto: probe.UDP}:  "",
		{Number: 359, Proto: probe.TCP}:  "",
		{Number: 5999, Proto: probe.TCP}: "cvsup",
		{Number: 6000, Proto: probe.TCP}: "x11",
		{Number: 6063, Proto: probe.UDP}: "x11",
		{Number: 6064, Proto: probe.UDP}: "ndl-ahp-svc",
		{Number: 6667, Proto: probe.TCP}: "ircu",
		{Number: 6667, Proto: probe.UDP}: "",
		{Number: 65535}:                  "",
	} {
		if got := NameOf(p); got != want {
			t.Errorf("%s is %q, want %q", p, got, want)
		}
	}
}

const (
	someServices = `# a comment

http		80/tcp/udp/sctp	# World Wide Web HTTP
discard		9/tcp/udp
sctponly	10/sctp
nothing		0/tcp
exec		512/tcp		# remote process
comsat		512/udp
x11		6000-6063/tcp/udp	# X
ircu		6665-6669/tcp
later		80/tcp
quic		443/udp
quic-too	443/tcp
`
	someChanges = `commit 1

    Prep for 4.0.17

commit 2

    [Automatic update for 2024-08-25]

commit 3

    [Automatic update for 2024-08-18]
`
	someTable = `# 2024-08-25 some-package 1.0
9 discard
80 http
443/tcp quic-too
443/udp quic
512/tcp exec
512/udp comsat
6000-6063 x11
6665-6669/tcp ircu
`
)

// The script that writes the registry takes names and date from its sources, and nothing
// without a date.
func TestRegistryScript(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("the script needs bash")
	}
	dir := t.TempDir()
	run := func(changes string) (string, error) {
		services, changelog := filepath.Join(dir, "services"), filepath.Join(dir, "changelog")
		for path, text := range map[string]string{services: someServices, changelog: changes} {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.CommandContext(t.Context(), bash, "../../testdata/registry.sh", services, changelog,
			"some-package 1.0").Output()
		return string(out), err
	}
	if got, err := run(someChanges); err != nil || got != someTable {
		t.Errorf("%v\ngot\n%s\nwant\n%s", err, got, someTable)
	}
	if got, err := run("commit 1\n"); err == nil || got != "" {
		t.Errorf("without a date: %q, %v", got, err)
	}
}
