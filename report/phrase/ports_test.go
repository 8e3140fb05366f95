package phrase

import (
	"errors"
	"strings"
	"testing"

	"onmux/probe/ports"
)

func TestPortCoverage(t *testing.T) {
	for _, tt := range []struct {
		name    string
		machine ports.Machine
		want    []string // the beginnings, from the second on
	}{
		{"all read", ports.Machine{ServicesFile: "/etc/services"},
			[]string{"this machine's names: /etc/services; other", "privileges: those of this process"}},
		{"no file", ports.Machine{ServicesFile: "/etc/services", ServicesError: "there is no such file"},
			[]string{"this machine's names: /etc/services: there is no such file", "privileges: those"}},
		{"a setting is unknown", ports.Machine{ServicesFile: "s",
			Settings: ports.Settings{Unknown: []ports.UnknownSetting{
				{Setting: ports.LowPorts, Err: errors.New("e1")}, {Setting: ports.Privilege, Err: errors.New("e2")},
				{Setting: ports.EphemeralPorts, Err: errors.New("e3")}, {Setting: ports.ReservedPorts,
					Err: errors.New("e4")}}}},
			[]string{"this machine's names: s;", "privileges: ",
				"which ports need a privilege to bind is not known: e1",
				"whether the caller may bind low ports is not known: e2",
				"where connections take their ports from is not known: e3",
				"which ports are reserved is not known: e4"}},
		{"another system", ports.Machine{ServicesFile: "s", Settings: ports.Settings{Platform: ports.OtherUnix}},
			[]string{"this machine's names: s;",
				"privileges, and where connections take their ports from: this system was not asked"}},
	} {
		got := PortCoverage(&tt.machine)
		if len(got) != len(tt.want)+1 || !strings.HasPrefix(got[0], "IANA's names as of "+ports.RegistryDate()) {
			t.Errorf("%s: %q", tt.name, got)
			continue
		}
		for i, want := range tt.want {
			if !strings.HasPrefix(got[i+1], want) {
				t.Errorf("%s: %q, want %q", tt.name, got[i+1], want)
			}
		}
	}
}

func TestPortNotes(t *testing.T) {
	for _, tt := range []struct {
		platform ports.Platform
		port     uint16
		root     bool
		want     string
	}{
		{ports.Linux, 417, false, ""},
		{ports.OtherUnix, 417, false, "whether this one agrees is not known"},
		{ports.OtherUnix, 417, true, "(you are root)"},
		{ports.OtherUnix, 1024, true, "from 1024 up"},
		{ports.Windows, 417, false, "on Windows no port needs a privilege"},
	} {
		got := strings.Join(PortNotes(tt.platform, tt.port, tt.root), "")
		if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%v, port %d: %q", tt.platform, tt.port, got)
		}
	}
}
