package repository

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"holdfast/repository/blob"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// counting counts streams that were asked for and not closed.
type counting struct {
	storage.Store
	asked, open atomic.Int64
}

func (c *counting) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	stream, err := c.Store.Get(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	c.asked.Add(1)
	c.open.Add(1)
	return &countedStream{stream, c}, nil
}

type countedStream struct {
	io.ReadCloser
	c *counting
}

func (s *countedStream) Close() error {
	s.c.open.Add(-1)
	return s.ReadCloser.Close()
}

// A request is sent when a pack is started, the next one when the one before
// is being read, and none is left open, read or not.
func TestPacksAreAskedForAhead(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	var contents [][]byte
	for n := range 12 {
		contents = append(contents, random(uint64(n), 200<<10))
	}
	store(t, r, blob.Data, contents...)
	p := onlyPack(t, s)
	all := blobsOf(t, r, p)
	apart := []blob.Blob{all[0], all[5], all[10]}
	c := &counting{Store: s}
	r = loaded(t, openRepository(t, c, Options{}))
	c.asked.Store(0)
	synctest.Test(t, func(t *testing.T) {
		want := func(when string, asked, open int64) {
			t.Helper()
			synctest.Wait()
			if a, o := c.asked.Load(), c.open.Load(); a != asked || o != open {
				t.Errorf("%s: %d requests, %d open; want %d, %d", when, a, o, asked, open)
			}
		}
		read := r.StartPack(t.Context(), p, apart)
		want("started", 1, 1)
		visited := int64(0)
		err := read.Each(func(blob.Blob, []byte, error) error {
			visited++
			want("being read", min(visited+1, 3), min(2, 4-visited))
			return nil
		})
		if err != nil || visited != 3 {
			t.Errorf("visited %d, %v", visited, err)
		}
		want("read", 3, 0)
		some, whole := r.StartPack(t.Context(), p, all), r.StartWholePack(t.Context(), p, -1)
		want("two more", 5, 2)
		some.Abandon()
		whole.Abandon()
		want("abandoned", 5, 0)
		err = r.StartPack(t.Context(), p, apart).Each(func(blob.Blob, []byte, error) error {
			synctest.Wait() // until the next one is asked for
			return io.EOF
		})
		if err != io.EOF {
			t.Errorf("err = %v", err)
		}
		want("stopped", 7, 0)
	})
}

// bounded serves so many streams at once; further ones wait for a place.
type bounded struct {
	storage.Store
	places chan struct{}
}

func (b *bounded) RequestsAtOnce() int { return cap(b.places) }

func (b *bounded) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	select {
	case b.places <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	stream, err := b.Store.Get(ctx, key, offset, length)
	if err != nil {
		<-b.places
		return nil, err
	}
	return &placed{stream, b}, nil
}

type placed struct {
	io.ReadCloser
	b *bounded
}

func (p *placed) Close() error {
	<-p.b.places
	return p.ReadCloser.Close()
}

// Whatever was asked for ahead, what is needed now gets through, however few
// requests the store serves at once.
func TestAskingAheadLeavesRoom(t *testing.T) {
	s := mem.New()
	store(t, initRepository(t, s, Options{}), blob.Data, random(1, 200<<10), random(2, 200<<10))
	p := onlyPack(t, s)
	for places := 1; places <= 5; places++ {
		r := loaded(t, openRepository(t, &bounded{s, make(chan struct{}, places)}, Options{}))
		all := blobsOf(t, r, p)
		synctest.Test(t, func(t *testing.T) {
			var reads []*PackRead
			for range 12 {
				reads = append(reads, r.StartPack(t.Context(), p, all))
			}
			synctest.Wait()
			for n := len(reads) - 1; n >= 0; n-- { // the last first: the worst order
				if err := reads[n].Each(func(_ blob.Blob, _ []byte, err error) error { return err }); err != nil {
					t.Errorf("%d places: %v", places, err)
				}
			}
		})
	}
}
