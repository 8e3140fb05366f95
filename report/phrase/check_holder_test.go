package phrase

import (
	"onmux/probe/local/owner"
	"strings"
	"testing"
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

// A guess is one line and short, whatever the candidates are.
func TestGuess(t *testing.T) {
	a, b := owner.Process{PID: 1, Name: "a"}, owner.Process{PID: 2, Name: "b\n"}
	for want, o := range map[string]owner.Origin{
		"":                          {MoreCandidates: 3},
		"likely a (pid 1)":          {Candidates: []owner.Candidate{{Process: a, By: "cgroup"}}},
		"perhaps a (pid 1)":         {Candidates: []owner.Candidate{{Process: a, By: "user"}}},
		`likely "b\n" (pid 2)`:      {Candidates: []owner.Candidate{{Process: b, By: "cgroup"}}},
		"perhaps a process (pid 7)": {Candidates: []owner.Candidate{{Process: owner.Process{PID: 7}, By: "cgroup"}}},
		`perhaps a (pid 1) or "b\n" (pid 2)`: {Candidates: []owner.Candidate{{Process: a, By: "cgroup"},
			{Process: b, By: "cgroup"}}},
		"likely a (pid 1 or 1 other)": {Candidates: []owner.Candidate{{Process: a, By: "cgroup"}}, MoreCandidates: 1},
	} {
		if got := Guess(o); got != want {
			t.Errorf("%+v: %q, want %q", o, got, want)
		}
	}
	nginx := func(by string, pids ...int) (all []owner.Candidate) {
		for _, pid := range pids {
			all = append(all, owner.Candidate{Process: owner.Process{PID: pid, Name: "nginx"}, By: by})
		}
		return all
	}
	for want, o := range map[string]owner.Origin{
		"likely nginx (pid 412, 413 or 414)":                          {Candidates: nginx("cgroup", 412, 413, 414)},
		"perhaps nginx (pid 412), nginx (pid 413) or nginx (pid 414)": {Candidates: nginx("user", 412, 413, 414)},
		"likely nginx (pid 500, 501, 502 or 17 others)": {Candidates: nginx("cgroup", 500, 501, 502, 503, 504,
			505, 506, 507), MoreCandidates: 12},
		"perhaps nginx (pid 412) or sh (pid 20)": {Candidates: append(nginx("cgroup", 412),
			owner.Candidate{Process: owner.Process{PID: 20, Name: "sh"}, By: "cgroup"})},
	} {
		if got := Guess(o); got != want {
			t.Errorf("%+v: %q, want %q", o, got, want)
		}
	}
	many := owner.Origin{Candidates: make([]owner.Candidate, 1000)}
	if got := Guess(many); len(got) > 100 || !strings.HasSuffix(got, " or 997 others") {
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
