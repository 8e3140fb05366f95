package report

import (
	"fmt"
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
	x.wrap("", x.bold(fmt.Sprint(p.Port))+" "+x.answer(p)+".")
	x.row("here", services(p.Services)...)
	span := p.Range.Span()
	x.row("range", fmt.Sprintf("%s, %d-%d (RFC 6335, section 6)", also(p.Range), span.First, span.Last))
	x.row("binding", x.binding(p)...)
	if p.Local != nil && p.Ephemeral != nil {
		x.row("sending", ephemeral(p))
	}
	if p.Reserved != nil && *p.Reserved {
		x.row("reserved", "no connection gets it here by itself (ip_local_reserved_ports)")
	}
	for i, fact := range p.Story {
		label := ""
		if i == 0 {
			label = "story"
		}
		x.row(label, Visible(fact.Fact)+" "+x.dim("["+Visible(fact.Source)+"]"))
	}
}

func (x *explainText) end(End) {}

// sum is nothing: there is nothing to add up.
func (x *explainText) sum(End) string { return "" }

// quiet is a line for each protocol that was asked about: "417/tcp onmux".
func (x *explainText) quiet(p local.Port) {
	for _, proto := range p.Protos {
		name := "-"
		for _, n := range p.Names {
			if n.Proto == proto {
				name = Visible(n.Name)
				break
			}
		}
		x.put(fmt.Sprintf("%d/%s %s\n", p.Port, proto, name))
	}
}

// answer is "is onmux over TCP and UDP (IANA)".
func (x *explainText) answer(p local.Port) string {
	var names []string // in the order of the protocols, each once
	protos := make(map[string][]string)
	source := ""
	for _, n := range p.Names {
		name := Visible(n.Name)
		if protos[name] == nil {
			names = append(names, name)
		}
		protos[name] = append(protos[name], strings.ToUpper(n.Proto.String()))
		source = Visible(n.Source)
	}
	if len(names) == 0 {
		return "has no name that is known here, over TCP or UDP"
	}
	var parts []string
	for _, name := range names {
		parts = append(parts, x.good(name)+" over "+strings.Join(protos[name], " and "))
	}
	said := "is " + strings.Join(parts, ", and ") + " (" + source + ")"
	for _, proto := range p.Protos {
		if port := (probe.Port{Number: p.Port, Proto: proto}); !named(p, proto) {
			said += fmt.Sprintf("; %s has no name that is known here", port)
		}
	}
	return said
}

func named(p local.Port, proto probe.Proto) bool {
	for _, n := range p.Names {
		if n.Proto == proto {
			return true
		}
	}
	return false
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
	return "dynamic (private), never registered"
}

// binding says what it takes to bind the port, and whether the caller has it.
func (x *explainText) binding(p local.Port) []string {
	var rows []string
	switch from := p.LowFrom; {
	case from == nil:
	case int(p.Port) >= *from && *from == 0:
		rows = append(rows, "takes no privilege here, as no port does")
	case int(p.Port) >= *from:
		rows = append(rows, fmt.Sprintf("takes no privilege here, as from %d up", *from))
	default:
		said := fmt.Sprintf("takes root or CAP_NET_BIND_SERVICE here, as below %d", *from)
		switch {
		case p.MayBind == nil:
		case *p.MayBind:
			said += "; " + x.good("you have it")
		default:
			said += "; " + x.warn("you have not")
		}
		rows = append(rows, said)
	}
	for _, n := range p.Notes {
		rows = append(rows, Visible(n))
	}
	if len(rows) == 0 {
		rows = append(rows, "what it takes here is not known")
	}
	return rows
}

func ephemeral(p local.Port) string {
	where := fmt.Sprintf("%d-%d", p.Local.First, p.Local.Last)
	switch {
	case !*p.Ephemeral:
		return "never by itself: connections leave from " + where
	case p.Reserved != nil && *p.Reserved:
		return "connections leave from " + where + ", but not from this port: it is reserved"
	}
	return "connections leave from " + where + ": one may hold this port when a server wants it"
}

// row is a label and what belongs to it, one under the other, wrapped.
func (x *explainText) row(label string, said ...string) {
	const indent = 11
	for _, s := range said {
		if x.Width > 0 {
			room := max(min(x.Width, maxProse)-indent, 20)
			s = strings.Join(trimmed(text.WrapSoft(s, room)), "\n"+strings.Repeat(" ", indent))
		}
		x.put("  " + x.dim(text.Pad(label, indent-2, ' ')) + s + "\n")
		label = ""
	}
}

func trimmed(s string) []string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}
