package repository

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/seal"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/local"
	"holdfast/storage/mem"
)

func TestConcurrentSavesStoreOnce(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	w := newWriter(t, r, WriterOptions{})
	contents := texts(300)
	var fresh atomic.Int32
	var saving sync.WaitGroup
	for g := range 8 {
		saving.Go(func() {
			for n := range contents {
				c := contents[(n*7+g*31)%len(contents)]
				saved, err := w.Save(t.Context(), blob.Data, c)
				if err != nil || saved.ID != id.Hash(c) || saved.Known != (saved.StoredBytes == 0) {
					t.Errorf("Save = %+v, %v", saved, err)
				}
				if !saved.Known {
					fresh.Add(1)
				}
				if !w.Known(data(saved.ID)) {
					t.Error("a saved blob is not known")
				}
				if n == 150 && g == 0 {
					if err := w.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	saving.Wait()
	flush(t, w)
	if int(fresh.Load()) != len(contents) || r.Index().Len() != len(contents) {
		t.Errorf("%d blobs stored, %d in the index, want %d", fresh.Load(), r.Index().Len(), len(contents))
	}
	again := openRepository(t, s, Options{})
	for _, c := range contents {
		wantBlob(t, again, data(id.Hash(c)), c)
	}
}

func TestPacksAreFullAndSpread(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	w := newWriter(t, r, WriterOptions{PackSizeBytes: MinPackSize})
	const blobs, blobBytes = 160, 100 << 10 // almost 4 packs
	var ids []id.ID
	for n := range blobs {
		ids = append(ids, save(t, w, blob.Data, random(uint64(n), blobBytes))...)
	}
	save(t, w, blob.Tree, []byte(`{"nodes":[]}`))
	flush(t, w)
	small := 0
	for i, size := range filesOf(t, s, PackFile) {
		if size < MinPackSize {
			small++
		}
		if size > MinPackSize+2*blobBytes {
			t.Errorf("pack %s has %d bytes", i.Short(), size)
		}
		found, err := r.ReadPackHeader(t.Context(), i, size)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range found {
			if b.Type != found[0].Type {
				t.Error("a pack mixes data and trees")
			}
		}
	}
	if small > openPackers+1 { // the rest of the data, and the tree
		t.Errorf("%d packs are not full", small)
	}
	changes := 0
	for n := range blobs - 1 {
		a, _ := r.Index().Lookup(data(ids[n]))
		b, _ := r.Index().Lookup(data(ids[n+1]))
		if a.Pack != b.Pack {
			changes++
		}
	}
	if changes < blobs/5 {
		t.Errorf("of %d neighbours %d are in different packs: blobs are not spread", blobs, changes)
	}
}

func TestFlushMergesSmallPacks(t *testing.T) {
	for name, s := range map[string]storage.Store{"mem": mem.New(), "local": openLocal(t, t.TempDir())} {
		r := initRepository(t, s, Options{})
		var contents [][]byte
		for n := range 20 {
			contents = append(contents, random(uint64(n), 3000+n))
		}
		ids := store(t, r, blob.Data, contents...)
		onlyPack(t, s)
		again := openRepository(t, s, Options{})
		for n, i := range ids {
			wantBlob(t, again, data(i), contents[n])
		}
		if t.Failed() {
			t.Log(name)
		}
	}
}

func openLocal(t testing.TB, dir string) storage.Store {
	t.Helper()
	s, err := local.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What lies in a spool may be damaged by the disk it lies on.
func TestMergeAuthenticatesWhatItReadsBack(t *testing.T) {
	k, o := testOpenPack(t, &flippingSpool{}), testOpenPack(t, &flippingSpool{flip: true})
	key := seal.NewKey()
	if err := o.builder.Add(data(id.Random()), key.Seal(nil, []byte("content")), 0); err != nil {
		t.Fatal(err)
	}
	if err := k.absorb(o, key); !errors.Is(err, seal.ErrUnauthenticated) {
		t.Errorf("absorb = %v", err)
	}
}

func testOpenPack(t *testing.T, s *flippingSpool) *openPack {
	var err error
	if s.Spool, err = mem.New().NewSpool(); err != nil {
		t.Fatal(err)
	}
	return newOpenPackIn(s, MinPackSize)
}

type flippingSpool struct {
	storage.Spool
	flip bool
}

func (s *flippingSpool) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.Spool.ReadAt(p, off)
	if s.flip && n > 20 {
		p[20] ^= 1
	}
	return n, err
}

func TestIndexIsWrittenFromTimeToTime(t *testing.T) {
	content := func(n int) PackContent {
		p := PackContent{ID: id.Random()}
		for k := range n {
			p.Blobs = append(p.Blobs, blob.Blob{Handle: data(id.Random()), Location: blob.Location{Pack: p.ID, Offset: uint32(k * 100), Length: 100}})
		}
		return p
	}
	t.Run("by number", func(t *testing.T) {
		s := mem.New()
		w := newWriter(t, initRepository(t, s, Options{}), WriterOptions{})
		for _, step := range []struct{ blobs, files int }{{indexFlushBlobs - 1, 0}, {1, 1}, {5, 1}} {
			if err := w.packDurable(t.Context(), content(step.blobs)); err != nil {
				t.Fatal(err)
			}
			if n := len(filesOf(t, s, IndexFile)); n != step.files {
				t.Errorf("%d index files, want %d", n, step.files)
			}
		}
	})
	t.Run("what does not fit waits for more", func(t *testing.T) {
		s := mem.New()
		w := newWriter(t, initRepository(t, s, Options{}), WriterOptions{})
		for _, step := range []struct{ blobs, files int }{{30_000, 0}, {30_000, 1}, {10_000, 1}, {15_000, 2}, {15_000, 2}} { // 30, 40, and 30 at the end
			if err := w.packDurable(t.Context(), content(step.blobs)); err != nil {
				t.Fatal(err)
			}
			if n := len(filesOf(t, s, IndexFile)); n != step.files {
				t.Errorf("%d index files, want %d", n, step.files)
			}
		}
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(filesOf(t, s, IndexFile)); n != 3 {
			t.Errorf("%d index files at the end, want 3", n)
		}
	})
	t.Run("by age", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := mem.New()
			w := newWriter(t, initRepository(t, s, Options{}), WriterOptions{})
			for _, step := range []struct {
				wait  time.Duration
				files int
			}{{0, 0}, {indexFlushAge - 1, 0}, {1, 1}, {time.Hour, 1}, {indexFlushAge, 2}} {
				time.Sleep(step.wait)
				if err := w.packDurable(t.Context(), content(1)); err != nil {
					t.Fatal(err)
				}
				if n := len(filesOf(t, s, IndexFile)); n != step.files {
					t.Errorf("%d index files, want %d", n, step.files)
				}
			}
		})
	})
}

// A slow index file must not hold up those who save blobs.
func TestSaveWhileTheIndexIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fault.New(mem.New(), 1)
		r := initRepository(t, f, Options{})
		w := newWriter(t, r, WriterOptions{})
		f.Add(fault.Rule{Op: fault.OpPut, Prefix: "index/", Fault: fault.Delay(time.Hour)})
		ids := save(t, w, blob.Data, []byte("one"))
		start := time.Now()
		flushed := make(chan error)
		go func() { flushed <- w.Flush(t.Context()) }()
		time.Sleep(time.Minute)
		save(t, w, blob.Data, []byte("two"))
		if saved, err := w.Save(t.Context(), blob.Data, []byte("one")); err != nil || !saved.Known {
			t.Errorf("a blob on its way into the index: %+v, %v", saved, err)
		}
		if time.Since(start) > time.Minute {
			t.Error("Save waited for the index")
		}
		if err := <-flushed; err != nil {
			t.Error(err)
		}
		flush(t, w)
		if r.Index().Len() != 2 || !r.Index().Has(data(ids[0])) {
			t.Errorf("%d blobs are in the index", r.Index().Len())
		}
	})
}

func TestRewriteStoresEachBlobOnce(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	i := store(t, r, blob.Data, []byte("content"))[0]
	w := newWriter(t, r, WriterOptions{Rewrite: true})
	for range 3 { // before and after it stands in the index
		save(t, w, blob.Data, []byte("content"))
		save(t, w, blob.Data, []byte("content"))
		flush(t, w)
	}
	if n := len(r.Index().LookupAll(nil, data(i))); n != 2 {
		t.Errorf("the blob is stored %d times, want 2", n)
	}
}

func TestDistrustedPacksDoNotCount(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	i := store(t, r, blob.Data, []byte("content"))[0]
	bad := onlyPack(t, s)
	for range 2 {
		w := newWriter(t, r, WriterOptions{Distrusted: id.NewSet(bad)})
		save(t, w, blob.Data, []byte("content"))
		save(t, w, blob.Data, []byte("content"))
		flush(t, w)
	}
	if n := len(r.Index().LookupAll(nil, data(i))); n != 2 {
		t.Errorf("the blob is stored %d times, want 2", n)
	}
}

func TestSaveAgain(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	i := store(t, r, blob.Tree, []byte(`{"nodes":[]}`))[0]
	w := newWriter(t, r, WriterOptions{})
	for n := range 3 {
		saved, err := w.SaveAgain(t.Context(), blob.Tree, []byte(`{"nodes":[]}`))
		if err != nil || saved.ID != i || saved.Known != (n > 0) {
			t.Errorf("SaveAgain %d = %+v, %v", n, saved, err)
		}
		if n == 1 {
			flush(t, w)
		}
	}
	if saved, err := w.Save(t.Context(), blob.Tree, []byte(`{"nodes":[]}`)); err != nil || !saved.Known {
		t.Errorf("Save = %+v, %v", saved, err)
	}
	flush(t, w)
	if n := len(r.Index().LookupAll(nil, tree(i))); n != 2 {
		t.Errorf("the blob is stored %d times, want 2", n)
	}
}

// flippingKey seals wrongly, as a machine with faulty memory does.
type flippingKey struct {
	sealKey
	at int
}

func (k flippingKey) Seal(dst, plain []byte) []byte {
	sealed := k.sealKey.Seal(dst, plain)
	sealed[len(dst)+k.at] ^= 1
	return sealed
}

// A flip before the seal is authentic, and only the comparison finds it.
type flippedPlain struct{ sealKey }

func (k flippedPlain) Seal(dst, plain []byte) []byte {
	wrong := bytes.Clone(plain)
	wrong[len(wrong)-1] ^= 1
	return k.sealKey.Seal(dst, wrong)
}

func TestFlippedBitsAreFoundBeforeUpload(t *testing.T) {
	key := seal.NewKey()
	pool, err := newSealers(WriterOptions{Workers: 1}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	s := <-pool
	text := bytes.Repeat([]byte("text that can be compressed "), 1000)
	for _, plain := range [][]byte{random(1, 5000), text} {
		if _, _, err := s.seal(key, blob.Data, plain); err != nil {
			t.Errorf("without a flip: %v", err)
		}
		for _, bad := range []sealKey{flippingKey{key, 0}, flippingKey{key, 40}, flippedPlain{key}} {
			if _, _, err := s.seal(bad, blob.Data, plain); !errors.Is(err, errVerify) {
				t.Errorf("%T: %v", bad, err)
			}
		}
	}
	if _, _, err := s.seal(key, blob.Data, nil); err != nil {
		t.Errorf("empty blob: %v", err)
	}
}

// A pack whose header cannot be opened can be read by its index alone: when that
// is lost, so is the pack.
func TestFlippedBitsOfHeadersAreFoundBeforeUpload(t *testing.T) {
	key := seal.NewKey()
	for _, sealing := range []sealKey{key, flippingKey{key, 0}, flippingKey{key, 40}, flippedPlain{key}} {
		k := testOpenPack(t, &flippingSpool{})
		if err := k.builder.Add(data(id.Random()), key.Seal(nil, []byte("content")), 0); err != nil {
			t.Fatal(err)
		}
		var want error
		if sealing != sealKey(key) {
			want = errVerify
		}
		if _, _, err := k.finish(sealing); !errors.Is(err, want) {
			t.Errorf("%T: %v", sealing, err)
		}
	}
}

// A blob that does not come back from our own encoder is compressed by the
// library's, and that is told.
func TestMistakesOfTheEncoderDoNoHarm(t *testing.T) {
	key := seal.NewKey()
	var told []error
	pool, err := newSealers(WriterOptions{Workers: 1}, func(err error) { told = append(told, err) })
	if err != nil {
		t.Fatal(err)
	}
	s := <-pool
	right := s.compress
	text := bytes.Repeat([]byte("text that can be compressed "), 1000)
	for n, wrong := range []func(dst, plain []byte) []byte{
		func(dst, _ []byte) []byte { return append(dst, "nonsense"...) },
		func(dst, plain []byte) []byte { return right(dst, plain[1:]) },
		func(dst, plain []byte) []byte {
			return right(dst, append([]byte("another"), plain[len("another"):]...))
		},
	} {
		s.compress = wrong
		sealed, length, err := s.seal(key, blob.Data, text)
		if err != nil || int(length) != len(text) {
			t.Fatalf("mistake %d: length %d, %v", n, length, err)
		}
		frame, err := key.Open(nil, sealed)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.codec.Decompress(nil, frame, len(text)); err != nil || !bytes.Equal(got, text) {
			t.Errorf("mistake %d is in the repository: %v", n, err)
		}
		if len(told) != n+1 || !errors.Is(told[n], errMadeAgain) {
			t.Errorf("mistake %d: told of %v", n, told)
		}
	}
}

// TestWriterFailsAtEveryOperation breaks each store operation of a Writer in
// turn. It must say so, stay broken, end, and leave nothing wrong behind.
func TestWriterFailsAtEveryOperation(t *testing.T) {
	errStore := errors.New("store is down")
	base := mem.New()
	initRepository(t, base, Options{})
	work := func(t *testing.T, s storage.Store) (failed bool) {
		r, err := Open(t.Context(), s, Options{Password: testPassword})
		if err != nil {
			return true
		}
		defer r.Close() //nolint:errcheck // temporary files
		if r.LoadIndex(t.Context()) != nil {
			return true
		}
		w, err := r.NewWriter(t.Context(), WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		smallPacks(w)
		for n := range 6 {
			_, err = w.Save(t.Context(), blob.Data, random(uint64(n), 8<<10))
			if err == nil {
				_, err = w.Save(t.Context(), blob.Tree, texts(6)[n])
			}
			if err != nil {
				failed = true
				break
			}
		}
		err = w.Flush(t.Context())
		if failed && err == nil {
			t.Error("Flush succeeds although a Save failed")
		}
		failed = err != nil
		if failed {
			for range 2 {
				if _, err := w.Save(t.Context(), blob.Data, []byte("more")); !errors.Is(err, errStore) {
					t.Errorf("Save on a broken Writer = %v", err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		if _, err := w.Save(t.Context(), blob.Data, []byte("more")); err == nil {
			t.Error("Save succeeds after Close")
		}
		return failed
	}
	counter := fault.New(base.Clone(), 1)
	if work(t, counter) {
		t.Fatal("fails without faults")
	}
	count := map[fault.Op]int{fault.OpSpool: 4}
	for _, call := range counter.Calls() {
		count[call.Op]++
	}
	for op, calls := range count {
		for n := range calls {
			for _, f := range []fault.Fault{fault.Before(errStore), fault.After(errStore)} {
				left := base.Clone()
				s := fault.New(left, 1, fault.Rule{Op: op, Skip: n, Times: 1, Fault: f})
				// The bubble ends only when no goroutine is left.
				synctest.Test(t, func(t *testing.T) {
					failed := work(t, s)
					struck := slices.ContainsFunc(s.Calls(), func(c fault.Call) bool { return c.Err != nil })
					if struck && !failed { // how many packs there are is random
						t.Errorf("nothing fails when %s %d does", op, n+1)
					}
				})
				wantSound(t, left)
			}
		}
	}
}

// wantSound checks that everything that the index lists is there.
func wantSound(t *testing.T, s storage.Store) {
	t.Helper()
	r := openRepository(t, s, Options{})
	damaged, err := r.DamagedPacks(t.Context())
	if err != nil || len(damaged) > 0 {
		t.Errorf("%d damaged packs, %v", len(damaged), err)
	}
	for b := range r.Index().All() {
		if _, err := r.LoadBlob(t.Context(), b.Handle, nil); err != nil {
			t.Error(err)
		}
	}
}

func TestCancelledSave(t *testing.T) {
	r := initRepository(t, mem.New(), Options{})
	w := newWriter(t, r, WriterOptions{Workers: 1})
	s := <-w.sealers // all sealers are busy
	ctx, cancel := context.WithCancelCause(t.Context())
	errWhy := errors.New("enough")
	cancel(errWhy)
	if _, err := w.Save(ctx, blob.Data, []byte("content")); !errors.Is(err, errWhy) {
		t.Errorf("Save = %v", err)
	}
	w.sealers <- s
	if err := w.Flush(t.Context()); !errors.Is(err, errWhy) {
		t.Errorf("Flush = %v, want the first failure", err)
	}
}

// The lock is lost while packs are on their way.
func TestLostLockEndsUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fault.New(mem.New(), 1)
		r := initRepository(t, s, Options{})
		s.Add(fault.Rule{Op: fault.OpPut, Fault: fault.Delay(24 * time.Hour)})
		locked, lose := context.WithCancelCause(t.Context())
		w, err := r.NewWriter(locked, WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		smallPacks(w)
		time.AfterFunc(time.Hour, func() { lose(ErrLockLost) })
		for n := range 10 * uploadsAtOnce { // more than fits on the way
			if _, err = w.Save(locked, blob.Data, random(uint64(n), 12<<10)); err != nil {
				break
			}
		}
		if err == nil || w.Flush(locked) == nil {
			t.Error("no error")
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if len(filesOf(t, s, PackFile)) != 0 {
			t.Error("packs were stored without a lock")
		}
	})
}

func TestClosedWriterLeavesNoTemporaryFiles(t *testing.T) {
	for _, broken := range []bool{false, true} {
		dir := t.TempDir()
		s := fault.New(openLocal(t, dir), 1)
		r := initRepository(t, s, Options{})
		w, err := r.NewWriter(t.Context(), WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		smallPacks(w)
		if broken {
			s.Add(fault.Rule{Op: fault.OpPut, Fault: fault.Full()})
		}
		for n := range 10 {
			_, _ = w.Save(t.Context(), blob.Data, random(uint64(n), 8<<10))
			_, _ = w.Save(t.Context(), blob.Tree, texts(10)[n])
		}
		if broken {
			if err := w.Flush(t.Context()); !errors.Is(err, storage.ErrFull) {
				t.Errorf("Flush = %v", err)
			}
		}
		for range 2 {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
		err = filepath.WalkDir(filepath.Join(dir, "holdfast"), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				t.Errorf("%s is left", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestWriterRefusals(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	for _, size := range []int{MinPackSize - 1, MaxPackSize + 1, -1} {
		if _, err := r.NewWriter(t.Context(), WriterOptions{PackSizeBytes: size}); err == nil {
			t.Errorf("a pack size of %d is accepted", size)
		}
	}
	ro := openRepository(t, s, Options{ReadOnly: true})
	if _, err := ro.NewWriter(t.Context(), WriterOptions{}); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("read-only: %v", err)
	}
	unloaded, err := Open(t.Context(), s, Options{Password: testPassword})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unloaded.NewWriter(t.Context(), WriterOptions{}); err == nil {
		t.Error("a Writer without an index")
	}
	unloaded.config.Version = 1
	if _, err := unloaded.NewWriter(t.Context(), WriterOptions{}); !errors.Is(err, ErrVersion1) {
		t.Errorf("version 1: %v", err)
	}
}

// Whatever is saved, in whatever order and however often, comes back.
func TestSavedBlobsComeBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := mem.New()
		r := initRepository(t, s, Options{})
		w := newWriter(t, r, WriterOptions{Workers: 1})
		want := map[blob.Handle][]byte{}
		for range rapid.IntRange(1, 20).Draw(rt, "blobs") {
			h := blob.Handle{Type: blob.Type(rapid.IntRange(0, 1).Draw(rt, "type"))}
			content := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(rt, "content")
			saved, err := w.Save(t.Context(), h.Type, content)
			if err != nil {
				rt.Fatal(err)
			}
			h.ID = saved.ID
			if _, known := want[h]; known != saved.Known {
				rt.Errorf("known: %v, want %v", saved.Known, known)
			}
			want[h] = content
			if rapid.IntRange(0, 9).Draw(rt, "flush") == 0 {
				flush(t, w)
			}
		}
		flush(t, w)
		for h, content := range want {
			got, err := r.LoadBlob(t.Context(), h, nil)
			if err != nil || !bytes.Equal(got, content) {
				rt.Errorf("%s: %v", h, err)
			}
		}
	})
}

// lingering is a store whose Puts take an hour, and that says how many of them
// it pays to have under way.
type lingering struct {
	storage.Store
	atOnce int32

	mu          sync.Mutex
	under, most int32
}

func (l *lingering) PutsAtOnce() int { return int(l.atOnce) }

func (l *lingering) count(by int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.under += by
	l.most = max(l.most, l.under)
}

func (l *lingering) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if strings.HasPrefix(key, "data/") {
		l.count(1)
		defer l.count(-1)
		time.Sleep(time.Hour)
	}
	return l.Store.Put(ctx, key, body, o)
}

func TestUploadsAtOnceAreAsManyAsTheStorePaysFor(t *testing.T) {
	for says, want := range map[int32]int32{0: uploadsAtOnce, uploadsAtOnce + 3: uploadsAtOnce + 3} {
		synctest.Test(t, func(t *testing.T) {
			s := &lingering{Store: mem.New(), atOnce: says}
			r := initRepository(t, s, Options{})
			w, err := r.NewWriter(t.Context(), WriterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			smallPacks(w)
			for n := range 10 * want {
				if _, err := w.Save(t.Context(), blob.Data, random(uint64(n), 12<<10)); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(w.Flush(t.Context()), w.Close()); err != nil {
				t.Fatal(err)
			}
			if s.most != want || s.under != 0 {
				t.Errorf("a store that says %d was sent %d packs at once, want %d; %d are under way after Close", says, s.most, want, s.under)
			}
		})
	}
}
