package logarchive

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"

	"filippo.io/age"
	"golang.org/x/sync/semaphore"

	"holdfast/storage"
)

// sealer makes payloads: as many at once as there are processors, in the order
// in which they are asked for. More at once would end no sooner all together,
// and the first of them later; while they are stored, the next are sealed.
type sealer struct {
	recipients []age.Recipient
	turns      *semaphore.Weighted
	warn       func(error)
	framers    sync.Pool // that were used before
}

// newSealer returns a sealer that tells warn of what went wrong and did no harm.
func newSealer(recipients []age.Recipient, warn func(error)) *sealer {
	return &sealer{recipients: recipients, warn: warn, turns: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0)))}
}

// seal writes the plaintext of a segment in zstd inside age to w, and returns
// the digest of the plaintext.
func (s *sealer) seal(ctx context.Context, w io.Writer, body storage.Body) (Digest, error) {
	if err := s.turns.Acquire(ctx, 1); err != nil {
		return Digest{}, context.Cause(ctx)
	}
	defer s.turns.Release(1)
	encrypter, err := age.Encrypt(w, s.recipients...)
	if err != nil {
		return Digest{}, fmt.Errorf("encrypt: %w", err)
	}
	digest, err := s.pack(ctx, encrypter, body)
	if err == nil {
		err = encrypter.Close()
	}
	if err != nil {
		return Digest{}, fmt.Errorf("seal: %w", err)
	}
	return digest, nil
}

// pack writes the plaintext of a segment in zstd to w.
func (s *sealer) pack(ctx context.Context, w io.Writer, body storage.Body) (Digest, error) {
	f, ok := s.framers.Get().(*framer)
	if !ok {
		var err error
		if f, err = newFramer(s.warn); err != nil {
			return Digest{}, err
		}
	}
	defer s.framers.Put(f)
	return f.writeTo(ctx, w, body)
}
