package local

import "cmp"

// wordOf is the verdict for a state; what remains of a connection uses the number
// as a connection does.
func wordOf(s state) Word {
	switch s {
	case listening:
		return Listening
	case bound:
		return Bound
	}
	return Connected
}

func newListener(s socket, o owners) Listener {
	l := Listener{
		Proto: s.proto, Address: s.local.Addr(), Port: s.local.Port(), Family: s.family,
		State: wordOf(s.state), Reach: reach(s.local.Addr(), s.looped), Device: s.device, Drops: s.drops,
		Inode: s.inode, Owners: o.of[s.holder], Origin: o.origins[s.holder],
	}
	for _, owner := range l.Owners {
		l.ProxyFor = cmp.Or(l.ProxyFor, served(owner, s.at()))
	}
	if s.queued {
		l.Backlog = &s.backlog
	}
	if s.buffered {
		l.Receive = &s.received
	}
	if s.owned {
		l.UID, l.User = &s.uid, o.users.name(s.uid)
	}
	if s.peer.IsValid() {
		l.Peer = s.peer.String()
	}
	return l
}
