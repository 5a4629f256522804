package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"holdfast/internal/postgres"
	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// LocalOptions tell how a base backup is taken by reading the data directory
// on this host.
type LocalOptions struct {
	// DSN says how the server is reached. The user may create replication
	// slots and execute pg_backup_start and pg_backup_stop.
	DSN string
	// DataDirectory is where the cluster lies on this host.
	DataDirectory string
	// Root is the folder of the snapshot that becomes the data directory.
	Root string
	// Label names the backup on the server.
	Label string
	// WithWAL takes along the WAL the backup needs, so that it can be restored
	// without a log archive, to its own end only.
	WithWAL bool
	// SpreadCheckpoint lets the server take its time for the checkpoint that
	// a backup begins with.
	SpreadCheckpoint bool
	// BytesPerSecond limits how fast files are read; 0 does not.
	BytesPerSecond int64
	// Readers is how many files are read at once.
	Readers int
	// SettleBytes is the size of a cluster from which on files that have just
	// changed are read last; 0 means 1 GiB.
	SettleBytes int64
	// Open opens a folder of this host, without following symlinks below it.
	Open func(folder string) (source.Source, error)
	// Warn, if set, is told of what is noteworthy, such as damaged pages. It
	// may be called from several goroutines.
	Warn func(message string)
}

// Local is a base backup under way that reads the files itself, while the
// server knows of it: between pg_backup_start and pg_backup_stop. Files may
// change while they are read; the log, replayed from Start, makes them whole.
type Local struct {
	o LocalOptions
	Facts

	session *session
	limiter *rate.Limiter
	reuse   *reuse // nil reads everything
	walk    *walk
	steps   []step
	reading sync.WaitGroup // files handed out and not closed

	// patient tells that files which have just changed are read last, and began
	// is when the backup did.
	patient bool
	began   time.Time

	mu      sync.Mutex
	sums    []summedFile
	damaged damage
}

// step yields arrivals, and then nil.
type step func(ctx context.Context) (*source.Arrival, error)

var (
	_ source.SideBySide = (*Local)(nil)
	_ source.Settling   = (*Local)(nil)
)

// StartLocal begins a base backup of the cluster on this host. It makes sure
// that the folder is the one of the server.
func StartLocal(ctx context.Context, o LocalOptions) (*Local, error) {
	s, err := openSession(ctx, o)
	if err != nil {
		return nil, err
	}
	l := &Local{o: o, session: s}
	if o.BytesPerSecond > 0 {
		l.limiter = rate.NewLimiter(rate.Limit(o.BytesPerSecond), bufferBytes)
	}
	if err := l.begin(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Local) begin(ctx context.Context) error {
	if err := l.session.proveSame(ctx, l.o); err != nil {
		return err
	}
	if err := l.session.start(ctx, l.o, &l.Facts); err != nil {
		return err
	}
	if l.TotalBytes >= uint64(cmp.Or(l.o.SettleBytes, settleBytes)) { //nolint:gosec // not negative
		l.patient, l.began = true, time.Now()
	}
	walk, err := newWalk(ctx, l)
	if err != nil {
		return err
	}
	l.walk = walk
	l.steps = []step{walk.next, l.control, l.stop}
	return nil
}

// Close ends the session, and with it the backup, if it is still under way:
// the server is left as it was.
func (l *Local) Close() error {
	if l.walk != nil {
		l.walk.close()
	}
	return l.session.close()
}

// Readers is how many files may be read at once.
func (l *Local) Readers() int { return max(1, l.o.Readers) }

// Next returns the next file or directory.
func (l *Local) Next(ctx context.Context) (*source.Arrival, error) {
	if err := l.session.keepAlive(ctx); err != nil {
		return nil, err
	}
	for len(l.steps) > 0 {
		a, err := l.steps[0](ctx)
		if a != nil || err != nil {
			return a, err
		}
		l.steps = l.steps[1:]
	}
	return nil, io.EOF
}

// content arranges for an open file to be read.
func (l *Local) content(ctx context.Context, name, place string, f source.File) *localFile {
	l.reading.Add(1)
	c := &localFile{l: l, ctx: ctx, name: name, place: place, file: f, left: f.Entry().Size, relation: isRelation(name)}
	if c.relation && l.session.checksums {
		c.check = &pageCheck{blockBytes: l.session.blockBytes, first: l.session.firstBlock(name), start: l.Start}
	}
	return c
}

// made is a file that is not read but made, or small and read already.
func (l *Local) made(name string, mode os.FileMode, content []byte) *source.Arrival {
	now := time.Now()
	return &source.Arrival{Path: path.Join(l.o.Root, name), Content: bytes.NewReader(content), Node: tree.Node{
		Type: tree.File, Mode: mode, ModTime: now, AccessTime: now, ChangeTime: now, Size: uint64(len(content)), Links: 1,
		UID: l.session.owner.UID, GID: l.session.owner.GID, User: l.session.owner.User, Group: l.session.owner.Group,
	}}
}

// madeSummed is made for a file that the manifest lists.
func (l *Local) madeSummed(name string, content []byte) *source.Arrival {
	l.add(summedFile{name: name, size: int64(len(content)), modified: time.Now(), sum: crc32.Checksum(content, castagnoli())})
	return l.made(name, 0o600, content)
}

// add notes a file for the manifest.
func (l *Local) add(f summedFile) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sums = append(l.sums, f)
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func (l *Local) warn(format string, args ...any) {
	if l.o.Warn != nil {
		l.o.Warn(fmt.Sprintf(format, args...))
	}
}

// waitRead waits until every file handed out was read to its end.
func (l *Local) waitRead(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		l.reading.Wait()
		close(done)
	}()
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(aliveEvery):
			if err := l.session.keepAlive(ctx); err != nil {
				return err
			}
		}
	}
}

// control hands over pg_control, which is read after all else: on a standby it
// says how far the files may be ahead.
func (l *Local) control(ctx context.Context) (*source.Arrival, error) {
	if err := l.waitRead(ctx); err != nil {
		return nil, err
	}
	content, err := readControl(ctx, l.o.DataDirectory)
	if err != nil {
		return nil, err
	}
	l.steps[0] = finished
	return l.madeSummed(postgres.ControlFile, content), nil
}

// finished is a step that has nothing more.
func finished(context.Context) (*source.Arrival, error) { return nil, nil } //nolint:nilnil // as step says

// yieldOnce is a step that yields one file.
func yieldOnce(a *source.Arrival) step {
	return func(context.Context) (*source.Arrival, error) {
		next := a
		a = nil
		return next, nil
	}
}

// stop ends the backup on the server, and arranges for what is known then.
func (l *Local) stop(ctx context.Context) (*source.Arrival, error) {
	end, err := l.session.stop(ctx)
	if err != nil {
		return nil, err
	}
	if err := end.check(&l.Facts); err != nil {
		return nil, err
	}
	l.End = end.lsn
	l.steps = append(l.steps, yieldOnce(l.madeSummed("backup_label", end.label)))
	if len(end.tablespaces) > 0 {
		l.steps = append(l.steps, yieldOnce(l.madeSummed("tablespace_map", end.tablespaces)))
	}
	if l.o.WithWAL {
		log, err := l.neededLog(ctx)
		if err != nil {
			return nil, err
		}
		l.steps = append(l.steps, log)
	}
	l.nameDamage(ctx)
	l.steps = append(l.steps, l.manifest)
	return nil, nil //nolint:nilnil // as step says
}

func (l *Local) manifest(ctx context.Context) (*source.Arrival, error) {
	if err := l.waitRead(ctx); err != nil { // the log's files
		return nil, err
	}
	content, err := l.writeManifest()
	if err != nil {
		return nil, fmt.Errorf("write the backup manifest: %w", err)
	}
	l.steps[0] = finished
	return l.made(manifestName, 0o600, content), nil
}
