package lifecycle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/storage"
)

// UndeletePlan says what has to be done for a place to hold again whatever it
// held at an instant. What was added since stays.
type UndeletePlan struct {
	// Missing were deleted since, Replaced hold something else now.
	Missing, Replaced []storage.Info
	// Objects counts what there was at the instant.
	Objects int

	store, past storage.Store
	versions    storage.Versioned
	instant     time.Time
}

// Bytes returns the size of what comes back.
func (p *UndeletePlan) Bytes() (n int64) {
	for _, list := range [][]storage.Info{p.Missing, p.Replaced} {
		for _, i := range list {
			n += i.SizeBytes
		}
	}
	return n
}

// PlanUndelete compares a place with what it was at an instant, which past
// shows (storage.Versioned). Objects of the same size that were put since are
// read and compared.
func PlanUndelete(ctx context.Context, s, past storage.Store, t time.Time) (*UndeletePlan, error) {
	v, ok := storage.As[storage.Versioned](s)
	if !ok {
		return nil, fmt.Errorf("bring back what was deleted at %s: places of this kind keep no versions: %w", s.Location(), storage.ErrUnsupported)
	}
	p := &UndeletePlan{store: s, past: past, versions: v, instant: t}
	now := make(map[string]storage.Info)
	err := s.List(ctx, "", func(i storage.Info) error {
		now[i.Key] = i
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list what there is: %w", err)
	}
	var doubtful []storage.Info
	err = p.past.List(ctx, "", func(was storage.Info) error {
		if isPassing(was.Key) {
			return nil
		}
		p.Objects++
		is, there := now[was.Key]
		switch {
		case !there:
			p.Missing = append(p.Missing, was)
		case is.SizeBytes != was.SizeBytes:
			p.Replaced = append(p.Replaced, was)
		case is.Stored.After(t):
			doubtful = append(doubtful, was)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list what there was: %w", err)
	}
	for _, was := range doubtful {
		same, err := p.same(ctx, was)
		if err != nil {
			return nil, err
		}
		if !same {
			p.Replaced = append(p.Replaced, was)
		}
	}
	return p, nil
}

// isPassing tells whether an object comes and goes by the minute.
func isPassing(key string) bool {
	return strings.HasPrefix(key, "locks/") || strings.HasPrefix(key, "holdfast/probe/") || strings.HasPrefix(key, "holdfast/tmp/")
}

// same tells whether an object is byte for byte what it was.
func (p *UndeletePlan) same(ctx context.Context, was storage.Info) (bool, error) {
	before, err := hashOf(ctx, p.past, was.Key, io.Discard)
	if err != nil {
		return false, fmt.Errorf("read %s as it was: %w", was.Key, err)
	}
	now, err := hashOf(ctx, p.store, was.Key, io.Discard)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return before == now, nil
}

func hashOf(ctx context.Context, s storage.Store, key string, to io.Writer) (sum [sha256.Size]byte, err error) {
	r, err := s.Get(ctx, key, 0, -1)
	if err != nil {
		return sum, err
	}
	defer r.Close() //nolint:errcheck // it was only read
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(h, to), r); err != nil {
		return sum, fmt.Errorf("read %s: %w", key, err)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// undeletesAtOnce bounds the objects being brought back in parallel.
const undeletesAtOnce = 8

// Execute brings everything back and counts in done what is back. It may be
// cut off anywhere: a new plan goes on. The error names what did not come back.
func (p *UndeletePlan) Execute(ctx context.Context, done *atomic.Uint64) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(undeletesAtOnce)
	failures := make(chan error, len(p.Missing)+len(p.Replaced))
	each := func(list []storage.Info, do func(context.Context, storage.Info) error) {
		for _, was := range list {
			if gctx.Err() != nil {
				return
			}
			g.Go(func() error {
				if err := do(gctx, was); err != nil {
					failures <- err
					return gctx.Err()
				}
				done.Add(1)
				return nil
			})
		}
	}
	each(p.Missing, p.undelete)
	each(p.Replaced, p.putBack)
	err := g.Wait()
	close(failures)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failed := []error{err}
	for f := range failures {
		failed = append(failed, f)
	}
	return errors.Join(failed...)
}

// undelete brings an object back that is gone. The newest version need not be
// the right one: somebody may have replaced it before deleting it.
func (p *UndeletePlan) undelete(ctx context.Context, was storage.Info) error {
	if err := p.versions.Undelete(ctx, was.Key); err != nil {
		return err
	}
	is, err := p.store.Stat(ctx, was.Key)
	if err != nil {
		return err
	}
	if is.SizeBytes == was.SizeBytes && !is.Stored.After(p.instant) {
		return nil
	}
	if is.SizeBytes == was.SizeBytes {
		if same, err := p.same(ctx, was); err != nil || same {
			return err
		}
	}
	return p.putBack(ctx, was)
}

// putBack replaces an object by what it was. A kill between the two steps
// leaves it missing, and the next run puts it back.
func (p *UndeletePlan) putBack(ctx context.Context, was storage.Info) error {
	spool, err := storage.NewSpool(p.store)
	if err != nil {
		return err
	}
	defer spool.Discard() //nolint:errcheck // what matters is in the store by then
	sum, err := hashOf(ctx, p.past, was.Key, spool)
	if err != nil {
		return fmt.Errorf("read %s as it was: %w", was.Key, err)
	}
	if name, err := hex.DecodeString(path.Base(was.Key)); err == nil && len(name) == len(sum) && !bytes.Equal(name, sum[:]) {
		return fmt.Errorf("%s was damaged already then: its content does not match its name; choose an earlier time", was.Key)
	}
	if err := p.store.Delete(ctx, was.Key); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("put %s back: %w", was.Key, err)
	}
	if err := p.store.Put(ctx, was.Key, spool, storage.PutOptions{SHA256: &sum}); err != nil {
		return fmt.Errorf("put %s back: %w", was.Key, err)
	}
	return nil
}
