package text

import (
	"fmt"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/ports"
	"onmux/report/phrase"
	"onmux/report/record"
)

// Prose is easier to read in lines that are not too long, and labels stand
// before it in a column of their own.
const (
	maxProse = 80
	labels   = 11
)

// explanations writes what is known about ports.
type explanations struct {
	*base
	some bool // a port was written: a blank line stands before the next
}

// explain writes an answer in one sentence, and below it what is known about the port, with its sources.
func (t *explanations) explain(p ports.Info) {
	if t.Verbosity == record.Quiet {
		t.explainQuietly(p)
		return
	}
	if t.some {
		t.out.WriteByte('\n')
	}
	t.some = true
	defer func(width int) { t.width = width }(t.width)
	t.width = min(t.width, maxProse)

	t.line(0, 2, append(answer(p), span{".", plain})...)
	t.explainServices(p.Services)
	at := p.Range.Span()
	t.labelled("range", span{fmt.Sprintf("%s, %d-%d (RFC%s6335, section%s6)", bothNames(p.Range), at.First, at.Last,
		phrase.NoBreak, phrase.NoBreak), plain})
	t.explainBinding(p)
	if s := ephemeral(p); s != "" {
		t.labelled("sending", span{s, plain})
	}
	label := "history"
	for _, f := range p.History {
		t.labelled(label, span{phrase.Visible(f.Fact) + " ", plain}, span{"[" + phrase.Visible(f.Source) + "]", faint})
		label = ""
	}
}

// labelled is what belongs to a label, or to the one above.
func (t *explanations) labelled(label string, text ...span) {
	if label == "" {
		t.line(labels, labels, text...)
		return
	}
	t.line(2, labels, append([]span{{phrase.Pad(label, labels-2), faint}}, text...)...)
}

// explainQuietly is a line for each protocol that was asked about: "417/tcp onmux".
func (t *explanations) explainQuietly(p ports.Info) {
	for _, proto := range p.Protos {
		name := "-"
		if names := namesOf(p, proto); len(names) > 0 {
			name = phrase.Visible(names[0].Name)
		}
		t.line(0, 0, span{fmt.Sprintf("%d/%s ", p.Port, proto), plain}, span{name, yes})
	}
}

func namesOf(p ports.Info, proto probe.Proto) []ports.Name {
	return slices.DeleteFunc(slices.Clone(p.Names), func(n ports.Name) bool { return n.Proto != proto })
}

// answer is "417 is onmux (IANA) over TCP and UDP", or of one protocol "512/tcp
// is exec (IANA); 512/udp is comsat (IANA)".
func answer(p ports.Info) []span {
	tcp, udp := called(p, probe.TCP), called(p, probe.UDP)
	head := []span{{fmt.Sprint(p.Port), strong}, {" ", plain}}
	switch {
	case len(p.Protos) == 1 && p.Protos[0] == probe.TCP:
		return answerOne(p, probe.TCP, tcp, probe.UDP, udp)
	case len(p.Protos) == 1:
		return answerOne(p, probe.UDP, udp, probe.TCP, tcp)
	case slices.Equal(tcp, udp) && len(p.Names) == 0:
		return append(head, tcp...)
	case slices.Equal(tcp, udp):
		return append(append(head, tcp...), span{" over TCP and" + phrase.NoBreak + "UDP", plain})
	}
	return slices.Concat(head, tcp, []span{{" over" + phrase.NoBreak + "TCP; over" + phrase.NoBreak + "UDP it ",
		plain}}, udp)
}

// answerOne is about one protocol, and mentions the other where it differs.
func answerOne(p ports.Info, asked probe.Proto, name []span, other probe.Proto, otherwise []span) []span {
	spans := append([]span{{probe.Port{Number: p.Port, Proto: asked}.String(), strong}, {" ", plain}}, name...)
	if slices.Equal(name, otherwise) || len(namesOf(p, other)) == 0 {
		return spans
	}
	return append(append(spans, span{fmt.Sprintf("; %d/%s ", p.Port, other), plain}), otherwise...)
}

// called is "is comsat (IANA) or biff (/etc/services)".
func called(p ports.Info, proto probe.Proto) []span {
	spans := []span{{"is ", plain}}
	for i, n := range namesOf(p, proto) {
		if i > 0 {
			spans = append(spans, span{" or ", plain})
		}
		spans = append(spans, span{phrase.Visible(n.Name), yes}, span{" (" + phrase.Visible(n.Source) + ")", plain})
	}
	if len(spans) == 1 {
		return []span{{"has no name that is known here", plain}}
	}
	return spans
}

// explainServices writes each line of the machine's own table.
func (t *explanations) explainServices(s ports.Services) {
	file, label := phrase.Visible(s.File), "here"
	for _, l := range s.Lines {
		line := fmt.Sprintf("%s:%d: %s over %s", file, l.Line, phrase.Visible(l.Name),
			phrase.Visible(strings.ToUpper(l.Proto)))
		if len(l.Aliases) > 0 {
			line += ", also " + phrase.Visible(strings.Join(l.Aliases, " "))
		}
		if l.Comment != "" {
			line += "; comment: " + phrase.Visible(l.Comment)
		}
		t.labelled(label, span{line, plain})
		label = ""
	}
	switch {
	case s.Error != "":
		t.labelled(label, span{file + ": ", plain}, span{phrase.Visible(s.Error), maybe})
	case len(s.Lines) == 0:
		t.labelled(label, span{file + " does not have it", plain})
	}
}

// bothNames is a range with its other name.
func bothNames(r ports.Range) string {
	switch r {
	case ports.System:
		return "system (well-known)"
	case ports.User:
		return "user (registered)"
	}
	return "dynamic (private)"
}

// explainBinding writes what is needed to bind the port, and whether the caller
// has it.
func (t *explanations) explainBinding(p ports.Info) {
	label := "binding"
	if p.UnprivilegedFrom != nil {
		t.labelled(label, binding(p, *p.UnprivilegedFrom)...)
		label = ""
	}
	for _, n := range p.Notes {
		t.labelled(label, span{phrase.Visible(n), plain})
		label = ""
	}
	if label != "" {
		t.labelled(label, span{"what it needs here is not known", plain})
	}
}

func binding(p ports.Info, from int) []span {
	switch {
	case from == 0:
		return []span{{"needs no privilege here (no port does)", plain}}
	case int(p.Port) >= from:
		return []span{{fmt.Sprintf("needs no privilege here (from %d up)", from), plain}}
	}
	spans := []span{{fmt.Sprintf("needs root or CAP_NET_BIND_SERVICE here (below%s%d)", phrase.NoBreak, from), plain}}
	switch {
	case p.MayBind == nil:
		return spans
	case *p.MayBind:
		return append(spans, span{"; ", plain}, span{"you have it", yes})
	}
	return append(spans, span{"; ", plain}, span{"you do not have it", maybe})
}

// ephemeral is whether connections may leave from the port, or "".
func ephemeral(p ports.Info) string {
	reserved := p.Reserved != nil && *p.Reserved
	if p.EphemeralRange == nil || p.Ephemeral == nil {
		if reserved {
			return "reserved: connections don't leave from this port"
		}
		return ""
	}
	from := fmt.Sprintf("connections leave from %d-%d", p.EphemeralRange.First, p.EphemeralRange.Last)
	switch {
	case !*p.Ephemeral:
		return "not ephemeral: " + from
	case reserved:
		return "reserved: " + from + ", but not from this port"
	}
	return "ephemeral: " + from + " and may hold it"
}
