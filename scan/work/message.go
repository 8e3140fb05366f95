package work

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"onmux/scan"
	"onmux/scan/checkpoint"
	"onmux/scan/control"
	"onmux/scan/target"
	"onmux/scan/varint"
)

const (
	// chunkSize is how much of an answer one message carries: servers take 1 MiB at most, unless their
	// configuration has another limit.
	chunkSize = 512 << 10

	maxChunks = 1 << 14
	maxTry    = 1 << 20
)

// answerHead is how the scan of a segment ended.
type answerHead struct {
	Summary scan.Summary      `json:"summary"`
	Methods map[string]string `json:"methods,omitempty"`
	Notes   []note            `json:"notes,omitempty"`
}

// note is a scan.Note as it is sent.
type note struct {
	scan.Note
	Reason string `json:"reason,omitempty"` // of its Err

	Fewer  *control.FewerAnswers `json:"fewer,omitempty"` // of its Cause, that and the next
	Router *control.RouterErrors `json:"router,omitempty"`
}

// sent is a note as it is sent.
func sent(n scan.Note) note {
	out := note{Note: n}
	out.Err, out.Cause = nil, nil
	if n.Err != nil {
		out.Reason = n.Err.Error()
	}
	switch c := n.Cause.(type) {
	case control.FewerAnswers:
		out.Fewer = &c
	case control.RouterErrors:
		out.Router = &c
	case nil:
	default:
		out.Reason = fmt.Sprint(c)
	}
	return out
}

// received is the note that was sent.
func (n note) received() scan.Note {
	out := n.Note
	switch {
	case n.Fewer != nil:
		out.Cause = *n.Fewer
	case n.Router != nil:
		out.Cause = *n.Router
	case n.Kind == scan.NoteSlowed:
		out.Cause = n.Reason
	case n.Reason != "":
		out.Err = errors.New(n.Reason)
	}
	return out
}

// passedOn are the notes of a segment's scan that are of use to a requester.
var passedOn = []scan.NoteKind{
	scan.NoteSlowed, scan.NoteOutage, scan.NoteControl, scan.NoteNoControl, scan.NoteStrays, scan.CoverOpenEverywhere,
	scan.CoverNotFollowedUp,
}

// chunk is one of the messages that carry the answer to a segment.
type chunk struct {
	zone    string
	segment int
	try     int // which delivery of the segment it answers
	worker  string
	part    int // of parts
	parts   int
	body    []byte
}

// id is the same for the same chunk, so that a second one is dropped.
func (c *chunk) id(scan string) string {
	return fmt.Sprintf("%s.%s.%d.%d.%s.%d", scan, c.zone, c.segment, c.try, c.worker, c.part)
}

// encode writes the length of what describes the chunk, that, and its body.
func (c *chunk) encode() []byte {
	var b bytes.Buffer
	w := varint.Writer{Writer: bufio.NewWriter(&b)}
	w.Uint(version)
	w.Text(c.zone)
	w.Text(c.worker)
	for _, n := range []int{c.segment, c.try, c.part, c.parts} {
		w.Uint(uint64(n))
	}
	_ = w.Flush() // to memory
	return slices.Concat(binary.AppendUvarint(nil, uint64(b.Len())), b.Bytes(), c.body)
}

// cut returns what stands behind a length at the beginning of a message, and the rest.
func cut(data []byte) (head, rest []byte, err error) {
	n, size := binary.Uvarint(data)
	if size <= 0 || n > uint64(len(data)-size) {
		return nil, nil, errInvalid
	}
	return data[size : uint64(size)+n], data[uint64(size)+n:], nil
}

// decodeChunk reads a message of a scan that has so many segments.
func decodeChunk(data []byte, segments int) (*chunk, error) {
	head, body, err := cut(data)
	if err != nil {
		return nil, err
	}
	r := varint.NewReader(bytes.NewReader(head), errInvalid)
	r.Check(r.Uint(1<<16) == version)
	c := &chunk{zone: r.Line(), worker: r.Line(), segment: int(r.Uint(uint64(segments - 1))), try: int(r.Uint(maxTry)),
		part: int(r.Uint(maxChunks)), parts: int(r.Uint(maxChunks)), body: body}
	r.Check(c.part < c.parts && CheckZone(c.zone) == nil && isWorkerID(c.worker))
	r.End()
	return c, r.Err()
}

// encodeAnswer writes how the scan of a segment ended, and what it found out.
func encodeAnswer(h answerHead, part *checkpoint.Part, plan *target.Plan) ([]byte, error) {
	head, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(binary.AppendUvarint(nil, uint64(len(head))))
	b.Write(head)
	err = part.Encode(b, plan)
	return b.Bytes(), err
}

// decodeAnswer reads the answer to a segment of a request, and validates it.
func decodeAnswer(
	body []byte,
	r *Request,
	order *target.Order,
	segment int,
) (h answerHead, p *checkpoint.Part, err error) {
	head, rest, err := cut(body)
	if err == nil {
		err = json.Unmarshal(head, &h)
	}
	if err != nil {
		return h, nil, err
	}
	h.Notes = slices.DeleteFunc(h.Notes, func(n note) bool { return !slices.Contains(passedOn, n.Kind) })
	s := r.Segment(segment)
	p, err = checkpoint.DecodePart(bytes.NewReader(rest), r.Plan, order, s.Lo, s.Hi)
	return h, p, err
}

// split makes the chunks of an answer.
func split(of chunk, body []byte) (all []*chunk) {
	parts := slices.Collect(slices.Chunk(body, chunkSize))
	for i, part := range parts {
		c := of
		c.part, c.parts, c.body = i, len(parts), part
		all = append(all, &c)
	}
	return all
}

// gathered is an answer of which some chunks have come.
type gathered struct {
	chunks [][]byte
	have   int
}

// add adds a chunk, and returns the answer if it is whole.
func (g *gathered) add(c *chunk) (body []byte, whole bool) {
	if g.chunks == nil {
		g.chunks = make([][]byte, c.parts)
	}
	if c.parts != len(g.chunks) || g.chunks[c.part] != nil {
		return nil, false
	}
	g.chunks[c.part] = c.body
	if g.have++; g.have < len(g.chunks) {
		return nil, false
	}
	return slices.Concat(g.chunks...), true
}
