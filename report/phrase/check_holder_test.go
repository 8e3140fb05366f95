package phrase

import (
	"strings"
	"testing"

	"onmux/probe/local/owner"
)

func TestWhere(t *testing.T) {
	for want, p := range map[string]owner.Place{
		"":                       {},
		"nginx.service":          {Unit: "nginx.service"},
		"container 0123456789ab": {Container: "0123456789ab"},
		"docker container web": {Unit: "docker-0123.scope", Container: "0123456789ab",
			ContainerName: "web", Runtime: "docker"},
		"lxc container web": {Unit: "ssh.service", Container: "web", Runtime: "lxc"},
		"container nginx of pod shop/web-1": {Container: "0123456789ab", ContainerName: "nginx", Runtime: "containerd",
			Pod: "shop/web-1", PodUID: "1b2c"},
		"container 0123456789ab of pod 1b2c":     {Container: "0123456789ab", Runtime: "kubernetes", PodUID: "1b2c"},
		"pod shop/web-1":                         {Pod: "shop/web-1"},
		`docker container "web\x1b[2J\nis free"`: {Container: "0", ContainerName: "web\x1b[2J\nis free", Runtime: "docker"},
		`"a\nb.service"`:                         {Unit: "a\nb.service"},
	} {
		if got := Where(p); got != want {
			t.Errorf("%+v: %q, want %q", p, got, want)
		}
	}
}

// Only likely owners are named: those that fit, or that are of one name where the socket
// was made. A guess is one line and short, whatever the candidates are.
func TestGuess(t *testing.T) {
	named := func(by, name string, likely bool, pids ...int) (all []owner.Candidate) {
		for _, pid := range pids {
			all = append(all, owner.Candidate{Process: owner.Process{PID: pid, Name: name}, By: by, Likely: likely})
		}
		return all
	}
	for _, c := range []struct {
		o    owner.Origin
		want string
	}{
		{owner.Origin{MoreCandidates: 3}, ""},
		{owner.Origin{Candidates: named("cgroup", "a", false, 1)}, "likely a (pid 1)"},
		{owner.Origin{Candidates: named("user", "a", false, 1)}, ""},
		{owner.Origin{Candidates: named("user", "a", true, 1)}, "likely a (pid 1)"},
		{owner.Origin{Candidates: named("cgroup", "b\n", false, 2)}, `likely "b\n" (pid 2)`},
		{owner.Origin{Candidates: named("cgroup", "", false, 7)}, ""},
		{owner.Origin{Candidates: append(named("cgroup", "a", false, 1), named("cgroup", "b", false, 2)...)}, ""},
		{owner.Origin{Candidates: append(named("cgroup", "a", false, 1), named("cgroup", "b", true, 2)...)},
			"likely b (pid 2)"},
		{owner.Origin{Candidates: named("cgroup", "a", false, 1), MoreCandidates: 1}, "likely a (pid 1 or 1 other)"},
		{owner.Origin{Candidates: named("cgroup", "nginx", false, 412, 413, 414)}, "likely nginx (pid 412, 413 or 414)"},
		{owner.Origin{Candidates: named("user", "nginx", false, 412, 413, 414)}, ""},
		{owner.Origin{Candidates: named("cgroup", "nginx", false, 500, 501, 502, 503, 504, 505, 506, 507),
			MoreCandidates: 12}, "likely nginx (pid 500, 501, 502 or 17 others)"},
	} {
		if got := Guess(c.o); got != c.want {
			t.Errorf("%+v: %q, want %q", c.o, got, c.want)
		}
	}
	many := owner.Origin{Candidates: named("user", "x", true, make([]int, 1000)...)}
	if got := Guess(many); len(got) > 100 || !strings.HasSuffix(got, " or 997 others)") {
		t.Error(got)
	}
}

func TestProxyTarget(t *testing.T) {
	for want, target := range map[string]owner.ProxyTarget{
		"":                         {},
		"10.0.0.2:80":              {Address: "10.0.0.2:80"},
		"the socket /run/db.sock":  {Socket: "/run/db.sock"},
		"a Kubernetes service":     {Kubernetes: true},
		`"a\x1b[2Jb:80"`:           {Address: "a\x1b[2Jb:80"},
		`"the socket /run/\nfree"`: {Socket: "/run/\nfree"},
	} {
		if got := proxyTarget(target); got != want {
			t.Errorf("%+v: %q, want %q", target, got, want)
		}
	}
}
