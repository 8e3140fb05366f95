package local

import "cmp"

// words has the verdict for each state; a remainder uses the number as a
// connection does.
var words = [states]Word{Listening, Bound, Connected, Connected}

func (s socket) listener(o owners) Listener {
	l := Listener{
		Proto: s.proto, Address: s.local.Addr(), Port: s.local.Port(), Family: s.family,
		State: words[s.state], Reach: reach(s.local.Addr(), s.looped), Device: s.device, Drops: s.drops,
		Inode: s.inode, Owners: o.of[s.holder], Origin: o.origins[s.holder],
	}
	for _, owner := range l.Owners {
		l.ProxyFor = cmp.Or(l.ProxyFor, owner.serves(s.at()))
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
