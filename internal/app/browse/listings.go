package browse

import (
	"container/list"
	"context"
	"errors"
	"sync"

	"holdfast/repository/id"
)

// listing returns what a folder holds.
func (v *view) listing(ctx context.Context, folder id.ID) (*listing, error) {
	return v.place.b.listings.get(ctx, listingKey{v.place.name, folder}, func() (*listing, error) { return v.readListing(ctx, folder) })
}

// listings keeps the folders used last, up to a number of bytes.
type listings struct {
	room int

	mu     sync.Mutex
	used   int
	kept   map[listingKey]*list.Element
	recent list.List // of *keptListing, the one used last in front
	// reading are those on their way: who asks for the same one waits.
	reading map[listingKey]*readingListing
}

// listingKey names a folder. Whether it can be read depends on the repository.
type listingKey struct {
	place  string
	folder id.ID
}

type keptListing struct {
	*listing

	key  listingKey
	size int
}

// readingListing is a folder on its way. The rest is set when done is closed.
type readingListing struct {
	done    chan struct{}
	listing *listing
	err     error
}

func newListings(room int) *listings {
	return &listings{room: room, kept: make(map[listingKey]*list.Element), reading: make(map[listingKey]*readingListing)}
}

// get returns a listing that is kept, or the one that read returns. Whoever
// waits for what somebody else reads, who then leaves, reads it himself.
func (c *listings) get(ctx context.Context, key listingKey, read func() (*listing, error)) (*listing, error) {
	for {
		c.mu.Lock()
		if e, ok := c.kept[key]; ok {
			c.recent.MoveToFront(e)
			c.mu.Unlock()
			return e.Value.(*keptListing).listing, nil
		}
		r, ok := c.reading[key]
		if !ok {
			r = &readingListing{done: make(chan struct{})}
			c.reading[key] = r
			c.mu.Unlock()
			r.listing, r.err = read()
			c.finish(key, r)
			return r.listing, r.err
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-r.done:
		}
		if !errors.Is(r.err, context.Canceled) && !errors.Is(r.err, context.DeadlineExceeded) {
			return r.listing, r.err
		}
	}
}

// finish keeps what was read, but for what may be mended.
func (c *listings) finish(key listingKey, r *readingListing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.reading, key)
	close(r.done)
	if r.err != nil || len(r.listing.damage) > 0 || r.listing.instead != nil {
		return
	}
	k := &keptListing{r.listing, key, r.listing.bytes()}
	if k.size > c.room {
		return
	}
	c.kept[key] = c.recent.PushFront(k)
	for c.used += k.size; c.used > c.room; {
		c.remove(c.recent.Back())
	}
}

func (c *listings) remove(e *list.Element) {
	k := c.recent.Remove(e).(*keptListing)
	delete(c.kept, k.key)
	c.used -= k.size
}

// drop forgets the folders of a place.
func (c *listings) drop(place string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.kept {
		if key.place == place {
			c.remove(e)
		}
	}
}
