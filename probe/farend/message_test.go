package farend

import (
	"bytes"
	"net/netip"
	"testing"
)

var (
	client = netip.MustParseAddrPort("192.0.2.7:51234")
	server = netip.MustParseAddrPort("[2001:db8::1]:417")
)

func TestMessage(t *testing.T) {
	k := NewKey("secret")
	for _, m := range []Message{
		{Kind: Question, Session: 1, Seq: 2, PadAnswer: true},
		{Kind: Question, Session: 1, Seq: 2, Uncounted: true},
		{Kind: Answer, Session: 1<<63 + 9, Seq: 7, Arrived: 8, Reordered: 3, Duplicated: 2, Length: 1472, TTL: 61,
			Client: client, Server: server},
	} {
		for _, size := range []int{0, Size, Size + 1, 1472} {
			b := k.Append(nil, m, size)
			if len(b) != max(size, Size) {
				t.Errorf("%d bytes, want %d", len(b), size)
			}
			if got, ok := k.Parse(b); !ok || got != m {
				t.Errorf("%+v, %t; want %+v", got, ok, m)
			}
			if _, ok := NewKey("other").Parse(b); ok {
				t.Error("another key parses it")
			}
			for i := range b { // no bit of it is left unprotected
				b[i] ^= 1
				if _, ok := k.Parse(b); ok {
					t.Errorf("byte %d may be changed", i)
				}
				b[i] ^= 1
			}
			if _, ok := k.Parse(b[:len(b)-1]); ok {
				t.Error("a part of it parses")
			}
		}
	}
}

// Answers are never longer than questions, and only questions of the key have any.
func FuzzAnswer(f *testing.F) {
	k := NewKey("secret")
	f.Add([]byte{})
	f.Add(k.Append(nil, Message{Kind: Question}, 0))
	f.Add(k.Append(nil, Message{Kind: Question, PadAnswer: true, Seq: 1 << 31}, 1200))
	f.Add(k.Append(nil, Message{Kind: Answer}, 0))
	r := NewResponder(k)
	f.Fuzz(func(t *testing.T, b []byte) {
		question := bytes.Clone(b)
		answer, ok := r.Answer(nil, b, client, server, 64)
		if m, mine := k.Parse(question); ok != (mine && m.Kind == Question) || len(answer) > len(question) {
			t.Errorf("%d bytes answer %d, %t", len(answer), len(question), ok)
		}
	})
}

func TestCounts(t *testing.T) {
	for _, tt := range []struct {
		seq                            []uint32
		arrived, reordered, duplicated uint32
	}{
		{[]uint32{0, 1, 2}, 3, 0, 0},
		{[]uint32{5, 7, 6, 6}, 3, 1, 1},
		{[]uint32{0, 0, 0}, 1, 0, 2},
		{[]uint32{0, window, 0}, 2, 0, 0}, // too old to know
		{[]uint32{0, window - 1, 0}, 2, 0, 1},
		{[]uint32{0, window, 1, 1}, 3, 1, 1},
		{[]uint32{3, 1 << 30, 3 + 1<<30, 1 + 1<<30}, 4, 1, 0},
	} {
		r, k := NewResponder(NewKey("")), NewKey("")
		ask := func(m Message) Message {
			m.Kind, m.Session = Question, 4
			b, _ := r.Answer(nil, k.Append(nil, m, 0), client, server, 0)
			answer, _ := k.Parse(b)
			return answer
		}
		for _, n := range tt.seq {
			ask(Message{Seq: n})
		}
		last := ask(Message{Uncounted: true})
		if last.Arrived != tt.arrived || last.Reordered != tt.reordered || last.Duplicated != tt.duplicated {
			t.Errorf("%v: %d, %d, %d", tt.seq, last.Arrived, last.Reordered, last.Duplicated)
		}
	}
}

// However many sessions there are, the memory for them is bounded.
func TestSessionsBounded(t *testing.T) {
	k := NewKey("")
	r := NewResponder(k)
	for n := range uint64(3 * maxSessions) {
		r.Answer(nil, k.Append(nil, Message{Kind: Question, Session: n}, 0), client, server, 0)
	}
	if n := r.sessions.Len(); n != maxSessions {
		t.Errorf("%d sessions", n)
	}
}
