package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"onmux/probe"
	"onmux/scan/local"
)

// maxProse is the widest that prose is set on a terminal, in columns.
const maxProse = 80

// explainText tells a port as an answer in one sentence, and below it what is
// known and who says so.
type explainText struct {
	*printer
	told int
}

func (x *explainText) finding(f Finding) {
	p, ok := f.(local.Port)
	if !ok {
		return
	}
	if x.Verbosity == Quiet {
		x.quiet(p)
		return
	}
	if x.told++; x.told > 1 {
		x.put("\n")
	}
	x.fill("", "  ", x.answer(p)+".")
	x.row("here", services(p.Services)...)
	span := p.Range.Span()
	x.row("range", fmt.Sprintf("%s, %d-%d (RFC 6335, section 6)", also(p.Range), span.First, span.Last))
	x.row("binding", x.binding(p)...)
	switch {
	case p.Local != nil && p.Ephemeral != nil:
		x.row("sending", ephemeral(p))
	case p.Reserved != nil && *p.Reserved:
		x.row("sending", "reserved: connections don't leave from this port")
	}
	for i, fact := range p.Story {
		label := ""
		if i == 0 {
			label = "story"
		}
		x.row(label, Visible(fact.Fact)+" "+x.words(x.dim, "["+Visible(fact.Source)+"]"))
	}
}

func (x *explainText) end(End) {}

// sum is nothing: there is nothing to add up.
func (x *explainText) sum(End) string { return "" }

// quiet is a line for each protocol that was asked about: "417/tcp onmux".
func (x *explainText) quiet(p local.Port) {
	for _, proto := range p.Protos {
		name := "-"
		if names := namesOf(p, proto); len(names) > 0 {
			name = Visible(names[0].Name)
		}
		x.put(fmt.Sprintf("%d/%s %s\n", p.Port, proto, name))
	}
}

func namesOf(p local.Port, proto probe.Proto) []local.Name {
	return slices.DeleteFunc(slices.Clone(p.Names), func(n local.Name) bool { return n.Proto != proto })
}

// answer is "417 is onmux (IANA) over TCP and UDP", or of one protocol "512/tcp
// is exec (IANA); 512/udp is comsat (IANA)".
func (x *explainText) answer(p local.Port) string {
	tcp, udp := x.called(p, probe.TCP), x.called(p, probe.UDP)
	said := x.bold(fmt.Sprint(p.Port)) + " "
	switch {
	case len(p.Protos) == 1 && p.Protos[0] == probe.TCP:
		return x.answerOne(p, probe.TCP, tcp, probe.UDP, udp)
	case len(p.Protos) == 1:
		return x.answerOne(p, probe.UDP, udp, probe.TCP, tcp)
	case tcp == udp && len(p.Names) == 0:
		return said + tcp
	case tcp == udp:
		return said + tcp + " over TCP and UDP"
	}
	return said + tcp + " over TCP; over UDP it " + udp
}

// answerOne is about one protocol, and mentions the other where it differs.
func (x *explainText) answerOne(p local.Port, asked probe.Proto, called string, other probe.Proto, otherwise string) string {
	said := x.bold(probe.Port{Number: p.Port, Proto: asked}.String()) + " " + called
	if called != otherwise && len(namesOf(p, other)) > 0 {
		said += "; " + probe.Port{Number: p.Port, Proto: other}.String() + " " + otherwise
	}
	return said
}

// called is "is comsat (IANA) or biff (/etc/services)".
func (x *explainText) called(p local.Port, proto probe.Proto) string {
	var names []string
	for _, n := range namesOf(p, proto) {
		names = append(names, x.good(Visible(n.Name))+" ("+Visible(n.Source)+")")
	}
	if len(names) == 0 {
		return "has no name that is known here"
	}
	return "is " + strings.Join(names, " or ")
}

// services is what the machine's own table says, a row for each of its lines.
func services(s local.Services) []string {
	file := Visible(s.File)
	var rows []string
	for _, l := range s.Lines {
		said := fmt.Sprintf("%s:%d: %s over %s", file, l.Line, Visible(l.Name), strings.ToUpper(Visible(l.Proto)))
		if len(l.Aliases) > 0 {
			said += ", also " + Visible(strings.Join(l.Aliases, " "))
		}
		if l.Comment != "" {
			said += "; it remarks: " + Visible(l.Comment)
		}
		rows = append(rows, said)
	}
	switch {
	case s.Error != "":
		rows = append(rows, file+": "+Visible(s.Error))
	case len(rows) == 0:
		rows = append(rows, file+" does not have it")
	}
	return rows
}

// also is a range with its other name.
func also(r local.Range) string {
	switch r {
	case local.System:
		return "system (well-known)"
	case local.User:
		return "user (registered)"
	}
	return "dynamic (private)"
}

// binding says what it takes to bind the port, and whether the caller has it.
func (x *explainText) binding(p local.Port) []string {
	var rows []string
	switch from := p.LowFrom; {
	case from == nil:
	case int(p.Port) >= *from && *from == 0:
		rows = append(rows, "needs no privilege here (no port does)")
	case int(p.Port) >= *from:
		rows = append(rows, fmt.Sprintf("needs no privilege here (from %d up)", *from))
	default:
		said := fmt.Sprintf("needs root or CAP_NET_BIND_SERVICE here (below %d)", *from)
		switch {
		case p.MayBind == nil:
		case *p.MayBind:
			said += "; " + x.words(x.good, "you have it")
		default:
			said += "; " + x.words(x.warn, "you have it not")
		}
		rows = append(rows, said)
	}
	for _, n := range p.Notes {
		rows = append(rows, Visible(n))
	}
	if len(rows) == 0 {
		rows = append(rows, "what it needs here is not known")
	}
	return rows
}

func ephemeral(p local.Port) string {
	where := fmt.Sprintf("%d-%d", p.Local.First, p.Local.Last)
	switch {
	case !*p.Ephemeral:
		return "not ephemeral: connections leave from " + where
	case p.Reserved != nil && *p.Reserved:
		return "reserved: connections leave from " + where + ", but not from this port"
	}
	return "ephemeral: connections leave from " + where + " and may hold it"
}

// row is a label and what belongs to it, one under the other.
func (x *explainText) row(label string, said ...string) {
	const indent = 11
	under := strings.Repeat(" ", indent)
	for _, s := range said {
		head := under
		if label != "" {
			head = "  " + x.dim(label) + under[2+len(label):]
			label = ""
		}
		x.fill(head, under, s)
	}
}

// words paints each word by itself, so that the colour does not run over the
// end of a line.
func (x *explainText) words(paint func(string) string, s string) string {
	words := strings.Fields(s)
	for i := range words {
		words[i] = paint(words[i])
	}
	return strings.Join(words, " ")
}

// fill writes prose, on a terminal broken at spaces to fit it and no more than
// maxProse; what comes under the first line is indented.
func (x *explainText) fill(head, indent, s string) {
	if x.Width == 0 {
		x.put(head + s + "\n")
		return
	}
	width := min(x.Width, maxProse)
	line, empty := head, true
	for _, word := range strings.Fields(s) {
		if !empty && text.StringWidthWithoutEscSequences(line+" "+word) > width {
			x.line(line)
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	x.line(line)
}
