package local

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// Bounds of a walk.
const (
	maxDepth = 16      // of jumps, as in the kernel (NFT_JUMP_STACK_SIZE)
	maxSteps = 1 << 21 // expressions and elements of sets, for all walks together
	maxFound = 4096
	maxAsks  = 4 // conditions that are told
)

// sent is what a rule does to some ports.
type sent struct {
	family nftFamily
	proto  probe.Proto
	hook   uint32
	ports  spans
	addrs  []string // of this machine, if not all
	asks   []string
	to     string // "" if that could not be read
	by     string
}

// walk follows the rules for the first packet of a connection to this machine:
// what may become of it, by port and by address.
type walk struct {
	ctx    context.Context
	rules  *natRules
	proto  probe.Proto
	family nftFamily
	hook   uint32
	own    []netip.Addr // at most 64
	all    uint64       // a bit for each of them
	table  string
	found  []sent
}

// packets is those that a rule looks at.
type packets struct {
	ports spans
	addrs uint64
	asks  []string // what else was asked on the way
	regs  registers
}

// frame is a chain that is being walked.
type frame struct {
	chain  string
	live   packets // what has come this far
	parent *frame
	depth  int
}

// chains walks the base chains of one hook, in the kernel's order.
func (w *walk) chains(bases []natChain) {
	hook := &frame{live: packets{ports: everyPort(), addrs: w.all}}
	for _, c := range bases {
		if c.hook == w.hook && (c.family == w.family || c.family == unix.NFPROTO_INET) {
			w.table = tableOf(c)
			w.chain(hook, c.name, hook.live)
		}
	}
}

func tableOf(c natChain) string { return c.family.String() + " " + c.table }

func (w *walk) chain(parent *frame, name string, p packets) {
	f := &frame{chain: name, live: p, parent: parent, depth: parent.depth + 1}
	if f.depth > maxDepth {
		w.rules.cut = true
		return
	}
	for _, rule := range w.rules.of[w.table+" "+name] {
		if f.live.none() {
			return
		}
		p := f.live
		p.regs = registers{}
		w.rule(f, rule, p)
	}
}

func (p packets) none() bool { return len(p.ports) == 0 || p.addrs == 0 }

// rule takes packets through what is left of a rule.
func (w *walk) rule(f *frame, steps []step, p packets) {
	for i, s := range steps {
		if !w.rules.spend(w.ctx, 1) {
			return
		}
		d := demand{addrs: w.all}
		switch s.op {
		case opLoad:
			p.regs.load(s, w)
		case opSet:
			for j := range s.a {
				p.regs[s.to+j] = constant(s.a, j)
			}
			for j := s.to + len(s.a); j%4 != 0; j++ {
				p.regs[j] = cell{of: fromConstant}
			}
		case opMask:
			masked := p.regs
			for j := range s.n {
				masked[s.to+j] = p.regs[s.at+j].and(s.a[j], s.b[j])
			}
			p.regs = masked
		case opForget:
			for j := range p.regs {
				p.regs[j] = cell{mask: 0xff}
			}
		case opCompare:
			d = w.between(&p.regs, s.at, s.a, s.b, true)
			if s.invert {
				d = w.not(d)
			}
		case opPorts:
			d.ports = newSpans(s.ports)
			if s.invert {
				d.ports = d.ports.not()
			}
			d.never = len(d.ports) == 0
		case opOnly:
			d.hint = s.name
		case opLookup:
			w.lookup(f, s, steps[i+1:], p)
			return
		case opVerdict:
			w.decide(f, s.verdict, p)
			return
		case opSend, opNAT, opUnread:
			w.send(f, s, p)
			return
		}
		if p = p.and(d); p.none() {
			return
		}
	}
}

func (p packets) and(d demand) packets {
	switch {
	case d.never:
		p.ports = nil
	case d.ports != nil:
		p.ports = p.ports.and(d.ports)
	}
	p.addrs &= d.addrs
	if d.hint != "" && !slices.Contains(p.asks, d.hint) {
		p.asks = append(slices.Clip(p.asks), d.hint)
	}
	return p
}

// decide follows a verdict.
func (w *walk) decide(f *frame, v verdict, p packets) {
	switch v.code {
	case nfAccept: // ends this base chain
		for ; f.parent != nil; f = f.parent {
			f.live.less(p)
		}
	case nfDrop:
		f.end(p)
	case nftReturn:
		f.live.less(p)
	case nftJump, nftGoto:
		w.chain(f, v.chain, p)
		if v.code == nftGoto {
			f.live.less(p)
		}
	}
}

// end says that nothing more happens to packets.
func (f *frame) end(p packets) {
	for ; f != nil; f = f.parent {
		f.live.less(p)
	}
}

// less takes packets away, if it is sure that they are gone, and can be told.
func (p *packets) less(gone packets) {
	switch {
	case len(gone.asks) > len(p.asks): // perhaps not all of them
	case p.addrs&^gone.addrs == 0:
		p.ports = p.ports.and(gone.ports.not())
	case p.ports.within(gone.ports):
		p.addrs &^= gone.addrs
	}
}

// send notes where packets are sent.
func (w *walk) send(f *frame, s step, p packets) {
	to, away := w.target(s, p)
	if away && len(w.found) < maxFound {
		w.found = append(w.found, sent{
			family: w.family, proto: w.proto, hook: w.hook, ports: p.ports, addrs: w.names(p.addrs),
			asks: slices.Clone(p.asks[:min(len(p.asks), maxAsks)]), to: to, by: w.by(f),
		})
	}
	w.rules.cut = w.rules.cut || len(w.found) == maxFound
	if s.op == opUnread {
		p.asks = append(slices.Clip(p.asks), s.name) // it may do nothing
	}
	f.end(p)
}

// names tells the own addresses that are meant; nil if it is all.
func (w *walk) names(addrs uint64) []string {
	if addrs == w.all {
		return nil
	}
	var names []string
	for i, a := range w.own {
		if addrs>>i&1 == 1 {
			names = append(names, a.String())
		}
	}
	return names
}

// target names where a step sends packets; false if they stay where they are.
func (w *walk) target(s step, p packets) (string, bool) {
	if s.op == opUnread {
		return "", true
	}
	addr, ports := s.addr, s.ports
	known := true
	if s.op == opNAT {
		ports = nil
		if s.to >= 0 {
			first, ok1 := p.regs.constant(s.to, 2)
			last, ok2 := p.regs.constant(s.max, 2)
			if ports = []Span{{}}; ok1 && ok2 {
				ports = []Span{{binary.BigEndian.Uint16(first), binary.BigEndian.Uint16(last)}}
			}
		}
		if s.at >= 0 {
			var b []byte
			b, known = p.regs.constant(s.at, s.n)
			addr, _ = netip.AddrFromSlice(b)
		}
	}
	port := ""
	if len(ports) == 1 {
		port = portName(ports[0])
	}
	switch {
	case !known:
		return "an address that is not told here", true
	case !addr.IsValid():
		same := len(p.ports) == 1 && p.ports[0].First == p.ports[0].Last && len(ports) == 1 && ports[0] == p.ports[0]
		return "port " + port, port != "" && !same
	case port == "":
		return addr.String() + " (same port)", true
	case addr.Is6():
		return "[" + addr.String() + "]:" + port, true
	}
	return addr.String() + ":" + port, true
}

func portName(s Span) string {
	switch {
	case s == Span{}:
		return "a port that is not told here"
	case s.First == s.Last:
		return fmt.Sprint(s.First)
	}
	return fmt.Sprintf("%d-%d", s.First, s.Last)
}

// constant is the value of registers; false if it is not known.
func (r *registers) constant(at, n int) ([]byte, bool) {
	b := make([]byte, n)
	for i := range n {
		if r[at+i].of != fromConstant {
			return b, false
		}
		b[i] = r[at+i].flip
	}
	return b, true
}

// by names the rule that a chain holds, and who makes chains of such names.
func (w *walk) by(f *frame) string {
	who := "an nftables rule"
	for g := f; g.parent != nil; g = g.parent {
		for _, m := range makers() {
			if strings.HasPrefix(g.chain, m.prefix) || strings.HasSuffix(w.table, " "+m.table) {
				who = m.who
			}
		}
	}
	return fmt.Sprintf("%s (table %s, chain %s)", who, printable(w.table), printable(f.chain))
}

type maker struct{ prefix, table, who string }

// makers are programs that make rules in chains or tables of their own names.
func makers() []maker {
	return []maker{
		{"DOCKER", "docker-bridges", "Docker's rule"},
		{"KUBE-", "kube-proxy", "kube-proxy's rule"},
		{"CNI-", "cni_hostport", "a CNI plugin's rule"},
		{"NETAVARK-", "netavark", "Podman's rule"},
	}
}
