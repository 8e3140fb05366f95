package text

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/record"
)

// manyFree is how many free ports have a line each; more are grouped.
const manyFree = 8

// portTable writes what is held on this machine: each port's verdict, and below it the sockets behind it.
type portTable struct {
	*base
	verdicts  []local.Verdict
	listeners map[probe.Port][]local.Listener
	watch     bool // events follow
	found     bool // the ports were found, not asked for: one table has them
}

func (p *portTable) verdict(v local.Verdict) {
	if p.Verbosity == record.Quiet {
		line := []span{{portOf(v).String() + " ", plain}, {phrase.Visible(string(v.Verdict)), tone(string(v.Verdict))}}
		if len(v.Caveats) > 0 { // behind the word, which scripts take for the second field
			line = append(line, span{" (as far as can be seen)", plain})
		}
		p.line(0, 0, line...)
		return
	}
	if p.watch {
		if !p.found {
			word := phrase.Visible(string(v.Verdict))
			p.line(0, 2, span{portOf(v).String(), strong}, span{" is ", plain}, span{word, tone(word)})
		}
		return
	}
	p.verdicts = append(p.verdicts, v)
}

// event writes a socket that began or stopped listening, in one line.
func (p *portTable) event(e local.Event) {
	if p.Verbosity == record.Quiet {
		port := probe.Port{Number: e.Port, Proto: e.Proto}
		p.line(0, 0, span{port.String() + " ", plain}, span{phrase.Visible(string(e.Event)), eventTone(e.Event)})
		return
	}
	at := e.Time.Local().Format(time.TimeOnly) + " "
	text := phrase.Visible(phrase.EventLine(e))
	if p.width > 0 && p.Verbosity == record.Normal {
		text = phrase.Clip(text, max(p.width-len(at), 1))
	}
	p.line(0, 2, span{at, faint}, span{text, eventTone(e.Event)})
}

func eventTone(e local.EventKind) style {
	if e == local.Began {
		return yes
	}
	return no
}

func (p *portTable) listener(l local.Listener) {
	if p.Verbosity == record.Quiet || p.watch {
		return
	}
	if p.listeners == nil {
		p.listeners = make(map[probe.Port][]local.Listener)
	}
	of := probe.Port{Number: l.Port, Proto: l.Proto}
	p.listeners[of] = append(p.listeners[of], l)
}

func portOf(v local.Verdict) probe.Port { return probe.Port{Number: v.Port, Proto: v.Proto} }

// end writes every port, in the order in which they were asked for. What is left
// of the listeners belongs to no verdict, as in a report that was cut off.
func (p *portTable) end() {
	if p.found && p.Verbosity == record.Normal {
		p.writeTable()
		return
	}
	fold := p.folded()
	tables := len(p.listeners) > 0
	for _, v := range p.verdicts {
		if _, done := fold[portOf(v)]; !done {
			p.write(v)
		}
	}
	p.writeFolded(fold)
	for _, port := range slices.SortedFunc(maps.Keys(p.listeners), record.ComparePorts) {
		p.line(0, 2, span{p.named(port) + " has no verdict", maybe})
		p.table(p.listeners[port], "")
	}
	if tables {
		p.out.WriteByte('\n')
	}
}

func (p *portTable) write(v local.Verdict) {
	word := phrase.Visible(string(v.Verdict))
	line := []span{{p.named(portOf(v)), strong}, {" is ", plain}, {word, tone(word)}}
	why := phrase.Suffix(": ", v.Why)
	if v.Verdict == local.Elsewhere { // the port can be bound here
		line[2] = span{"free here", tone(word)}
		why = phrase.Suffix("; ", v.Why)
	}
	if v.Cause != local.BoundNotListed { // then the reason has the error
		why += phrase.Suffix(": ", v.Error)
	}
	p.line(0, 2, append(line, span{phrase.Visible(why), plain})...)
	p.table(p.listeners[portOf(v)], v.Verdict)
	for _, t := range v.Trace {
		if !v.ByAnswers() || !t.Outcome.Answered() { // else the reason has it
			p.line(2, 4, span{"traced: ", maybe}, span{phrase.Visible(t.Text), plain})
		}
	}
	if v.Release != "" {
		p.line(2, 4, span{"to free it: ", maybe}, span{phrase.Visible(v.Release), plain})
	}
	for i, b := range v.Bind {
		head := "to bind it: "
		if i >= len(v.Bind)-v.Tried {
			head = "tried: "
		}
		p.line(2, 4, span{head, maybe}, span{phrase.Visible(b), plain})
	}
	delete(p.listeners, portOf(v))
}

// folded is the free ports, if they are many and nobody asked for everything.
func (p *portTable) folded() map[probe.Port]string {
	free := make(map[probe.Port]string) // with their caveats
	for _, v := range p.verdicts {
		if v.Verdict == local.Free && v.Error == "" && len(p.listeners[portOf(v)]) == 0 {
			free[portOf(v)] = strings.Join(v.Caveats, "; ")
		}
	}
	if len(free) <= manyFree || p.Verbosity == record.Verbose {
		return nil
	}
	return free
}

func (p *portTable) writeFolded(free map[probe.Port]string) {
	for _, proto := range probe.Protos() {
		numbers := make(map[string][]uint16) // by caveats
		for port, caveats := range free {
			if port.Proto == proto {
				numbers[caveats] = append(numbers[caveats], port.Number)
			}
		}
		for _, caveats := range slices.Sorted(maps.Keys(numbers)) {
			of := slices.Sorted(slices.Values(numbers[caveats]))
			line := []span{{proto.String() + " " + strings.ReplaceAll(phrase.Ranges(of), ",", ", "), strong},
				{" " + isAre(len(of)) + " ", plain}, {string(local.Free), no}}
			if caveats != "" {
				line = append(line, span{", as far as can be seen: " + phrase.Visible(caveats), plain})
			}
			p.line(0, 2, line...)
		}
	}
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// named is "417/tcp (onmux)".
func (p *portTable) named(port probe.Port) string {
	if p.PortName != nil {
		if name := p.PortName(port); name != "" {
			return fmt.Sprintf("%s (%s)", port, phrase.Visible(name))
		}
	}
	return port.String()
}

// table writes the sockets of a port, those of the caller's own network namespace
// first. Those of others have addresses that are not this machine's: they stand
// apart, below the name of theirs.
func (p *portTable) table(all []local.Listener, verdict local.Word) {
	own, others := byNamespace(all)
	p.sockets(2, own, verdict)
	if verdict != "" {
		verdict = local.Listening
	}
	for _, there := range others {
		p.line(2, 4, span{"in network namespace ", faint}, span{phrase.Visible(there[0].NetNS), strong},
			span{", which has its own addresses:", faint})
		p.sockets(4, there, verdict)
	}
	if p.Verbosity == record.Verbose {
		for _, l := range all {
			p.detail(l)
		}
	}
}

// Columns of a command line: in a table without a width, and as evidence.
const (
	maxProcess     = 200
	maxCommandLine = 400
)

// sockets is a table of sockets, a line for each owner.
func (p *portTable) sockets(indent int, all []local.Listener, verdict local.Word) {
	if len(all) == 0 {
		return
	}
	headings := []heading{{name: "ADDRESS", soft: true}, {name: "FAMILY"}, {name: "REACH"},
		{name: "BACKLOG", right: true}, {name: "USER"}, {name: "PID", right: true}, {name: "PROCESS"}}
	var rows [][]span
	for _, l := range all {
		rows = append(rows, p.rows(l, verdict)...)
	}
	headings, rows = occupied(headings, rows)
	// One line a process; more of it is evidence (-v).
	last, room := len(headings)-1, maxProcess
	if p.width > 0 {
		if room = p.last(indent, headings, soften(headings, rows)); room < narrowed {
			room = max(p.width-indent-2, narrowed)
		}
	}
	for _, row := range rows {
		row[last].text = phrase.Clip(row[last].text, room)
	}
	p.grid(indent, headings, rows)
}

func (p *portTable) rows(l local.Listener, verdict local.Word) [][]span {
	backlog := ""
	if l.Backlog != nil {
		backlog = fmt.Sprintf("%d/%d", l.Backlog.Used, l.Backlog.Limit)
	}
	user := ""
	if user = phrase.Visible(l.User); user == "" && l.UID != nil {
		user = "uid " + strconv.FormatUint(uint64(*l.UID), 10)
	}
	head := []span{{phrase.Socket(l, verdict), plain}, {phrase.Visible(l.Family), plain},
		{phrase.Visible(l.Reach), plain}, {backlog, plain}}
	if len(l.Owners) == 0 {
		process := cmp.Or(phrase.Visible(phrase.Guess(l.Origin)), "not visible")
		return [][]span{append(head, span{user, plain}, span{"?", faint}, span{process, faint})}
	}
	var rows [][]span
	for _, o := range l.Owners {
		pid := strconv.Itoa(o.PID)
		if n := len(o.Workers); n > 0 {
			pid += fmt.Sprintf(" +%d", n)
		}
		rows = append(rows, append(head, span{cmp.Or(phrase.Visible(o.User), user), plain}, span{pid, plain},
			span{p.process(o), plain}))
		head = make([]span, len(head)) // what the owners share stands once
	}
	return rows
}

// process is what an owner runs: its command line, or else its name. Where the
// width is limited, the folder of the program gives way.
func (p *portTable) process(o owner.Owner) string {
	args := slices.Clone(o.Cmdline)
	if len(args) > 1 && p.width > 0 && strings.HasPrefix(args[0], "/") {
		args[0] = path.Base(args[0])
	}
	return cmp.Or(phrase.CommandLine(args), phrase.Visible(o.Name), phrase.Visible(o.Exe), "?")
}

// detail writes what has no place in the table.
func (p *portTable) detail(l local.Listener) {
	socket := []string{}
	if l.Inode > 0 {
		socket = append(socket, "inode "+strconv.FormatUint(l.Inode, 10))
	}
	if where := phrase.Where(l.Place); where != "" {
		socket = append(socket, "made in "+phrase.Visible(where))
	}
	if r := l.Receive; r != nil {
		socket = append(socket, fmt.Sprintf("receive buffer %s of %s bytes", wording.Number(uint64(r.Used)),
			wording.Number(uint64(r.Limit))))
	}
	if l.Drops > 0 {
		socket = append(socket, wording.Number(uint64(l.Drops))+" dropped")
	}
	if len(l.Groups) > 0 {
		socket = append(socket, "may receive what is sent to "+phrase.Visible(strings.Join(l.Groups, "; ")))
	}
	if len(socket) > 0 {
		p.line(2, 4, span{phrase.SocketAddress(l) + ": " + strings.Join(socket, ", "), faint})
	}
	if len(l.Candidates) > 0 {
		p.line(2, 4, span{phrase.SocketAddress(l) + ": may be held by " + phrase.Candidates(l.Origin), faint})
	}
	for _, o := range l.Owners {
		about := phrase.Owner(o)
		if line := phrase.CommandLine(o.Cmdline); phrase.Columns(line) > maxCommandLine {
			about = append(about, "started as "+phrase.Clip(line, maxCommandLine)+" (json has more)")
		} else if line != "" && (p.width > 0 || phrase.Columns(line) > maxProcess) {
			about = append(about, "started as "+line)
		}
		if len(about) > 0 {
			p.line(2, 4, span{fmt.Sprintf("pid %d: %s", o.PID, strings.Join(about, ", ")), faint})
		}
	}
}

// occupied leaves out the columns in which nothing stands.
func occupied(headings []heading, rows [][]span) ([]heading, [][]span) {
	var keep []int
	for i := range headings {
		if slices.ContainsFunc(rows, func(row []span) bool { return row[i].text != "" }) {
			keep = append(keep, i)
		}
	}
	var heads []heading
	for _, i := range keep {
		heads = append(heads, headings[i])
	}
	out := make([][]span, len(rows))
	for r, row := range rows {
		for _, i := range keep {
			out[r] = append(out[r], row[i])
		}
	}
	return heads, out
}

// byNamespace separates the sockets of the caller's own namespace from those of
// others, which are grouped by theirs in the order in which they came.
func byNamespace(all []local.Listener) (own []local.Listener, others [][]local.Listener) {
	at := make(map[string]int)
	for _, l := range all {
		if !record.Elsewhere(l) {
			own = append(own, l)
			continue
		}
		i, known := at[l.NetNS]
		if !known {
			i = len(others)
			at[l.NetNS] = i
			others = append(others, nil)
		}
		others[i] = append(others[i], l)
	}
	return own, others
}
