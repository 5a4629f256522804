package postgres

import (
	"context"
	"time"

	"holdfast/internal/source"
)

// A later backup takes a file over by its times, if they were old enough when
// it was read: they do not tell what is written within the same tick. The
// checkpoint that a backup begins with has just written many. So those are read
// last, when they are old enough, and the time until then is not spent waiting.
const (
	// settleTime is a little more than how much older than the beginning of a
	// backup the times of a file must be for source.Reuse to trust them.
	settleTime = reuseTime + 100*time.Millisecond
	reuseTime  = 2 * time.Second
	// settleBytes is the size of a cluster from which on it is worth to wait
	// for that: it takes longer to be read.
	settleBytes = 1 << 30
)

// unsettled tells whether an open file is to be read later.
func (l *Local) unsettled(e source.Entry) bool {
	if !l.patient || time.Since(l.began) >= settleTime {
		return false
	}
	settled := source.TimeOf(time.Now().Add(-settleTime))
	return !e.ModTime.Before(settled) || !e.ChangeTime.Before(settled)
}

// settle waits until files may be read whatever their times are.
func (l *Local) settle(ctx context.Context) error {
	select {
	case <-time.After(settleTime - time.Since(l.began)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Settled implements source.Settling. A file was read when its times were older
// than settleTime, and is as they say; or after that time, and then they are
// later than the beginning of the backup, if it is not.
func (l *Local) Settled() time.Time {
	if !l.patient {
		return time.Time{}
	}
	now, settled := time.Now(), l.began.Add(reuseTime)
	if now.Before(settled) {
		return now
	}
	return settled
}

// laterFolder has files that are read last.
type laterFolder struct {
	name, place string // as those of a walkedFolder
	files       []string
}

// putOff has a file read last.
func (w *walk) putOff(f *walkedFolder, base string) {
	if n := len(w.later); n == 0 || w.later[n-1].name != f.name {
		w.later = append(w.later, laterFolder{name: f.name, place: f.place})
	}
	last := &w.later[len(w.later)-1]
	last.files = append(last.files, base)
}

// nextLater begins to walk the next folder with files that were put off. It
// tells whether there is one.
func (w *walk) nextLater(ctx context.Context) (bool, error) {
	for len(w.later) > 0 {
		if err := w.l.settle(ctx); err != nil {
			return false, err
		}
		later := w.later[0]
		w.later = w.later[1:]
		w.close() // the folders above the one before
		_, err := w.enter(ctx, later.name, later.place)
		if vanishedIsFine(err) != nil {
			return false, err
		}
		if err == nil && len(w.stack) > 0 {
			w.stack[0].names = later.files
			return true, nil
		}
	}
	return false, nil
}
