package local_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
)

// Who listens in a container is named where a rule, or Docker's proxy, publishes it.
func TestPublished(t *testing.T) {
	nettest.Need(t)
	blue := nettest.NewNamespace(t)
	nettest.OpenIn(t, blue, unix.AF_INET, unix.SOCK_STREAM, nettest.Option(unix.SOL_IP, unix.IP_FREEBIND),
		nettest.Bind("10.77.0.2", 80), nettest.Listen(7))
	name := nameOf(t, blue)
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		f := nft.New(nftables.TableFamilyIPv4)
		f.Rule(f.Prerouting(), nft.ToPort(417), nft.DNAT("10.77.0.2", 80))
		f.Rule(f.Prerouting(), nft.ToPort(418), nft.Redirect(4998))
		if err := f.Flush(); err != nil {
			return err
		}
		cmd := exec.Command("/proc/self/exe")
		cmd.Args = []string{"docker-proxy", "-proto", "tcp", "-host-ip", "127.0.0.1", "-host-port", "4998", "-container-ip",
			"10.77.0.2", "-container-port", "80"}
		cmd.Env = append(os.Environ(), roleEnv+"=proxy", portEnv+"=4998")
		nettest.StartCommand(t, cmd)
		var ports []probe.Port
		for _, n := range []uint16{417, 418, 4998} {
			ports = append(ports, probe.Port{Number: n, Proto: probe.TCP})
		}
		r, err := checked(t.Context(), Request{Ports: ports, IPv4: true, Owners: true})
		if err != nil {
			return err
		}
		for i, want := range []string{
			"; behind it: ", "sent on to port 4998 by an nftables rule", "a proxy for ",
		} {
			v := r.Verdicts[i]
			if !strings.Contains(v.Why, want) ||
				i != 1 && !strings.Contains(v.Why, " on 10.77.0.2:80 in network namespace "+name) {
				t.Errorf("%d: %s", v.Port, v.Why)
			}
		}
		if b := r.Verdicts[0].Redirects[0].Behind; b == nil || b.Address != "10.77.0.2:80" || b.NetNS != name ||
			len(b.Owners) != 1 || b.Owners[0].PID != os.Getpid() {
			t.Errorf("behind the rule: %+v", b)
		}
		if b := r.Verdicts[1].Redirects[0].Behind; b == nil || b.NetNS != OwnNetNS || b.Address != "127.0.0.1:4998" ||
			len(b.Owners) != 1 {
			t.Errorf("behind the redirect: %+v", b)
		}
		for _, l := range r.Listeners {
			if l.NetNS == OwnNetNS && (l.Behind == nil || l.Behind.NetNS != name) {
				t.Errorf("behind the proxy: %+v", l.Behind)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
