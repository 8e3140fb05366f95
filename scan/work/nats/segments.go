package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"onmux/scan/work"
)

// takeWait is how long a worker waits for a segment at a time.
const takeWait = time.Second

// Segments is a connection of a worker.
type Segments struct{ *Conn }

// Listen has Changed deliver a value when a scan begins or ends.
func (n Segments) Listen() error {
	for _, subject := range []string{scansSubject + "*", endedSubject + "*"} {
		if _, err := n.nc.Subscribe(subject, func(*nats.Msg) { n.wake() }); err != nil {
			return n.explain(err)
		}
	}
	return nil
}

// Changed delivers a value when a scan began or ended, after Listen.
func (n Segments) Changed() <-chan struct{} { return n.changed }

// Scans is the IDs of the scans that are being made now.
func (n Segments) Scans(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	ids, err := n.subjects(ctx, scansStream, scansSubject)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	return ids, n.explain(err)
}

// Take waits a moment for a segment.
func (n Segments) Take(ctx context.Context, id, queue string) (work.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := n.js.Consumer(ctx, queueStream(id), queue)
	if err != nil {
		return nil, n.explain(err)
	}
	batch, err := c.Fetch(1, jetstream.FetchMaxWait(takeWait))
	if err != nil {
		return nil, n.explain(err)
	}
	m, ok := <-batch.Messages()
	if !ok {
		return nil, n.explain(batch.Error())
	}
	l := &lease{Msg: m}
	meta, err := m.Metadata()
	if err == nil {
		l.try = int(meta.NumDelivered)
		l.segment, err = strconv.Atoi(string(m.Data()))
	}
	if err != nil {
		return nil, fmt.Errorf("a message in the queue of scan %s is not a segment: %w", id, err)
	}
	return l, nil
}

// lease is a message that was not acknowledged yet.
type lease struct {
	jetstream.Msg
	segment, try int
}

func (l *lease) Segment() int                   { return l.segment }
func (l *lease) Try() int                       { return l.try }
func (l *lease) Extend() error                  { return l.InProgress() }
func (l *lease) Done(ctx context.Context) error { return l.DoubleAck(ctx) }
func (l *lease) Release() error                 { return l.Nak() }

// Store stores a message of a scan, once for each key within two minutes.
func (n Segments) Store(ctx context.Context, id, key string, message []byte) error {
	_, err := n.js.Publish(ctx, storedSubject(id), message, jetstream.WithMsgID(key))
	return n.explain(err)
}

// Report makes known what a worker does, and waits until the server has it.
func (n Segments) Report(ctx context.Context, p work.Presence) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	_, _ = n.js.Publish(ctx, presence+p.Zone+"."+p.Worker, p.Encode()) // the next one replaces it
}
