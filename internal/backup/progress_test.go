package backup

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"holdfast/storage"
	"holdfast/storage/mem"
)

// slowStore puts no pack before it is let.
type slowStore struct {
	storage.Store

	let chan struct{}
}

func (s *slowStore) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if strings.HasPrefix(key, "data/") {
		<-s.let
	}
	return s.Store.Put(ctx, key, body, o)
}

// What the store does not have yet is not done, however fast the source is.
func TestProgressIsWhatTheStoreHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 3 << 20
		store := &slowStore{Store: mem.New(), let: make(chan struct{})}
		b, s := newBedIn(t, store), newFake()
		s.file("/src/small", noise(size, 1))
		s.file("/src/large", noise(2*parallelFileBytes, 2))
		p := new(Progress)
		watched := func(o *Options) { o.Progress = p }
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			b.run(s, watched)
		}()
		synctest.Wait() // all is read, and waits for the store
		if read, done := p.BytesRead.Load(), p.Durable(); read != size+2*parallelFileBytes || done != 0 {
			t.Errorf("%d bytes are done of %d that were read, and the store has none", done, read)
		}
		close(store.let)
		<-ended
		if done := p.Durable(); done != size+2*parallelFileBytes {
			t.Errorf("%d bytes are done in the end", done)
		}
		p = new(Progress)
		b.run(s, watched)
		if done := p.Durable(); done != size+2*parallelFileBytes {
			t.Errorf("%d bytes are done of what the store has already", done)
		}
	})
}
