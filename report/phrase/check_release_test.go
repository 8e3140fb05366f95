package phrase

import (
	"net/netip"
	"testing"
	"time"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// What would free a port is named in the order of a careful operator: a socket unit before
// its service, the container before a process, the master and no worker.
func TestRelease(t *testing.T) {
	t.Parallel()
	holds := func(state Word, owners ...owner.Owner) []Listener {
		return []Listener{{Proto: probe.TCP, Address: netip.IPv4Unspecified(), Port: 417, State: state, Owners: owners}}
	}
	in := func(p owner.Place) owner.Owner { return owner.Owner{PID: 7, Name: "app", Place: p} }
	systemd := owner.Owner{PID: 1, Name: "systemd", Place: owner.Place{Unit: "init.scope"}, SocketUnit: "nginx.socket"}
	nginx := owner.Owner{PID: 20, Name: "nginx", Workers: []int{21, 22}, Place: owner.Place{Unit: "nginx.service"}}
	user := owner.Owner{PID: 30, Name: "app", User: "ann", Place: owner.Place{Unit: "app.service"},
		Parents: []owner.Process{{PID: 900, Name: "systemd"}, {PID: 1, Name: "systemd"}}}
	leaky := owner.Owner{PID: 5, Name: "java"}
	for name, c := range map[string]struct {
		listeners []Listener
		counts    socket.Counts
		closeWait int
		timeWait  time.Duration
		want      string
	}{
		"nothing": {},
		"a process": {listeners: holds(Listening, owner.Owner{PID: 20, Name: "nginx", Workers: []int{21}}),
			want: "kill 20"},
		"two processes": {listeners: holds(Listening, owner.Owner{PID: 20, Name: "a"}, owner.Owner{PID: 9, Name: "b"}),
			want: "kill 20 9"},
		"a unit":        {listeners: holds(Listening, nginx), want: "systemctl stop nginx.service"},
		"a socket unit": {listeners: holds(Listening, systemd), want: "systemctl stop nginx.socket"},
		"both": {listeners: holds(Listening, nginx, systemd),
			want: "systemctl stop nginx.socket nginx.service"},
		"bound":          {listeners: holds(Bound, nginx), want: "systemctl stop nginx.service"},
		"a user's unit":  {listeners: holds(Listening, user), want: "systemctl --user -M ann@ stop app.service"},
		"a session":      {listeners: holds(Listening, in(owner.Place{Unit: "session-1.scope"})), want: "kill 7"},
		"a user's shell": {listeners: holds(Listening, in(owner.Place{Unit: "user@1000.service"})), want: "kill 7"},
		"a strange unit": {listeners: holds(Listening, in(owner.Place{Unit: `a\x2d$(b).service`})),
			want: `systemctl stop 'a\x2d$(b).service'`},
		"docker": {listeners: holds(Listening,
			in(owner.Place{Unit: "docker-0.scope", Container: "0123456789ab", Runtime: "docker"})),
			want: "docker stop 0123456789ab"},
		"podman": {listeners: holds(Listening, in(owner.Place{Container: "web", Runtime: "podman"})),
			want: "podman stop web"},
		"a pod": {listeners: holds(Listening, in(owner.Place{Container: "0123456789ab", Runtime: "containerd", PodUID: "1"})),
			want: "crictl stop 0123456789ab"},
		"cri-o": {listeners: holds(Listening, in(owner.Place{Container: "0123456789ab", Runtime: "cri-o"})),
			want: "crictl stop 0123456789ab"},
		"lxc": {listeners: holds(Listening, in(owner.Place{Container: "web", Runtime: "lxc"})),
			want: "lxc-stop -n web"},
		"nspawn": {listeners: holds(Listening, in(owner.Place{Container: "web", Runtime: "systemd-nspawn"})),
			want: "machinectl terminate web"},
		"docker-proxy": {listeners: holds(Listening,
			owner.Owner{PID: 8, Name: "docker-proxy", Place: owner.Place{Unit: "docker.service"}}),
			want: "docker stop $(docker ps -q --filter publish=417/tcp)"},
		"a unit and more": {listeners: holds(Listening, owner.Owner{PID: 9, Name: "b"}, nginx),
			want: "systemctl stop nginx.service; kill 9"},
		"the kernel's": {listeners: holds(Listening)},
		"unseen owner": {listeners: []Listener{
			{State: Listening, Origin: owner.Origin{Place: owner.Place{Unit: "ssh.service"}}}},
			want: "systemctl stop ssh.service"},
		"the first process": {listeners: holds(Listening, owner.Owner{PID: 1, Name: "init"})},
		"ended":             {listeners: holds(Listening, owner.Owner{PID: 9, Ended: true})},
		"connections": {listeners: holds(Connected, leaky), counts: socket.Counts{socket.Connected: 3},
			want: "close the connections of java (pid 5)"},
		"a leak": {listeners: append(holds(Connected, leaky), holds(Connected, leaky)...),
			counts:    socket.Counts{socket.Connected: 1200},
			closeWait: 1200, want: "close the connections: java (pid 5) has not closed 1,200 of them (CLOSE_WAIT)"},
		"TIME_WAIT": {counts: socket.Counts{socket.TimeWait: 2}, timeWait: 42100 * time.Millisecond,
			want: "wait 43 s: the connections in TIME_WAIT end by themselves"},
		"TIME_WAIT beside": {counts: socket.Counts{socket.TimeWait: 2, socket.Connected: 1}, timeWait: time.Second},
	} {
		for _, l := range c.listeners {
			switch {
			case c.counts != (socket.Counts{}):
			case l.State == Listening:
				c.counts[socket.Listening]++
			case l.State == Bound:
				c.counts[socket.Bound]++
			}
		}
		v := Judge(Facts{Port: probe.Port{Number: 417, Proto: probe.TCP}, Sockets: Sockets{Listeners: c.listeners,
			Counts: c.counts, CloseWait: c.closeWait, TimeWait: c.timeWait}})
		completeVerdict(&v)
		if v.Release != c.want {
			t.Errorf("%s: %s, %q, want %q", name, v.Verdict, v.Release, c.want)
		}
	}
}
