package index

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// Loader returns the plaintext of an index file.
type Loader func(ctx context.Context, file id.ID) ([]byte, error)

const (
	// maxLoads bounds the index files fetched at once: small ones wait for
	// the network more than for anything else.
	maxLoads = 8
	// loadBudget bounds the bytes of plaintext in memory at once, about. It
	// lets files of the size restic writes in one by one: with its sealed form
	// and what is decoded of it, each takes twice its size, which the garbage
	// collector may let double again.
	loadBudget = 12 << 20
	// usualFileSize is the plaintext of an index file of 50,000 blobs, which
	// is where restic begins the next one.
	usualFileSize = 8 << 20
)

// loadFiles loads and decodes index files into the builder. It returns the
// files that could not be used in bad, and in err what ends the whole.
func loadFiles(ctx context.Context, files []id.ID, load Loader, b *builder) (bad, err error) {
	l := loader{load: load, builder: b, budget: semaphore.NewWeighted(loadBudget), guess: usualFileSize}
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(maxLoads)
	for _, file := range files {
		size := l.expect()
		if l.budget.Acquire(groupCtx, size) != nil {
			break
		}
		g.Go(func() error {
			defer l.budget.Release(size)
			return l.one(groupCtx, file)
		})
	}
	err = g.Wait()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, b.sorters.Wait())
	}
	return errors.Join(l.bad...), nil
}

type loader struct {
	load    Loader
	builder *builder
	budget  *semaphore.Weighted

	mu sync.Mutex
	// guess is how large the next file is expected to be, in bytes.
	guess int64
	// spare holds staging areas to be used again.
	spare []*staged
	bad   []error
}

// one loads one file. Its error ends the loading of all.
func (l *loader) one(ctx context.Context, file id.ID) error {
	data, err := l.load(ctx, file)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s := l.stage()
	defer l.unstage(s)
	if err == nil {
		l.learn(int64(len(data)))
		err = Decode(data, func(pack id.ID, blobs []blob.Blob) error { s.addPack(pack, blobs); return nil })
	}
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.bad = append(l.bad, &FileError{ID: file, Err: err})
		return nil
	}
	return l.builder.add(file, s)
}

// expect returns how many bytes to set aside for the next file.
func (l *loader) expect() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return min(l.guess, loadBudget)
}

// learn adapts the guess: up at once, down by and by, so that one small file
// does not let many large ones in.
func (l *loader) learn(size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.guess = max(size, l.guess*7/8)
}

func (l *loader) stage() *staged {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.spare)
	if n == 0 {
		return &staged{}
	}
	s := l.spare[n-1]
	l.spare = l.spare[:n-1]
	return s
}

// maxSpare is how many staging areas are kept. They have the size of the
// largest file they held.
const maxSpare = 2

func (l *loader) unstage(s *staged) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.spare) < maxSpare {
		s.packs, s.entries = s.packs[:0], s.entries[:0]
		l.spare = append(l.spare, s)
	}
}
