package preflight_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast/internal/app/preflight"
	"holdfast/storage"
	"holdfast/storage/immutable"
	"holdfast/storage/mem"
)

// odd is a store that refuses things, or whose clock is wrong.
type odd struct {
	storage.Store
	noPut, noDelete error
	ahead           time.Duration
}

func (s odd) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if s.noPut != nil {
		return fmt.Errorf("put %s: %w", key, s.noPut)
	}
	return s.Store.Put(ctx, key, body, o)
}

func (s odd) Delete(ctx context.Context, key string) error {
	if s.noDelete != nil {
		return fmt.Errorf("delete %s: %w", key, s.noDelete)
	}
	return s.Store.Delete(ctx, key)
}

func (s odd) Stat(ctx context.Context, key string) (storage.Info, error) {
	info, err := s.Store.Stat(ctx, key)
	info.Stored = time.Now().Add(s.ahead)
	return info, err
}

func TestStore(t *testing.T) {
	locked := immutable.Policy{Mode: storage.Compliance, For: 24 * time.Hour}
	cases := []struct {
		name  string
		store storage.Store
		want  string
	}{
		{"all is well", odd{Store: mem.New()}, "ok can be written to"},
		{"locked objects", immutable.New(odd{Store: mem.New()}, locked, nil), "ok can be written to"},
		{"read-only", odd{Store: mem.New(), noPut: storage.ErrReadOnly}, "wrong cannot be written to: put KEY: storage is read-only; let the user, or the credentials, of holdfast write there"},
		{"full", odd{Store: mem.New(), noPut: storage.ErrFull}, "wrong put KEY: storage is full; make room there"},
		{"appends only", odd{Store: mem.New(), noDelete: storage.ErrReadOnly}, "warning adds and reads, and does not let us delete; that is safer; let forget and prune run elsewhere, with other credentials"},
		{"a clock that is a little wrong", odd{Store: mem.New(), ahead: -5 * time.Minute}, "warning its clock and that of this machine are 5m0s apart; set the clocks by NTP\nok can be written to"},
		{"a clock that is wrong", odd{Store: mem.New(), ahead: time.Hour}, "wrong its clock and that of this machine are 1h0m0s apart; set the clocks by NTP\nok can be written to"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := preflight.Report{Key: "repositories.r"}
			r.Store(t.Context(), c.store)
			if got := text(r); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			err := c.store.List(t.Context(), "", func(i storage.Info) error { return fmt.Errorf("%s is left behind", i.Key) })
			if left := c.name == "appends only"; (err != nil) != left {
				t.Error(err)
			}
		})
	}
}

// A place that only appends gets one object, not one for each trial.
func TestStoreLeavesOneObjectAtMost(t *testing.T) {
	s := aged{odd{Store: mem.New(), noDelete: storage.ErrReadOnly}}
	for range 3 {
		r := preflight.Report{}
		r.Store(t.Context(), s)
		if got := text(r); !strings.HasPrefix(got, "warning adds and reads") {
			t.Errorf("got %s", got)
		}
	}
	objects := 0
	err := s.List(t.Context(), "", func(storage.Info) error { objects++; return nil })
	if err != nil || objects != 1 {
		t.Errorf("%d objects are left, %v", objects, err)
	}
}

// aged is a store whose objects are old when they are listed.
type aged struct{ storage.Store }

func (s aged) List(ctx context.Context, prefix string, visit func(storage.Info) error) error {
	return s.Store.List(ctx, prefix, func(i storage.Info) error {
		i.Stored = time.Now().Add(-24 * time.Hour)
		return visit(i)
	})
}

// text writes findings without what differs from one run to the next.
func text(r preflight.Report) string {
	var lines []string
	for _, f := range r.Findings {
		line := string(f.Level) + " " + f.Text
		if f.Fix != "" {
			line += "; " + f.Fix
		}
		if before, rest, found := strings.Cut(line, "holdfast/probe/"); found {
			line = before + "KEY" + rest[strings.Index(rest, ":"):]
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
