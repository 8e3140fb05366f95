package checkpoint

import (
	"bufio"
	"compress/flate"
	"io"
	"strings"
	"unicode"

	"onmux/probe"
	"onmux/scan/target"
	"onmux/scan/varint"
	"onmux/scan/verdict"
)

// A Part is what is known in the end of the endpoints of a segment, which begins at the position
// From of a scan's order.
type Part struct {
	From    uint64
	Cells   []verdict.Cell // by position; not condensed
	Remarks []Remark       // in the order of positions
	Answers []Answer       // of open endpoints, and of others whose answer was kept
}

// Remark is what is known beside the cells of the endpoints at the positions From up to and
// without To.
type Remark struct {
	From, To uint64
	Doubt    probe.DoubtKind
	Error    string // why the state is unknown
}

// Remark adds what is known of the endpoint at a position, which is after those before.
func (p *Part) Remark(at uint64, doubt probe.DoubtKind, why string) {
	if doubt == "" && why == "" {
		return
	}
	if n := len(p.Remarks); n > 0 {
		if last := &p.Remarks[n-1]; last.To == at && last.Doubt == doubt && last.Error == why {
			last.To++
			return
		}
	}
	p.Remarks = append(p.Remarks, Remark{at, at + 1, doubt, why})
}

// To is the position that the segment ends before.
func (p *Part) To() uint64 { return p.From + uint64(len(p.Cells)) }

// Encode writes a part of the plan's scan: a stream compressed by flate that holds the cells as
// runs, the remarks as runs, and the answers as JSON each. Silence takes some bytes a segment, and
// the worst case two bytes an endpoint, besides answers.
func (p *Part) Encode(to io.Writer, plan *target.Plan) error {
	packed, err := flate.NewWriter(to, flate.BestSpeed)
	if err != nil {
		return err
	}
	w := &writer{packed: packed, Writer: varint.Writer{Writer: bufio.NewWriter(packed)}}
	for c := range w.condensed {
		w.condensed[c] = verdict.Cell(c)
	}
	w.cells(p.Cells)
	w.flushCells()
	w.Uint(uint64(len(p.Remarks)))
	at := p.From
	for _, r := range p.Remarks {
		w.Uint(r.From - at)
		w.Uint(r.To - r.From)
		w.Text(string(r.Doubt))
		w.Text(line(r.Error))
		at = r.To
	}
	if err := w.answers(plan, p.Answers); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return packed.Close()
}

// line is a text as varint.Reader's Line takes it.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// DecodePart reads the part of a plan's scan from one position up to and without another. What no
// scan can have made is an error.
func DecodePart(from io.Reader, plan *target.Plan, order *target.Order, lo, hi uint64) (*Part, error) {
	unpacked := flate.NewReader(from)
	defer unpacked.Close()
	r := reader{varint.NewReader(unpacked, errInvalid)}
	p := &Part{From: lo, Cells: r.cells(hi - lo)}
	at := lo
	for n := r.Uint(hi - lo); n > 0 && r.Err() == nil; n-- {
		var m Remark
		m.From = at + r.Uint(hi-at)
		m.To = m.From + r.Uint(hi-m.From)
		r.Check(m.To > m.From)
		m.Doubt, m.Error = probe.DoubtKind(r.Line()), r.Line()
		p.Remarks = append(p.Remarks, m)
		at = m.To
	}
	if r.Err() == nil {
		r.Check(p.possible(plan, order))
	}
	for n := r.Uint(hi - lo); n > 0 && r.Err() == nil; n-- {
		a := r.answer(plan)
		if r.Err() != nil {
			break
		}
		position := order.Position(a.Index)
		r.Check(position >= lo && position < hi && p.Cells[position-lo].Reason() == a.Reason)
		p.Answers = append(p.Answers, a)
	}
	r.End()
	return p, r.Err()
}

// possible reports whether a scan can have made the cells: each endpoint was asked, by its protocol.
func (p *Part) possible(plan *target.Plan, order *target.Order) bool {
	ports := plan.Ports()
	for k, c := range p.Cells {
		proto := ports[plan.PortOf(order.Index(p.From+uint64(k)))].Proto
		class := c.Class()
		switch {
		case !c.Asked(), c.Tries() == 0 && class != verdict.LocalError:
			return false
		case proto == probe.TCP && class == verdict.UDPResponse,
			proto == probe.UDP && (class == verdict.SynAck || class == verdict.Reset):
			return false
		}
	}
	return true
}
