// Package notify tells people what happened, and when it is over.
//
// Its words:
//
//   - A channel is a place to send messages to: a chat, a mailbox, a webhook.
//     Its URL is a secret; no message, error or log of this package shows it.
//   - A problem is what events with the same key are about. A channel is told
//     when it begins, when it gets worse, again after Repeat, and when it is
//     over; not of each event in between. A channel that was not told that it
//     began is not told that it is over.
//   - The outbox holds messages until they are delivered. It and the problems
//     are in the Store: a restart loses and repeats nothing.
//
// Within quiet hours only what is critical goes out; the rest waits for their
// end, and what is over by then is not sent at all. A delivery that fails is
// tried again, less and less often, for days. Many messages at once become
// one. Emit never waits for any of it.
package notify

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"holdfast/internal/event"
	"holdfast/internal/schedule"
	"holdfast/internal/secret"
)

// Config says whom to tell what.
type Config struct {
	// Channels by their names.
	Channels map[string]Channel
	// Plans has the channels of each plan, Default those of everything else.
	Plans   map[string][]string
	Default []string
}

// Channel is a place to send messages to.
type Channel struct {
	// URL is where (see Dial). It is resolved for each delivery, so that a new
	// token is used at once.
	URL secret.Ref
	// MinSeverity leaves out what is less severe.
	MinSeverity event.Severity
	// Quiet has, as blackouts, when only what is critical is sent.
	Quiet schedule.Hours
	// Repeat sends what still holds again after so long; 0 for never.
	Repeat time.Duration
	// Escalate tells others of what is not over after a while.
	Escalate []Escalation
}

// Escalation says who is told then.
type Escalation struct {
	After time.Duration
	To    []string
}

// Store keeps the state: JSON values under keys. It is safe for concurrent
// use.
type Store interface {
	Save(ctx context.Context, key string, v any) error
	Remove(ctx context.Context, key string) error
	Each(ctx context.Context, prefix string, fn func(key string, decode func(any) error) error) error
}

// Options say how to make a Notifier.
type Options struct {
	Config Config
	Store  Store
	Log    *slog.Logger
	// Last is how long the end of Run waits for the delivery of what is new:
	// for those who do not come back soon. Else the next Run delivers it.
	Last time.Duration
	// Dial makes what sends to a URL; nil for this package's Dial.
	Dial func(url secret.Value) (Sender, error)
}

const (
	// maxQueued bounds events that wait for the store: minutes of a storm.
	maxQueued = 4096
	// gather is how long a message waits for others to go with.
	gather = 5 * time.Second
	// sendLimit bounds one delivery.
	sendLimit = time.Minute
)

// Notifier is an event.Sink that tells people. Run does its work.
type Notifier struct {
	opts    Options
	events  chan event.Event
	reload  chan Config
	results chan result
	senders sync.WaitGroup

	mu    sync.Mutex
	stats Stats

	// Of the goroutine in Run:
	book *book
	busy map[string]bool // channels with a delivery under way
}

// Stats are figures about the deliveries since the start.
type Stats struct {
	// Pending messages wait, Delivered and Failed count deliveries; Dropped are
	// events and messages that were given up.
	Pending, Delivered, Failed, Dropped int
}

var _ event.Sink = (*Notifier)(nil)

// New makes a Notifier.
func New(o Options) *Notifier {
	if o.Dial == nil {
		o.Dial = Dial
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Notifier{
		opts: o, events: make(chan event.Event, maxQueued), reload: make(chan Config, 1),
		results: make(chan result), busy: make(map[string]bool),
	}
}

// Emit implements event.Sink.
func (n *Notifier) Emit(e event.Event) {
	select {
	case n.events <- e:
	default:
		n.count(func(s *Stats) { s.Dropped++ })
		n.opts.Log.Error("an event is not notified: too many at once", "event", string(e.Kind), "plan", e.Plan)
	}
}

// Reload replaces the configuration. Messages to channels that are no longer
// there are dropped.
func (n *Notifier) Reload(c Config) {
	for {
		select {
		case n.reload <- c:
			return
		case <-n.reload: // one that nobody has taken yet
		}
	}
}

// Stats returns the figures.
func (n *Notifier) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stats
}

func (n *Notifier) count(change func(*Stats)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(&n.stats)
}

// Run tells people until ctx ends. What is not delivered then is by the next
// Run with the same store.
func (n *Notifier) Run(ctx context.Context) error {
	sending, stop := context.WithCancel(ctx)
	ended, ctx := ctx.Done(), context.WithoutCancel(ctx) // what is taken is kept
	b, err := openBook(ctx, n.opts.Config, n.opts.Store, n.opts.Log)
	if err != nil {
		stop()
		return err
	}
	n.book = b
	defer n.senders.Wait()
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ended:
			n.drain(ctx)
			stop()
			n.senders.Wait()
			n.sendLast(ctx)
			return nil
		case e := <-n.events:
			n.book.take(ctx, e, time.Now())
		case c := <-n.reload:
			n.book.reload(ctx, c)
		case r := <-n.results:
			n.ended(ctx, r)
		case <-timer.C:
		}
		now := time.Now()
		n.book.remind(ctx, now)
		n.send(sending, now)
		n.count(func(s *Stats) { s.Pending = len(n.book.outbox) })
		timer.Reset(max(0, n.book.next(now, n.busy).Sub(now)))
	}
}

// sendLast delivers what waits for nothing but others to go with.
func (n *Notifier) sendLast(ctx context.Context) {
	if n.opts.Last == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, n.opts.Last)
	defer n.senders.Wait()
	defer cancel()
	clear(n.busy) // what was under way was cut off, and is in the outbox
	for {
		n.send(ctx, time.Now().Add(gather))
		if len(n.busy) == 0 {
			return
		}
		select {
		case r := <-n.results:
			n.ended(ctx, r)
		case <-ctx.Done():
			return
		}
	}
}

// drain puts what was emitted at the very end into the outbox.
func (n *Notifier) drain(ctx context.Context) {
	for {
		select {
		case e := <-n.events:
			n.book.take(ctx, e, time.Now())
		default:
			return
		}
	}
}

// result is how a delivery ended.
type result struct {
	channel  string
	messages []*message
	err      error
}

// send begins a delivery to each channel that has messages due and none under
// way.
func (n *Notifier) send(ctx context.Context, now time.Time) {
	for name, due := range n.book.due(now) {
		if n.busy[name] {
			continue
		}
		n.busy[name] = true
		url := n.book.config.Channels[name].URL
		note := compose(due, now)
		n.senders.Go(func() {
			r := result{name, due, n.deliver(ctx, url, note)}
			select {
			case n.results <- r:
			case <-ctx.Done(): // still in the outbox
			}
		})
	}
}

func (n *Notifier) deliver(ctx context.Context, url secret.Ref, note Note) error {
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	value, err := url.Resolve(ctx)
	if err != nil {
		return err
	}
	sender, err := n.opts.Dial(value)
	if err != nil {
		return err
	}
	return sender.Send(ctx, note)
}

func (n *Notifier) ended(ctx context.Context, r result) {
	delete(n.busy, r.channel)
	if r.err == nil {
		n.book.delivered(ctx, r.messages)
		n.count(func(s *Stats) { s.Delivered++ })
		return
	}
	dropped := n.book.failed(ctx, r.messages, time.Now())
	n.count(func(s *Stats) { s.Failed++; s.Dropped += dropped })
	n.opts.Log.Warn("a notification was not delivered", "channel", r.channel, "messages", len(r.messages), "dropped", dropped, "error", r.err)
}
