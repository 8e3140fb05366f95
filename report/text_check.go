package report

import (
	"fmt"
	"strings"

	"onmux/probe"
	"onmux/scan/local"
)

// checkText tells a verdict as a sentence, and the sockets behind it below.
type checkText struct {
	*printer
	verdict *local.Verdict // whose sockets are still coming
	sockets []local.Listener
}

func (c *checkText) finding(f Finding) {
	switch f := f.(type) {
	case local.Verdict:
		c.flush()
		c.verdict = &f
	case local.Listener:
		c.sockets = append(c.sockets, f)
	}
}

func (c *checkText) end(End) { c.flush() }

func (c *checkText) sum(e End) string {
	var words []string
	for _, w := range local.Words() {
		words = append(words, string(w))
	}
	return counted(e.Summary.Targets, "port") + ": " + c.states(words, e.Summary.States)
}

func (c *checkText) flush() {
	v := c.verdict
	if v == nil {
		return
	}
	word := c.paint(string(v.Verdict), string(v.Verdict))
	port := probe.Port{Number: v.Port, Proto: v.Proto}
	if c.Verbosity == Quiet {
		c.put(port.String() + " " + word + "\n")
	} else {
		why := Visible(v.Why)
		if v.Error != "" {
			why += ": " + Visible(v.Error)
		}
		c.wrap("", fmt.Sprintf("%s is %s: %s", c.bold(c.port(port, true)), word, why))
		if len(c.sockets) > 1 || c.Verbosity == Verbose || len(c.sockets) == 1 && rich(c.sockets[0]) {
			c.tell()
		}
	}
	c.verdict, c.sockets = nil, nil
}

// rich reports whether a socket has something to tell beyond the sentence.
func rich(l local.Listener) bool {
	return l.Backlog != nil || l.State == local.Connected || len(l.Owners) > 0
}

func (c *checkText) tell() {
	var rows [][]string
	for _, l := range c.sockets {
		row := []string{Visible(at(l)), l.Family, l.Reach, "", Visible(l.Device), Visible(l.Peer)}
		if l.Backlog != nil {
			row[3] = fmt.Sprintf("%d/%d", l.Backlog.Used, l.Backlog.Limit)
		}
		if len(l.Owners) == 0 {
			rows = append(rows, append(row, "", "", "", ""))
		}
		for i, o := range l.Owners {
			if i > 0 {
				row = make([]string, len(row))
			}
			pid := fmt.Sprint(o.PID)
			if n := len(o.Workers); n > 0 {
				pid += fmt.Sprintf(" +%d", n)
			}
			rows = append(rows, append(row, pid, Visible(o.User), Visible(belongs(o)), Visible(command(o))))
		}
	}
	c.table("  ", []string{"ADDRESS", "FAMILY", "REACH", "QUEUE", "DEVICE", "PEER", "PID", "USER", "UNIT", "COMMAND"}, rows)
	if c.Verbosity == Verbose {
		c.details()
	}
}

// details are the pieces of evidence that have no column.
func (c *checkText) details() {
	for _, l := range c.sockets {
		for _, o := range l.Owners {
			if o.Exe != "" {
				c.wrap("  ", c.dim(fmt.Sprintf("pid %d runs %s", o.PID, Visible(o.Exe))))
			}
			if !o.Started.IsZero() {
				c.wrap("  ", c.dim(fmt.Sprintf("pid %d started %s", o.PID, o.Started.Format("2006-01-02 15:04:05 MST"))))
			}
			if len(o.Workers) > 0 {
				c.wrap("  ", c.dim(fmt.Sprintf("pid %d shares the socket with its workers %s", o.PID, strings.Trim(fmt.Sprint(o.Workers), "[]"))))
			}
		}
	}
}

func at(l local.Listener) string {
	if l.Address.Is6() {
		return fmt.Sprintf("[%s]:%d", l.Address, l.Port)
	}
	return fmt.Sprintf("%s:%d", l.Address, l.Port)
}

// belongs is what runs a process: its container, or its unit.
func belongs(o local.Owner) string {
	if o.Container != "" {
		return "container " + o.Container
	}
	return o.Unit
}

// command is a process as it was started, or its name.
func command(o local.Owner) string {
	if len(o.Cmdline) == 0 {
		return o.Name
	}
	return strings.Join(o.Cmdline, " ")
}
