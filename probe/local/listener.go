package local

import (
	"cmp"

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
		State: wordOf(s.State), Reach: reach(s.Local.Addr(), s.OnLoopback), Device: s.Device, Drops: s.Drops,
		Inode: s.Inode, Owners: o.Of[s.Holder], Origin: o.Origins[s.Holder],
	}
	for _, owner := range l.Owners {
		l.Proxy = cmp.Or(l.Proxy, owner.ProxyTarget(s.Port()))
	}
	if s.HasBacklog {
		l.Backlog = &s.Backlog
	}
	if s.HasReceive {
		l.Receive = &s.Receive
	}
	if s.HasUID {
		l.UID, l.User = &s.UID, o.Users.Name(s.UID)
	}
	if s.Peer.IsValid() {
		l.Peer = s.Peer.String()
	}
	return l
}
