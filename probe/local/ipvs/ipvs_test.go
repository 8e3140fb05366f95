package ipvs

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"onmux/probe"
)

// list is what the kernel's format strings make of some services.
const list = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A600001:01A1 rr ` + `
  -> 0AF40005:1F90      Masq    1      0          0         
  -> 0AF40006:1F90      Masq    0      0          0         
  -> 0AF40007:1F90      Route   2      0          0         
UDP  [fd00:0000:0000:0000:0000:0000:0000:0001]:0035 wrr persistent 300 ffffffff
  -> [fd00:0000:0000:0000:0000:0000:0000:0005]:14E9      Tunnel  1      0          0         
FWM  00000007 rr 
  -> 0AF40005:0000      Local   1      0          0         
SCTP 0A600001:01A1 rr 
  -> 0AF40005:1F90      Masq    1      0          0         
`

func TestRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ip_vs"), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort
	want := []Service{
		{Proto: probe.TCP, Addr: netip.MustParseAddr("10.96.0.1"), Port: 417, Scheduler: "rr",
			Servers: []netip.AddrPort{at("10.244.0.5:8080"), at("10.244.0.7:8080")}},
		{Proto: probe.UDP, Addr: netip.MustParseAddr("fd00::1"), Port: 53, Scheduler: "wrr",
			Servers: []netip.AddrPort{at("[fd00::5]:5353")}},
		{Mark: 7, Scheduler: "rr", Servers: []netip.AddrPort{at("10.244.0.5:0")}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

// A kernel without IPVS has no services.
func TestReadNone(t *testing.T) {
	if got, err := Read(t.TempDir()); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(list)
	f.Add("TCP :\n-> [:1 a b")
	f.Fuzz(func(t *testing.T, text string) {
		if n := len(parse(text)); n > strings.Count(text, "\n")+1 {
			t.Errorf("%d services", n)
		}
	})
}
