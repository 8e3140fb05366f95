package expect

import (
	"testing"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/firewall"
)

// A socket is reached from other machines if its address and the firewall let them.
func TestReach(t *testing.T) {
	outcome := func(v firewall.Verdict, s firewall.Scope, family string) firewall.Outcome {
		return firewall.Outcome{Verdict: v, Scope: s, Family: family, Unknown: []string{"it depends on a mark"}}
	}
	accept := outcome(firewall.Accept, firewall.Any, "")
	for name, c := range map[string]struct {
		reach, family string
		rules         []firewall.Outcome
		want          string // "" is not known
	}{
		"loopback": {"loopback", "ipv4", nil, inside},
		"no rules": {"any", "dual", []firewall.Outcome{accept}, outside},
		"not read": {"any", "dual", nil, ""},
		"dropped": {"any", "dual", []firewall.Outcome{outcome(firewall.Drop, firewall.Outside, ""), accept},
			outside},
		"dropped everywhere": {"any", "dual", []firewall.Outcome{outcome(firewall.Drop, firewall.Any, "")}, inside},
		"accepted inside": {"private", "ipv4", []firewall.Outcome{outcome(firewall.Reject, firewall.Outside, ""),
			outcome(firewall.Accept, firewall.Inside, "")}, inside},
		"accepted over IPv6": {"any", "ipv4", []firewall.Outcome{outcome(firewall.Drop, firewall.Any, "ipv4"),
			outcome(firewall.Accept, firewall.Any, "ipv6")}, inside},
		"not known": {"any", "ipv4", []firewall.Outcome{outcome(firewall.NotKnown, firewall.Any, "")}, ""},
		"not known for some": {"any", "ipv4", []firewall.Outcome{outcome(firewall.NotKnown, firewall.Any, ""), accept},
			outside},
	} {
		for _, expected := range []string{inside, outside} {
			e, err := OfHolder(Holder{Addr: expected})
			if err != nil {
				t.Fatal(err)
			}
			j := NewJudge([]Expectation{e})
			v := j.Finding(local.Verdict{Port: 417, Proto: probe.TCP, Verdict: local.Listening, Firewall: c.rules})
			v = append(v, j.Finding(local.Listener{Port: 417, Proto: probe.TCP, State: local.Listening, Reach: c.reach,
				Family: c.family})...)
			if wrong := c.want != "" && c.want != expected; len(v) > 0 != wrong || (j.doubt != "") != (c.want == "") {
				t.Errorf("%s, %s: %+v, doubt %q", name, expected, v, j.doubt)
			}
		}
	}
}
