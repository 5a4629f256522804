package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/codec"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// wantDamaged checks that err names a damaged pack, and the blob in it.
func wantDamaged(t *testing.T, err error, packID id.ID, h blob.Handle) {
	t.Helper()
	var c *CorruptError
	if !errors.As(err, &c) || c.Kind != PackFile || c.ID != packID || !bytes.Contains([]byte(c.Detail), []byte(h.String())) {
		t.Errorf("got %v, want damage of pack %s at %s", err, packID.Short(), h)
	}
}

func TestEveryCopyIsTried(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	content := []byte("stored twice")
	i := store(t, r, blob.Data, content)[0]
	w := newWriter(t, r, WriterOptions{Rewrite: true})
	save(t, w, blob.Data, content)
	flush(t, w)
	places := r.Index().LookupAll(nil, data(i))
	if len(places) != 2 {
		t.Fatalf("stored %d times", len(places))
	}
	whole := s.Clone()
	for n := range places {
		s := whole.Clone()
		damage(t, s, PackFile.Key(places[n].Pack), flipBit(20))
		wantBlob(t, openRepository(t, s, Options{}), data(i), content)
		if err := s.Delete(t.Context(), PackFile.Key(places[n].Pack)); err != nil {
			t.Fatal(err)
		}
		wantBlob(t, openRepository(t, s, Options{}), data(i), content)
	}
	for n := range places {
		damage(t, s, PackFile.Key(places[n].Pack), flipBit(20))
	}
	_, err := r.LoadBlob(t.Context(), data(i), nil)
	for _, p := range places {
		if !bytes.Contains([]byte(err.Error()), []byte(p.Pack.Short())) {
			t.Errorf("%v does not name pack %s", err, p.Pack.Short())
		}
	}
	if _, err := r.LoadBlob(t.Context(), tree(i), nil); !errors.Is(err, ErrNotIndexed) {
		t.Errorf("another type: %v", err)
	}
}

func TestDamagedBlobs(t *testing.T) {
	text := bytes.Repeat([]byte("text "), 1000)
	for name, change := range map[string]func([]byte) []byte{
		"flip in the IV":   flipBit(3),
		"flip in the text": flipBit(30),
		"truncated":        cutTo(40),
		"empty":            cutTo(0),
	} {
		for _, content := range [][]byte{text, random(1, 5000)} {
			s := mem.New()
			r := initRepository(t, s, Options{})
			i := store(t, r, blob.Data, content)[0]
			p := onlyPack(t, s)
			damage(t, s, PackFile.Key(p), change)
			got, err := r.LoadBlob(t.Context(), data(i), nil)
			if got != nil {
				t.Errorf("%s: data is returned", name)
			}
			wantDamaged(t, err, p, data(i))
			if damaged, err := r.DamagedPacks(t.Context()); err != nil || damaged.Has(p) != (name == "truncated" || name == "empty") {
				t.Errorf("%s: DamagedPacks = %v, %v", name, damaged, err)
			}
		}
	}
}

func TestFailureToReadIsNoDamage(t *testing.T) {
	f := fault.New(mem.New(), 1)
	r := initRepository(t, f, Options{})
	i := store(t, r, blob.Data, random(1, 5000))[0]
	errStore := errors.New("connection reset")
	for _, fl := range []fault.Fault{fault.Before(errStore), fault.Cut(errStore)} {
		f.Clear()
		f.Add(fault.Rule{Op: fault.OpGet, Fault: fl})
		_, err := r.LoadBlob(t.Context(), data(i), nil)
		if !errors.Is(err, errStore) || IsCorrupt(err) {
			t.Errorf("LoadBlob = %v", err)
		}
		err = r.StreamPack(t.Context(), onlyPack(t, f), blobsOf(t, r, onlyPack(t, f)), func(blob.Blob, []byte, error) error {
			t.Error("visited")
			return nil
		})
		if !errors.Is(err, errStore) || IsCorrupt(err) {
			t.Errorf("StreamPack = %v", err)
		}
	}
}

// hostile are index entries that no program writes, made from a sound one.
func hostile(b blob.Blob) []blob.Blob {
	change := func(f func(*blob.Blob)) blob.Blob { c := b; f(&c); return c }
	return []blob.Blob{
		change(func(b *blob.Blob) { b.Offset = math.MaxUint32 }),
		change(func(b *blob.Blob) { b.Offset, b.Length = math.MaxUint32, math.MaxUint32 }),
		change(func(b *blob.Blob) { b.Length = math.MaxUint32 }),
		change(func(b *blob.Blob) { b.Length = maxBlobBytes }),
		change(func(b *blob.Blob) { b.Length = 0 }),
		change(func(b *blob.Blob) { b.Length = blob.Overhead - 1 }),
		change(func(b *blob.Blob) { b.Length-- }),
		change(func(b *blob.Blob) { b.Offset++ }),
		change(func(b *blob.Blob) { b.PlainLength = math.MaxUint32 }),
		change(func(b *blob.Blob) { b.PlainLength = maxBlobBytes }),
		change(func(b *blob.Blob) { b.PlainLength-- }),
		change(func(b *blob.Blob) { b.PlainLength = 0 }),
		change(func(b *blob.Blob) { b.ID = id.Random() }),
	}
}

func TestHostileIndexEntries(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	store(t, r, blob.Data, bytes.Repeat([]byte("text "), 1000))
	p := onlyPack(t, s)
	sound := blobsOf(t, r, p)[0]
	for _, b := range hostile(sound) {
		allocated := allocatedBy(func() {
			if got, err := r.loadBlobAt(t.Context(), b, nil); err == nil || got != nil {
				t.Errorf("%+v is read", b.Location)
			} else {
				wantDamaged(t, err, p, b.Handle)
			}
			var seen []error
			err := r.StreamPack(t.Context(), p, []blob.Blob{b, sound}, func(b blob.Blob, plain []byte, err error) error {
				seen = append(seen, err)
				return nil
			})
			if err != nil || len(seen) != 2 || !IsCorrupt(seen[0]) || seen[1] != nil {
				t.Errorf("%+v: StreamPack = %v, visited with %v", b.Location, err, seen)
			}
		})
		if allocated > 4*trustedBytes {
			t.Errorf("%+v takes %d MiB", b.Location, allocated>>20)
		}
	}
}

func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestLargeBlobs(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	contents := [][]byte{random(1, trustedBytes+12345), bytes.Repeat([]byte("large folder "), 2<<20), {}}
	for _, c := range contents {
		i := store(t, r, blob.Tree, c)[0]
		wantBlob(t, r, tree(i), c)
	}
}

// rustic compresses with a streaming encoder, whose frames do not say how
// long their content is.
func TestFramesWithoutLength(t *testing.T) {
	content := bytes.Repeat([]byte("large folder "), 2<<20)
	var frame bytes.Buffer
	e, err := zstd.NewWriter(&frame)
	if err != nil {
		t.Fatal(err)
	}
	e.Write(content) //nolint:errcheck // into memory
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if codec.Contradicts(frame.Bytes(), len(content)) {
		t.Fatal("the frame contradicts its length")
	}
	s := mem.New()
	r := initRepository(t, s, Options{})
	b := blob.Blob{Handle: tree(id.Hash(content)), Location: blob.Location{PlainLength: uint32(len(content))}}
	got, err := r.openBlob(b, r.key.Seal(nil, frame.Bytes()), nil)
	if err != nil || !bytes.Equal(got, content) {
		t.Error(err)
	}
}

// streamed is what StreamPack visited.
type streamed struct {
	good, bad []blob.Handle
}

func stream(t *testing.T, r *Repository, packID id.ID, blobs []blob.Blob) streamed {
	t.Helper()
	var s streamed
	err := r.StreamPack(t.Context(), packID, blobs, func(b blob.Blob, plain []byte, err error) error {
		switch {
		case err != nil:
			wantDamaged(t, err, packID, b.Handle)
			s.bad = append(s.bad, b.Handle)
		case id.Hash(plain) != b.ID:
			t.Errorf("%s comes with other bytes", b.Handle)
		default:
			s.good = append(s.good, b.Handle)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return s
}

func handles(blobs []blob.Blob) []blob.Handle {
	var h []blob.Handle
	for _, b := range blobs {
		h = append(h, b.Handle)
	}
	return h
}

func TestStreamPack(t *testing.T) {
	s := mem.New()
	f := fault.New(s, 1)
	r := initRepository(t, f, Options{})
	var contents [][]byte
	for n := range 12 {
		contents = append(contents, random(uint64(n), 200<<10))
	}
	store(t, r, blob.Data, contents...)
	p := onlyPack(t, s)
	all := blobsOf(t, r, p)
	reversed := slices.Clone(all)
	slices.Reverse(reversed)
	tests := map[string]struct {
		blobs    []blob.Blob
		requests int
	}{
		"all":          {all, 1},
		"none":         {nil, 0},
		"small gaps":   {[]blob.Blob{all[0], all[2], all[4]}, 1},
		"a large gap":  {[]blob.Blob{all[0], all[1], all[8], all[9]}, 2},
		"out of order": {reversed, len(all)},
		"repeated":     {[]blob.Blob{all[3], all[3], all[3]}, 3},
	}
	for name, test := range tests {
		before := f.Count()
		got := stream(t, r, p, test.blobs)
		if !slices.Equal(got.good, handles(test.blobs)) {
			t.Errorf("%s: visited %v", name, got)
		}
		if n := f.Count() - before; n != test.requests {
			t.Errorf("%s: %d requests, want %d", name, n, test.requests)
		}
	}

	whole := s.Clone()
	damage(t, s, PackFile.Key(p), flipBit(int(all[5].Offset)+100))
	got := stream(t, r, p, all)
	if !slices.Equal(got.bad, handles(all[5:6])) || len(got.good) != len(all)-1 {
		t.Errorf("one damaged blob: %d good, bad %v", len(got.good), got.bad)
	}

	r = openRepository(t, whole, Options{})
	damage(t, whole, PackFile.Key(p), cutTo(int(all[7].Offset)+100))
	got = stream(t, r, p, all)
	if !slices.Equal(got.good, handles(all[:7])) || !slices.Equal(got.bad, handles(all[7:])) {
		t.Errorf("truncated: %d good, %d bad", len(got.good), len(got.bad))
	}

	errStop := errors.New("stop")
	n := 0
	err := r.StreamPack(t.Context(), p, all, func(blob.Blob, []byte, error) error { n++; return errStop })
	if err != errStop || n != 1 {
		t.Errorf("stopped after %d with %v", n, err)
	}
}

// Whoever visits may load other blobs, however many do so at once.
func TestStreamsDoNotStarveLoads(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	ids := store(t, r, blob.Data, texts(20)...)
	p := onlyPack(t, s)
	blobs := blobsOf(t, r, p)
	var all, first sync.WaitGroup
	first.Add(3 * maxReaders)
	for range 3 * maxReaders {
		all.Go(func() {
			var once sync.Once
			err := r.StreamPack(t.Context(), p, blobs, func(b blob.Blob, _ []byte, _ error) error {
				once.Do(func() { first.Done(); first.Wait() }) // all streams are under way
				_, err := r.LoadBlob(t.Context(), data(ids[0]), nil)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestReadPackHeader(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	store(t, r, blob.Data, texts(20)...)
	p := onlyPack(t, s)
	size := filesOf(t, s, PackFile)[p]
	found, err := r.ReadPackHeader(t.Context(), p, size)
	if err != nil || !slices.Equal(found, blobsOf(t, r, p)) || PackSize(found) != size {
		t.Errorf("%d blobs, %v", len(found), err)
	}
	whole := s.Clone()
	for name, change := range map[string]func([]byte) []byte{
		"length field": flipBit(int(size) - 1),
		"header":       flipBit(int(size) - 10),
		"truncated":    cutTo(int(size) - 1),
		"empty":        cutTo(0),
		"longer":       func(b []byte) []byte { return append(b, b...) },
	} {
		s := whole.Clone()
		damage(t, s, PackFile.Key(p), change)
		r := openRepository(t, s, Options{})
		for _, size := range []int64{size, filesOf(t, s, PackFile)[p], 0, -1, math.MaxInt64} {
			if name == "longer" && size == filesOf(t, whole, PackFile)[p] {
				continue // reads the old end
			}
			if _, err := r.ReadPackHeader(t.Context(), p, size); !IsCorrupt(err) {
				t.Errorf("%s, %d bytes: %v", name, size, err)
			}
		}
	}
	if _, err := r.ReadPackHeader(t.Context(), id.Random(), size); !errors.Is(err, storage.ErrNotFound) || IsCorrupt(err) {
		t.Errorf("a missing pack: %v", err)
	}
}

func TestLoadBlobReusesTheBuffer(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	i := store(t, r, blob.Data, []byte("content"))[0]
	dst := make([]byte, 3, 100)
	got, err := r.LoadBlob(t.Context(), data(i), dst)
	if err != nil || string(got) != "content" || &got[0] != &dst[0] {
		t.Errorf("%q, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.LoadBlob(ctx, data(i), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestFreezeHoldsBackNewOperations(t *testing.T) {
	g := &gate{Store: mem.New()}
	operations := map[string]func(context.Context) error{
		"put":    func(ctx context.Context) error { return g.Put(ctx, "a", storage.Bytes(nil), storage.PutOptions{}) },
		"get":    func(ctx context.Context) error { _, err := g.Get(ctx, "a", 0, -1); return err },
		"stat":   func(ctx context.Context) error { _, err := g.Stat(ctx, "a"); return err },
		"list":   func(ctx context.Context) error { return g.List(ctx, "", func(storage.Info) error { return nil }) },
		"delete": func(ctx context.Context) error { return g.Delete(ctx, "a") },
	}
	thaw, thawToo := g.freeze(), g.freeze()
	var done sync.WaitGroup
	for name, operate := range operations {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(fmt.Errorf("lost: %w", ErrLockLost))
		if err := operate(ctx); !errors.Is(err, ErrLockLost) {
			t.Errorf("%s while frozen: %v", name, err)
		}
		done.Go(func() {
			if err := operate(t.Context()); err != nil && !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	thaw()
	if g.all.closed() == nil {
		t.Error("one thaw undoes two freezes")
	}
	if _, err := g.Store.Stat(t.Context(), "a"); !errors.Is(err, storage.ErrNotFound) {
		t.Error("something passed while frozen")
	}
	thawToo()
	done.Wait()
}
