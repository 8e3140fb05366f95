package ports

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"onmux/probe"
)

func TestParseServices(t *testing.T) {
	got, err := parseServices(strings.NewReader(`# a comment
http		80/tcp		www www-http	# WorldWideWeb HTTP

domain 53/udp
  indented 7/tcp
old 80,tcp
assoc 3868/sctp # Diameter
onlyname
bad port/tcp
bad 70000/tcp
bad 80
bad 80/
bad -1/tcp
#http 81/tcp
last 65535/udp`))
	want := []Service{
		{Line: 2, Name: "http", Port: 80, Proto: "tcp", Aliases: []string{"www", "www-http"}, Comment: "WorldWideWeb HTTP"},
		{Line: 4, Name: "domain", Port: 53, Proto: "udp"},
		{Line: 5, Name: "indented", Port: 7, Proto: "tcp"},
		{Line: 6, Name: "old", Port: 80, Proto: "tcp"},
		{Line: 7, Name: "assoc", Port: 3868, Proto: "sctp", Comment: "Diameter"},
		{Line: 15, Name: "last", Port: 65535, Proto: "udp"},
	}
	for i := range want {
		if want[i].Aliases == nil {
			want[i].Aliases = []string{}
		}
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
}

// A file that cannot be read to its end gives what was read, and an error.
func TestParseServicesBounds(t *testing.T) {
	const first = "http 80/tcp\n"
	broken := errors.New("broken")
	for _, c := range []struct{ name, in, err string }{
		{"a long line", first + strings.Repeat("x", 5000), "a line is longer than 4096 bytes"},
		{"a long file", first + strings.Repeat("#"+strings.Repeat("x", 1000)+"\n", 9000), "it is longer than 8388608 bytes"},
	} {
		got, err := parseServices(strings.NewReader(c.in))
		if err == nil || err.Error() != c.err || len(got) != 1 {
			t.Errorf("%s: %d lines, %v", c.name, len(got), err)
		}
	}
	if _, err := parseServices(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func TestParseSpans(t *testing.T) {
	for in, want := range map[string][]Span{
		"": nil, "\n": nil, "1\n": {{1, 1}}, "1,5-9": {{1, 1}, {5, 9}}, "0-65535": {{0, 65535}},
	} {
		if got, err := parseSpans(in); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"x", "1,", ",1", "9-5", "1-", "-1", "1-2-3", "65536", "1 2", "+1"} {
		if got, err := parseSpans(in); err == nil {
			t.Errorf("%q is read as %v", in, got)
		}
	}
}

func FuzzParseServices(f *testing.F) {
	f.Add("http\t80/tcp\twww # x\n")
	f.Add("a 1,udp\r\nb 2/\x00 \xff#")
	f.Fuzz(func(t *testing.T, in string) {
		services, _ := parseServices(strings.NewReader(in))
		last := 0
		for _, s := range services {
			if s.Name == "" || s.Proto == "" || s.Line <= last || strings.ContainsAny(s.Name+s.Proto+s.Comment, "\n") {
				t.Errorf("%+v", s)
			}
			last = s.Line
		}
		m := &Machine{services: services, ServicesFile: "services"}
		for _, s := range services {
			p := m.Info(s.Port, probe.Protos())
			if len(p.Services.Lines) == 0 || len(p.Services.Lines) > maxServiceLines {
				t.Errorf("%d lines for port %d", len(p.Services.Lines), s.Port)
			}
		}
	})
}

func FuzzParseSpans(f *testing.F) {
	f.Add("1,5-9\n")
	f.Add("65535-65536,-")
	f.Fuzz(func(t *testing.T, in string) {
		spans, err := parseSpans(in)
		for _, s := range spans {
			if s.First > s.Last || err != nil {
				t.Errorf("%q: %v, %v", in, spans, err)
			}
		}
	})
}

func TestRanges(t *testing.T) {
	for port, want := range map[uint16]Range{
		0: System, 417: System, 1023: System, 1024: User, 49151: User, 49152: Dynamic, 65535: Dynamic,
	} {
		if got := RangeOf(port); got != want {
			t.Errorf("%d is %s, want %s", port, got, want)
		}
	}
	next := 0
	for _, r := range Ranges() {
		if int(r.Span().First) != next {
			t.Errorf("%s begins at %d", r, r.Span().First)
		}
		next = int(r.Span().Last) + 1
	}
	if next != 65536 {
		t.Errorf("the ranges end at %d", next)
	}
}

// A file that does not exist is reported as such, and one that is read in part too.
func TestReadMachine(t *testing.T) {
	dir := t.TempDir()
	half := filepath.Join(dir, "half")
	if err := os.WriteFile(half, []byte("mine 417/tcp\n"+strings.Repeat("x", 5000)), 0o644); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]Services{
		filepath.Join(dir, "none"): {Error: "there is no such file"},
		half: {Error: "it could not be read: a line is longer than 4096 bytes",
			Lines: []Service{{Line: 1, Name: "mine", Port: 417, Proto: "tcp", Aliases: []string{}}}},
	} {
		want.File = file
		m := readMachine(file)
		if got := m.Info(417, probe.Protos()).Services; !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if m.ServicesFile != file || m.ServicesError != want.Error {
			t.Errorf("%s: %s, want %s: %s", m.ServicesFile, m.ServicesError, file, want.Error)
		}
	}
	if m := readMachine(dir); !strings.HasPrefix(m.ServicesError, "it could not be read: ") ||
		strings.Contains(m.ServicesError, dir) {
		t.Errorf("a directory: %q", m.ServicesError)
	}
	if m := ReadMachine(); m.ServicesFile == "" || len(m.Unknown) > 0 || m.Info(417, nil).Names == nil {
		t.Errorf("this machine: %+v", m)
	}
}

func table(t testing.TB, lines string) *Machine {
	t.Helper()
	services, err := parseServices(strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	return &Machine{services: services, ServicesFile: "/etc/services"}
}

// A name leads to all its ports: IANA's, the machine's, and by their aliases.
func TestNumbers(t *testing.T) {
	m := table(t, "mine 7000/tcp my-own\nHTTP-Alt 9090/tcp\nonlyudp 7001/udp\nassoc 7002/sctp")
	tcp, udp := []probe.Proto{probe.TCP}, []probe.Proto{probe.UDP}
	for _, c := range []struct {
		name   string
		protos []probe.Proto
		want   []uint16
	}{
		{"onmux", probe.Protos(), []uint16{417}},
		{"mine", tcp, []uint16{7000}},
		{"mine", udp, nil},
		{"MY-OWN", probe.Protos(), []uint16{7000}},
		{"http-alt", tcp, []uint16{591, 8008, 8080, 9090}},
		{"http-alt", udp, []uint16{591, 8008, 8080}},
		{"onlyudp", tcp, nil},
		{"assoc", probe.Protos(), nil},
		{"", probe.Protos(), nil},
	} {
		if got := m.Numbers(c.name, c.protos); !slices.Equal(got, c.want) {
			t.Errorf("%q over %v: %v, want %v", c.name, c.protos, got, c.want)
		}
	}
}

// The machine's names follow IANA's, and only where they are others.
func TestPortNames(t *testing.T) {
	m := table(t, "onmux 417/tcp\nours 417/udp\nours 417/udp\nmine 7/tcp\nonly 4/tcp\necho 4/ddp")
	for port, want := range map[uint16][]Name{
		417:  {{"onmux", probe.TCP, "IANA"}, {"onmux", probe.UDP, "IANA"}, {"ours", probe.UDP, "/etc/services"}},
		7:    {{"echo", probe.TCP, "IANA"}, {"echo", probe.UDP, "IANA"}, {"mine", probe.TCP, "/etc/services"}},
		4:    {{"only", probe.TCP, "/etc/services"}},
		6000: {{"x11", probe.TCP, "IANA"}, {"x11", probe.UDP, "IANA"}},
	} {
		if got := m.Info(port, probe.Protos()).Names; !slices.Equal(got, want) {
			t.Errorf("%d: %v, want %v", port, got, want)
		}
	}
	if got := m.Info(4, probe.Protos()).Services.Lines; len(got) != 2 || got[1].Proto != "ddp" {
		t.Errorf("4: %+v", got)
	}
}

// What is not in the settings is left out, not guessed.
func TestPortSettings(t *testing.T) {
	yes, no := new(true), new(false)
	ephemeral := &Span{32768, 60999}
	for _, c := range []struct {
		name                         string
		settings                     Settings
		port                         uint16
		mayBind, ephemeral, reserved *bool
	}{
		{"nothing known", Settings{}, 417, nil, nil, nil},
		{"only the bound, below", Settings{UnprivilegedFrom: new(1024)}, 417, nil, nil, nil},
		{"only the bound, above", Settings{UnprivilegedFrom: new(1024)}, 1024, yes, nil, nil},
		{"no privilege", Settings{UnprivilegedFrom: new(1024), Privileged: no}, 1023, no, nil, nil},
		{"privileged", Settings{UnprivilegedFrom: new(1024), Privileged: yes}, 417, yes, nil, nil},
		{"lowered to it", Settings{UnprivilegedFrom: new(417), Privileged: no}, 417, yes, nil, nil},
		{"lowered not enough", Settings{UnprivilegedFrom: new(418), Privileged: no}, 417, no, nil, nil},
		{"all need it", Settings{UnprivilegedFrom: new(65536), Privileged: no}, 65535, no, nil, nil},
		{"only the privilege", Settings{Privileged: yes}, 417, nil, nil, nil},
		{"before the range", Settings{Ephemeral: ephemeral}, 32767, nil, no, nil},
		{"in the range", Settings{Ephemeral: ephemeral}, 60999, nil, yes, nil},
		{"none reserved", Settings{ReservedKnown: true}, 417, nil, nil, no},
		{"reserved", Settings{ReservedKnown: true, Reserved: []Span{{1, 2}, {400, 417}}}, 417, nil, nil, yes},
	} {
		p := (&Machine{Settings: c.settings}).Info(c.port, probe.Protos())
		if !reflect.DeepEqual([]*bool{p.MayBind, p.Ephemeral, p.Reserved}, []*bool{c.mayBind, c.ephemeral, c.reserved}) {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
}
