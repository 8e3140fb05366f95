package nats

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"onmux/scan/work"
)

const (
	retryEvery = time.Second

	// partSize is how much of a request one message carries, and maxParts bounds them.
	partSize = 512 << 10
	maxParts = 512
)

// Requests is a connection of a requester.
type Requests struct{ *Conn }

// Begin makes the streams of a scan, stores its request and its segments, and then makes it known.
func (n Requests) Begin(ctx context.Context, r *work.Request, encoded []byte, queues []string) error {
	err := n.begin(ctx, r, encoded, queues)
	if err != nil {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		_ = n.End(limited, r.ID) // nobody knows it yet
	}
	return n.explain(err)
}

func (n Requests) begin(ctx context.Context, r *work.Request, encoded []byte, queues []string) error {
	id := r.ID
	queue, err := n.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: queueStream(id), Subjects: []string{queueSubject(id, "*")}, Retention: jetstream.WorkQueuePolicy,
		MaxAge: work.MaxAge,
	})
	if err != nil {
		return err
	}
	if _, err = n.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: storedStream(id), Subjects: []string{storedSubject(id), "onmux.request." + id + ".*"}, MaxAge: work.MaxAge,
	}); err != nil {
		return err
	}
	for _, name := range queues {
		_, err := queue.CreateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: name, FilterSubject: queueSubject(id, name), AckPolicy: jetstream.AckExplicitPolicy, AckWait: r.Lease,
			MaxAckPending: -1,
		})
		if err != nil {
			return err
		}
	}
	parts := slices.Collect(slices.Chunk(encoded, partSize))
	for i, part := range parts {
		if _, err := n.js.Publish(ctx, requestSubject(id, i), part); err != nil {
			return err
		}
	}
	if err := n.publishSegments(ctx, r, queues); err != nil {
		return err
	}
	_, err = n.js.Publish(ctx, scansSubject+id, []byte(strconv.Itoa(len(parts))))
	return err
}

// publishSegments puts the number of each segment into each queue, and waits until all are there.
func (n Requests) publishSegments(ctx context.Context, r *work.Request, queues []string) error {
	var last []jetstream.PubAckFuture
	flush := func() error {
		for _, f := range last {
			select {
			case <-f.Ok():
			case err := <-f.Err():
				return err
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		last = last[:0]
		return nil
	}
	for segment := range r.Segments() {
		for _, name := range queues {
			f, err := n.js.PublishAsync(queueSubject(r.ID, name), []byte(strconv.Itoa(segment)))
			if err != nil {
				return err
			}
			last = append(last, f)
		}
		if len(last) > 500 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// Request is the request of a scan. It is an error if the server does not answer.
func (n *Conn) Request(ctx context.Context, id string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	data, err := n.request(ctx, id)
	if errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, work.ErrEnded
	}
	return data, n.explain(err)
}

func (n *Conn) request(ctx context.Context, id string) ([]byte, error) {
	head, err := n.lastOf(ctx, scansStream, scansSubject+id)
	if err != nil {
		return nil, err
	}
	parts, err := strconv.Atoi(string(head))
	if err != nil || parts < 1 || parts > maxParts {
		return nil, errors.New("the announcement of the scan is not valid")
	}
	var all bytes.Buffer
	for i := range parts {
		part, err := n.lastOf(ctx, storedStream(id), requestSubject(id, i))
		if err != nil {
			return nil, err
		}
		all.Write(part)
	}
	return all.Bytes(), nil
}

// lastOf is the last message of a subject in a stream.
func (n *Conn) lastOf(ctx context.Context, stream, subject string) ([]byte, error) {
	s, err := n.js.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	m, err := s.GetLastMsgForSubject(ctx, subject)
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

// Stored yields what workers stored. It asks for one message after the other by its place in the
// stream, which needs no state on the server and so survives its restarts.
func (n Requests) Stored(ctx context.Context, id string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		come := make(chan *nats.Msg, 1)
		if sub, err := n.nc.ChanSubscribe(storedSubject(id), come); err == nil {
			defer func() { _ = sub.Unsubscribe() }()
		}
		for next := uint64(1); ctx.Err() == nil; {
			m, err := n.storedAt(ctx, id, next)
			switch {
			case err == nil:
				next = m.Sequence + 1
				if !yield(m.Data, nil) {
					return
				}
				continue
			case errors.Is(err, jetstream.ErrStreamNotFound):
				yield(nil, work.ErrEnded)
				return
			}
			select {
			case <-come:
			case <-n.woken:
			case <-time.After(retryEvery):
			case <-ctx.Done():
			}
		}
	}
}

// storedAt is the first message that stands at a place of the stream or after it.
func (n Requests) storedAt(ctx context.Context, id string, at uint64) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	s, err := n.js.Stream(ctx, storedStream(id))
	if err != nil {
		return nil, err
	}
	return s.GetMsg(ctx, at, jetstream.WithGetMsgSubject(storedSubject(id)))
}

// subjects are the subjects below one that a stream has messages of.
func (n *Conn) subjects(ctx context.Context, stream, below string) (all []string, err error) {
	s, err := n.js.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(below+">"))
	if err != nil {
		return nil, err
	}
	for subject := range info.State.Subjects {
		all = append(all, strings.TrimPrefix(subject, below))
	}
	slices.Sort(all)
	return all, nil
}

// Present is what workers reported last.
func (n Requests) Present(ctx context.Context) (all []work.Presence, err error) {
	names, err := n.subjects(ctx, presentStream, presence)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	for _, name := range names {
		data, err := n.lastOf(ctx, presentStream, presence+name)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // it has just left
		}
		if err != nil {
			return nil, n.explain(err)
		}
		if p, ok := work.DecodePresence(data); ok && !p.Left {
			all = append(all, p)
		}
	}
	return all, n.explain(err)
}

// Reports delivers what workers report from now on.
func (n Requests) Reports(ctx context.Context) <-chan work.Presence {
	out := make(chan work.Presence, 64)
	sub, err := n.nc.Subscribe(presence+">", func(m *nats.Msg) {
		if p, ok := work.DecodePresence(m.Data); ok {
			select {
			case out <- p:
			default:
			}
		}
	})
	if err == nil {
		context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })
	}
	return out
}

// End removes a scan.
func (n Requests) End(ctx context.Context, id string) error {
	gone := func(err error) error {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		return err
	}
	var known error
	if s, err := n.js.Stream(ctx, scansStream); err == nil {
		known = s.Purge(ctx, jetstream.WithPurgeSubject(scansSubject+id))
	} else {
		known = gone(err)
	}
	err := errors.Join(known, n.nc.Publish(endedSubject+id, nil), gone(n.js.DeleteStream(ctx, queueStream(id))),
		gone(n.js.DeleteStream(ctx, storedStream(id))))
	return n.explain(err)
}
