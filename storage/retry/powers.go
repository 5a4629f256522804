package retry

import (
	"context"

	"holdfast/storage"
)

var _ storage.PowerWrapper = (*Store)(nil)

// Power makes the operations of a power be tried again as all others are:
// each of them can be done twice. A view of the past (Versioned.AsOf) is a
// Store of its own and is left as it is.
func (s *Store) Power(want, have any) any {
	switch want.(type) {
	case *storage.Cleaner:
		return cleaner{have.(storage.Cleaner), s}
	case *storage.Locker:
		return locker{have.(storage.Locker), s}
	case *storage.Versioned:
		return versioned{have.(storage.Versioned), s}
	case *storage.Tiering:
		return tiering{have.(storage.Tiering), s}
	case *storage.BatchDeleter:
		return batchDeleter{have.(storage.BatchDeleter), s}
	case *storage.Managed:
		return managed{have.(storage.Managed), s}
	}
	return have
}

// ask is do for operations that return something.
func ask[T any](ctx context.Context, s *Store, op, key string, attempt func() (T, error)) (answer T, err error) {
	err = s.do(ctx, op, key, func() (err error) {
		answer, err = attempt()
		return err
	})
	return answer, err
}

type cleaner struct {
	storage.Cleaner
	s *Store
}

func (p cleaner) Clean(ctx context.Context) error {
	return p.s.do(ctx, "clean", "", func() error { return p.Cleaner.Clean(ctx) })
}

type locker struct {
	storage.Locker
	s *Store
}

func (p locker) CheckLocking(ctx context.Context) error {
	return p.s.do(ctx, "check locking", "", func() error { return p.Locker.CheckLocking(ctx) })
}

func (p locker) Retention(ctx context.Context, key string) (storage.Retention, error) {
	return ask(ctx, p.s, "read retention", key, func() (storage.Retention, error) { return p.Locker.Retention(ctx, key) })
}

func (p locker) Extend(ctx context.Context, key string, r storage.Retention) error {
	return p.s.do(ctx, "lock", key, func() error { return p.Locker.Extend(ctx, key, r) })
}

type versioned struct {
	storage.Versioned
	s *Store
}

func (p versioned) CheckVersions(ctx context.Context) error {
	return p.s.do(ctx, "check versions", "", func() error { return p.Versioned.CheckVersions(ctx) })
}

func (p versioned) Undelete(ctx context.Context, key string) error {
	return p.s.do(ctx, "undelete", key, func() error { return p.Versioned.Undelete(ctx, key) })
}

type tiering struct {
	storage.Tiering
	s *Store
}

func (p tiering) Tier(ctx context.Context, key string) (storage.Tier, error) {
	return ask(ctx, p.s, "read class", key, func() (storage.Tier, error) { return p.Tiering.Tier(ctx, key) })
}

func (p tiering) ListTiers(ctx context.Context, prefix string, visit func(storage.Info, storage.Tier) error) error {
	return p.s.listAgain(ctx, prefix, func(once func(key string, visit func() error) error) error {
		return p.Tiering.ListTiers(ctx, prefix, func(info storage.Info, t storage.Tier) error {
			return once(info.Key, func() error { return visit(info, t) })
		})
	})
}

func (p tiering) MarkBulk(ctx context.Context, key string) error {
	return p.s.do(ctx, "mark", key, func() error { return p.Tiering.MarkBulk(ctx, key) })
}

func (p tiering) Thaw(ctx context.Context, key string, o storage.ThawOptions) error {
	return p.s.do(ctx, "thaw", key, func() error { return p.Tiering.Thaw(ctx, key, o) })
}

type batchDeleter struct {
	storage.BatchDeleter
	s *Store
}

func (p batchDeleter) DeleteBatch(ctx context.Context, keys []string) ([]string, error) {
	return ask(ctx, p.s, "delete", "", func() ([]string, error) { return p.BatchDeleter.DeleteBatch(ctx, keys) })
}

// managed leaves Apply alone: its error says what could not be changed, and
// whoever planned the changes plans anew.
type managed struct {
	storage.Managed
	s *Store
}

func (p managed) Settings(ctx context.Context) (storage.Settings, error) {
	return ask(ctx, p.s, "read settings", "", func() (storage.Settings, error) { return p.Managed.Settings(ctx) })
}
