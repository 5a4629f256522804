package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/event"
	"holdfast/internal/notify"
	"holdfast/internal/schedule"
	"holdfast/internal/secret"
)

// store is a notify.Store in memory.
type store struct {
	mu     sync.Mutex
	values map[string][]byte
}

func (s *store) Save(_ context.Context, key string, v any) error {
	text, err := json.Marshal(v)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[key] = text
	return err
}

func (s *store) Remove(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
	return nil
}

func (s *store) Each(_ context.Context, prefix string, fn func(string, func(any) error) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if err := fn(key, func(v any) error { return json.Unmarshal(s.values[key], v) }); err != nil {
			return err
		}
	}
	return nil
}

// world is a notifier whose channels only remember what they got. Time is
// that of a synctest bubble.
type world struct {
	t        *testing.T
	store    *store
	config   notify.Config
	notifier *notify.Notifier
	stop     func()

	mu   sync.Mutex
	got  []string // "channel: title"
	down bool
	// deaf is a channel that never answers, last is for notify.Options.
	deaf string
	last time.Duration
}

func newWorld(t *testing.T, c notify.Config) *world {
	w := &world{t: t, store: &store{values: make(map[string][]byte)}, config: c}
	for name, channel := range c.Channels {
		t.Setenv("URL_"+name, name)
		channel.URL = secret.Ref{Env: "URL_" + name}
		c.Channels[name] = channel
	}
	return w
}

func (w *world) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.notifier = notify.New(notify.Options{Config: w.config, Store: w.store, Dial: w.dial, Last: w.last})
	done := make(chan error, 1)
	go func() { done <- w.notifier.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	}
}

func (w *world) dial(url secret.Value) (notify.Sender, error) { return sender{w, url.Reveal()}, nil }

type sender struct {
	world *world
	name  string
}

func (s sender) Send(ctx context.Context, n notify.Note) error {
	if s.name == s.world.deaf {
		<-ctx.Done()
		return ctx.Err()
	}
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	if s.world.down {
		return errors.New("no route to host")
	}
	s.world.got = append(s.world.got, s.name+": "+n.Title)
	return nil
}

func (w *world) setDown(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

// expect lets time pass and compares what arrived since the last call.
func (w *world) expect(after time.Duration, want ...string) {
	w.t.Helper()
	time.Sleep(after)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.got)
	if !slices.Equal(w.got, want) {
		w.t.Errorf("got %q, want %q", w.got, want)
	}
	w.got = nil
}

func failed(plan string, severity event.Severity) event.Event {
	return event.Event{
		Time: time.Now(), Kind: event.RunFailed, Severity: severity, Plan: plan, Key: plan + "/backup",
		Summary: "backup of " + plan + " failed",
	}
}

func over(plan string) event.Event {
	return event.Event{Time: time.Now(), Kind: event.RunSucceeded, Plan: plan, Key: plan + "/backup", Over: true, Summary: "backup of " + plan + " succeeded"}
}

func run(t *testing.T, c notify.Config, test func(w *world)) {
	t.Helper()
	w := newWorld(t, c)
	synctest.Test(t, func(t *testing.T) {
		w.t = t
		w.start()
		test(w)
		w.stop()
	})
}

func ops(c notify.Channel) notify.Config {
	return notify.Config{Channels: map[string]notify.Channel{"ops": c}, Plans: map[string][]string{"shop": {"ops"}}, Default: []string{"ops"}}
}

func TestAProblemIsToldOnceAndItsEndToo(t *testing.T) {
	run(t, ops(notify.Channel{MinSeverity: event.Warning}), func(w *world) {
		for range 3 {
			w.notifier.Emit(failed("shop", event.Warning))
		}
		w.expect(time.Minute, "ops: WARNING: backup of shop failed")
		w.notifier.Emit(failed("shop", event.Warning))
		w.expect(time.Hour)
		w.notifier.Emit(failed("shop", event.Critical))
		w.expect(time.Minute, "ops: CRITICAL (worse): backup of shop failed")
		w.notifier.Emit(over("shop"))
		w.notifier.Emit(over("shop"))
		w.expect(time.Minute, "ops: OK: backup of shop succeeded")
		w.notifier.Emit(failed("shop", event.Warning))
		w.expect(time.Minute, "ops: WARNING: backup of shop failed")
	})
}

func TestWhoWasNotToldIsNotToldThatItIsOver(t *testing.T) {
	c := ops(notify.Channel{MinSeverity: event.Warning})
	c.Channels["boss"] = notify.Channel{MinSeverity: event.Critical}
	c.Plans["shop"] = []string{"ops", "boss"}
	run(t, c, func(w *world) {
		w.notifier.Emit(over("shop"))
		w.notifier.Emit(failed("shop", event.Info))
		w.expect(time.Minute)
		w.notifier.Emit(over("shop"))
		w.expect(time.Minute)
		w.notifier.Emit(failed("shop", event.Error))
		w.expect(time.Minute, "ops: ERROR: backup of shop failed")
		w.notifier.Emit(over("shop"))
		w.expect(time.Minute, "ops: OK: backup of shop succeeded")
	})
}

func TestInQuietHoursOnlyWhatIsCriticalGoesOut(t *testing.T) {
	// Time in a bubble begins at midnight UTC.
	quiet := schedule.Hours{Zone: time.UTC, Blackouts: []schedule.Window{{
		Days: [7]bool{true, true, true, true, true, true, true}, From: 22 * time.Hour, To: 6 * time.Hour,
	}}}
	run(t, ops(notify.Channel{Quiet: quiet}), func(w *world) {
		w.notifier.Emit(failed("shop", event.Warning))
		w.notifier.Emit(failed("www", event.Warning))
		w.notifier.Emit(failed("bank", event.Critical))
		w.expect(time.Hour, "ops: CRITICAL: backup of bank failed")
		w.notifier.Emit(over("www")) // in the same night: not worth a word
		w.expect(4*time.Hour + 59*time.Minute)
		w.expect(2*time.Minute, "ops: WARNING: backup of shop failed")
	})
}

func TestWhatIsNotOverIsRepeatedAndEscalated(t *testing.T) {
	c := ops(notify.Channel{Repeat: 24 * time.Hour, Escalate: []notify.Escalation{{After: 4 * time.Hour, To: []string{"boss"}}}})
	c.Channels["boss"] = notify.Channel{MinSeverity: event.Warning}
	run(t, c, func(w *world) {
		w.notifier.Emit(failed("shop", event.Warning))
		w.expect(time.Hour, "ops: WARNING: backup of shop failed")
		w.expect(4*time.Hour, "boss: WARNING (not over): backup of shop failed")
		w.expect(20*time.Hour, "ops: WARNING (not over): backup of shop failed")
		w.expect(12 * time.Hour)
		w.notifier.Emit(over("shop"))
		w.expect(time.Minute, "boss: OK: backup of shop succeeded", "ops: OK: backup of shop succeeded")
	})
}

func TestADeliveryThatFailsIsTriedAgain(t *testing.T) {
	run(t, ops(notify.Channel{}), func(w *world) {
		w.setDown(true)
		w.notifier.Emit(failed("shop", event.Warning))
		w.expect(5 * time.Hour)
		if s := w.notifier.Stats(); s.Failed < 5 || s.Failed > 20 || s.Pending != 1 {
			w.t.Errorf("%+v in five hours", s)
		}
		w.setDown(false)
		w.expect(time.Hour+time.Minute, "ops: WARNING: backup of shop failed")

		w.setDown(true)
		w.notifier.Emit(failed("www", event.Warning))
		w.expect(4 * 24 * time.Hour)
		if s := w.notifier.Stats(); s.Dropped != 1 || s.Pending != 0 {
			w.t.Errorf("%+v after days", s)
		}
	})
}

func TestARestartLosesAndRepeatsNothing(t *testing.T) {
	run(t, ops(notify.Channel{}), func(w *world) {
		w.notifier.Emit(failed("shop", event.Warning))
		w.expect(time.Minute, "ops: WARNING: backup of shop failed")
		w.setDown(true)
		w.notifier.Emit(failed("www", event.Warning))
		w.expect(time.Minute)
		w.notifier.Emit(failed("bank", event.Warning)) // and the service ends at once
		w.stop()
		w.setDown(false)
		w.start()
		w.notifier.Emit(failed("shop", event.Warning))
		w.expect(time.Hour, "ops: WARNING: backup of bank failed", "ops: WARNING: backup of www failed")
		w.notifier.Emit(over("shop"))
		w.expect(time.Minute, "ops: OK: backup of shop succeeded")
	})
}

// Who does not come back soon delivers before the end, what is not to wait and
// can be delivered; the rest stays for the next time.
func TestTheLastMessages(t *testing.T) {
	c := ops(notify.Channel{})
	c.Channels["deaf"] = notify.Channel{}
	c.Plans["www"] = []string{"deaf"}
	w := newWorld(t, c)
	w.last, w.deaf = time.Minute, "deaf"
	synctest.Test(t, func(t *testing.T) {
		w.t = t
		w.start()
		w.notifier.Emit(failed("shop", event.Warning))
		w.notifier.Emit(failed("www", event.Warning))
		began := time.Now()
		w.stop()
		w.expect(0, "ops: WARNING: backup of shop failed")
		if took := time.Since(began); took != time.Minute {
			t.Errorf("the end took %v", took)
		}
		w.deaf = ""
		w.start()
		w.expect(time.Minute, "deaf: WARNING: backup of www failed")
		w.stop()
	})
}

func TestAStormBecomesOneMessage(t *testing.T) {
	run(t, ops(notify.Channel{}), func(w *world) {
		for n := range 300 {
			w.notifier.Emit(failed(fmt.Sprint("plan", n), event.Warning))
		}
		w.expect(time.Minute, "ops: holdfast: 300 messages about 300 plans")
	})
}

func TestChannelsCanBeReplaced(t *testing.T) {
	c := ops(notify.Channel{})
	t.Setenv("URL_new", "new")
	run(t, c, func(w *world) {
		w.setDown(true)
		w.notifier.Emit(failed("shop", event.Warning))
		w.expect(time.Minute)
		w.setDown(false)
		for range 2 {
			w.notifier.Reload(notify.Config{Channels: map[string]notify.Channel{"new": {URL: secret.Ref{Env: "URL_new"}}}, Default: []string{"new"}})
		}
		w.expect(2 * time.Hour)
		w.notifier.Emit(failed("www", event.Warning))
		w.expect(time.Minute, "new: WARNING: backup of www failed")
	})
}

// A thousand events while nobody takes them must not hold up who emits them.
func TestEmitNeverWaits(t *testing.T) {
	n := notify.New(notify.Options{Store: &store{values: make(map[string][]byte)}})
	for range 10_000 {
		n.Emit(failed("shop", event.Warning))
	}
	if n.Stats().Dropped == 0 {
		t.Error("the queue has no bound")
	}
}
