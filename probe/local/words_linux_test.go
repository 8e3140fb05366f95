package local_test

import (
	"fmt"
	"slices"
	"testing"

	"onmux/probe"
	. "onmux/probe/local"
)

// Where no more than words is needed, nothing is read that cannot change one.
func TestWords(t *testing.T) {
	openSockets(t)
	const settled = "other network namespaces and NAT rules: not looked at, because something listens on every port"
	for name, c := range map[string]struct {
		r     Request
		want  []Word
		brief bool
	}{
		"all listen": {Request{Words: true,
			Ports: []probe.Port{{Number: 4001, Proto: probe.TCP}, {Number: 4001, Proto: probe.UDP}}},
			[]Word{Listening, Listening}, true},
		"one does not": {Request{Words: true,
			Ports: []probe.Port{{Number: 4001, Proto: probe.TCP}, {Number: 4008, Proto: probe.TCP}}}, []Word{Listening, Bound},
			false},
		"one is free": {Request{Words: true,
			Ports: []probe.Port{{Number: 4001, Proto: probe.TCP}, {Number: 4015, Proto: probe.TCP}}}, []Word{Listening, Free},
			false},
		"more is asked": {Request{Ports: []probe.Port{{Number: 4001, Proto: probe.TCP}}}, []Word{Listening}, false},
	} {
		c.r.IPv4, c.r.IPv6 = true, true
		r, err := checked(t.Context(), c.r)
		if err != nil {
			t.Fatal(err)
		}
		var words []Word
		for _, v := range r.Verdicts {
			words = append(words, v.Verdict)
		}
		if !slices.Equal(words, c.want) || slices.Contains(r.Coverage, settled) != c.brief {
			t.Errorf("%s: %q, %q", name, words, r.Coverage)
		}
	}
}

// The words are the same however little else is asked for, of all ports as of those by number.
func TestWordsAreTheSame(t *testing.T) {
	var named []probe.Port
	for _, f := range openSockets(t) {
		named = append(named, f.port)
	}
	for name, r := range map[string]Request{"all": {All: probe.Protos()}, "by number": {Ports: named}} {
		r.IPv4, r.IPv6 = true, true
		words := func(only bool) (words []string) {
			r.Words = only
			seen, err := checked(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range seen.Verdicts {
				words = append(words, fmt.Sprintf("%d/%s %s", v.Port, v.Proto, v.Verdict))
			}
			return words
		}
		if got, want := words(true), words(false); len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %q, with all the rest %q", name, got, want)
		}
	}
}
