package text

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"onmux/probe/local"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/record"
)

// The fewest columns of cells that give way when the width is short.
const (
	minOwner = 16
	minPlace = 10
)

// The columns that are cut.
const (
	ownerColumn = 5
	unitColumn  = 6
)

// tableRow is a socket in the table of all ports, or a port without one.
type tableRow struct {
	fixed []span // columns that are never cut
	// who holds it, of which the name may be cut: "nginx" and " (1234 +4)"
	owner, pids string
	more        string // " and 1 other", which goes first
	place       string // unit or container
}

// writeTable writes the ports that were found, a row a socket, and those of other network
// namespaces in one line unless they are asked for.
func (p *portTable) writeTable() {
	var rows []tableRow
	namespaces, elsewhere := make(map[string]bool), 0
	for _, v := range p.verdicts {
		own, others := byNamespace(p.listeners[portOf(v)])
		rows = append(rows, p.tableRows(v, own)...)
		for _, there := range others {
			elsewhere++
			namespaces[there[0].NetNS] = true
			if p.AllNamespaces {
				rows = append(rows, p.tableRows(v, there)...)
			}
		}
		delete(p.listeners, portOf(v))
	}
	p.layOut(rows)
	for _, v := range p.verdicts {
		for _, t := range v.Trace {
			if t.Outcome.Answered() {
				p.line(0, 2, span{portOf(v).String() + " traced: ", maybe}, span{phrase.Visible(t.Text), plain})
			}
		}
	}
	if elsewhere > 0 && !p.AllNamespaces {
		p.line(0, 2, span{"in " + wording.Count(len(namespaces), "other network namespace", "other network namespaces") +
			": ", faint}, span{wording.Count(elsewhere, "port", "ports"), plain},
			span{" (--all-namespaces lists them)", faint})
	}
	if len(p.verdicts) > 0 {
		p.out.WriteByte('\n')
	}
}

// tableRows is a row for each socket of a port in one network namespace; equal ones are
// counted in one. Where nothing listens, as behind a redirect, the row has the verdict.
func (p *portTable) tableRows(v local.Verdict, all []local.Listener) (rows []tableRow) {
	port := span{portOf(v).String(), strong}
	times := make(map[string]int)
	for _, l := range all {
		address := tableAddress(l)
		if l.State != local.Listening {
			address += ", " + phrase.Visible(string(l.State))
		}
		row := tableRow{fixed: []span{port, {address, plain}, {phrase.Visible(l.Reach), plain},
			{phrase.Visible(phrase.FirewallColumn(v, l)), plain}, {"", plain}}}
		if record.Elsewhere(l) {
			row.fixed[4].text = phrase.Visible(l.NetNS)
		}
		row.owner, row.pids, row.more = tableOwner(l)
		row.place = tablePlace(l)
		key := fmt.Sprint(row)
		if times[key]++; times[key] == 1 {
			rows = append(rows, row)
		}
	}
	for i := range rows {
		if n := times[fmt.Sprint(rows[i])]; n > 1 {
			rows[i].fixed[1].text += fmt.Sprintf(" (%s)", wording.Count(n, "socket", "sockets"))
		}
	}
	if len(rows) == 0 && v.Verdict != local.Elsewhere {
		word := string(v.Verdict)
		to := ""
		if len(v.Redirects) > 0 {
			to = phrase.Suffix(" to ", v.Redirects[0].To)
		}
		rows = append(rows, tableRow{
			fixed: []span{port, {phrase.Visible(word + to), tone(word)}, {"", plain}, {"", plain}, {"", plain}}})
	}
	return rows
}

// layOut writes rows below headings. What has no room is cut: first units and containers,
// then owners. Where even that does not fit, each row is a line.
func (p *portTable) layOut(rows []tableRow) {
	if len(rows) == 0 {
		return
	}
	names := []string{"PORT", "ADDRESS", "REACH", "FIREWALL", "NETNS", "OWNER", "UNIT"}
	widths := make([]int, len(names))
	for _, r := range rows {
		for i, text := range r.texts() {
			widths[i] = max(widths[i], phrase.Columns(text))
		}
	}
	room := p.width
	for i, w := range widths {
		if w > 0 {
			widths[i] = max(w, phrase.Columns(names[i]))
			room -= widths[i] + gutter
		}
	}
	room += gutter // behind the last column
	if p.width > 0 && room < 0 {
		place := min(widths[unitColumn], max(minPlace, widths[unitColumn]+room))
		room += widths[unitColumn] - place
		owner := max(minOwner, widths[ownerColumn]+min(room, 0))
		if widths[ownerColumn]-owner+room < 0 {
			p.lines(rows)
			return
		}
		widths[ownerColumn], widths[unitColumn] = owner, place
	}
	head := make([]span, len(names))
	for i, n := range names {
		head[i] = span{n, faint}
	}
	p.row(head, widths)
	for _, r := range rows {
		owner := r.owner + r.pids + r.more
		if phrase.Columns(owner) > widths[ownerColumn] {
			owner = phrase.Clip(r.owner, max(1, widths[ownerColumn]-phrase.Columns(r.pids))) + r.pids
		}
		p.row(append(slices.Clone(r.fixed), span{phrase.Clip(owner, widths[ownerColumn]), plain},
			span{phrase.Clip(r.place, widths[unitColumn]), plain}), widths)
	}
}

func (r tableRow) texts() []string {
	var all []string
	for _, s := range r.fixed {
		all = append(all, s.text)
	}
	return append(all, r.owner+r.pids+r.more, r.place)
}

// row writes cells in columns of those widths, of which 0 is none.
func (p *portTable) row(cells []span, widths []int) {
	gap := 0
	for i, s := range cells {
		if widths[i] == 0 {
			continue
		}
		if s.text != "" {
			p.out.WriteString(phrase.Blanks(gap) + p.paint(s))
			gap = 0
		}
		gap += widths[i] - phrase.Columns(s.text) + gutter
	}
	p.out.WriteByte('\n')
}

// lines writes each row as a line that may go on in the next.
func (p *portTable) lines(rows []tableRow) {
	for _, r := range rows {
		p.line(
			0,
			gutter,
			join(append(slices.Clone(r.fixed), span{r.owner + r.pids + r.more, plain}, span{r.place, plain}))...)
	}
}

// tableAddress is an address and what narrows it, without the port.
func tableAddress(l local.Listener) string {
	text := "*"
	if l.Address.IsValid() {
		text = phrase.Visible(l.Address.String())
	}
	if l.Address.Is6() {
		text = "[" + text + "]"
	}
	if l.Address.IsUnspecified() && l.Family == "ipv6" {
		text += " only"
	}
	if l.Device != "" {
		text += " on " + phrase.Visible(l.Device)
	}
	return text
}

// tableOwner is who holds a socket, or what is known instead.
func tableOwner(l local.Listener) (name, pids, more string) {
	if len(l.Owners) == 0 {
		user := phrase.Visible(l.User)
		if user == "" && l.UID != nil {
			user = "uid " + strconv.FormatUint(uint64(*l.UID), 10)
		}
		return cmp.Or(phrase.Visible(phrase.Guess(l.Origin)), phrase.Suffix("? of ", user), "?"), "", ""
	}
	o := l.Owners[0]
	pids = " (" + strconv.Itoa(o.PID)
	if n := len(o.Workers); n > 0 {
		pids += fmt.Sprintf(" +%d", n)
	}
	pids += ")"
	if n := len(l.Owners) - 1; n > 0 {
		more = " and " + wording.Count(n, "other", "others")
	}
	return cmp.Or(phrase.Visible(o.Name), "?"), pids, more
}

// tablePlace is the unit or the container of a socket.
func tablePlace(l local.Listener) string {
	where := phrase.Where(l.Place)
	if len(l.Owners) > 0 {
		where = cmp.Or(l.Owners[0].SocketUnit, phrase.Where(l.Owners[0].Place), where)
	}
	return phrase.Visible(where)
}
