package local

import (
	"cmp"

	"onmux/probe"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// wordOf is the verdict for a state; what remains of a connection uses the number
// as a connection does.
func wordOf(s socket.State) Word {
	switch s {
	case socket.Listening:
		return Listening
	case socket.Bound:
		return Bound
	}
	return Connected
}

// newListeners is the records of sockets in a network namespace.
func newListeners(sockets []socket.Socket, o owner.Owners, netns string) []Listener {
	all := make([]Listener, len(sockets))
	for i, s := range sockets {
		all[i] = newListener(s, o)
		all[i].NetNS = netns
	}
	return all
}

func newListener(s socket.Socket, o owner.Owners) Listener {
	l := Listener{
		Proto: s.Proto, Address: s.Local.Addr(), Port: s.Local.Port(), Family: s.Family,
		State: wordOf(s.State), Reach: reach(s.Local.Addr(), s.Device.Loopback), Device: s.Device.Name, Drops: s.Drops,
		Inode: s.Inode, Owners: o.Of[s.Holder], Origin: o.Origins[s.Holder],
	}
	for _, owner := range l.Owners {
		l.Proxy = cmp.Or(l.Proxy, owner.ProxyTarget(s.Port()))
	}
	switch q := s.Queue; {
	case !q.Known:
	case s.Proto == probe.TCP:
		l.Backlog = &socket.Backlog{Used: q.Used, Limit: q.Limit}
	default:
		l.Receive = &socket.Buffer{Used: q.Used, Limit: q.Limit}
	}
	if s.HasUID {
		l.UID, l.User = &s.UID, o.Users.Name(s.UID)
	}
	if s.Peer.IsValid() {
		l.Peer = s.Peer.String()
	}
	return l
}
