package repository

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

// killedBackup uploads packs without an index, and dies. It returns the blobs
// that became durable.
func killedBackup(t *testing.T, s *mem.Store, cacheDir string) []blob.Handle {
	t.Helper()
	r := openRepository(t, s, Options{CacheDir: cacheDir})
	w, err := r.NewWriter(t.Context(), WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	smallPacks(w)
	for n := range 8 {
		save(t, w, blob.Data, random(uint64(n), 8<<10))
	}
	if err := w.waitForUploads(t.Context()); err != nil {
		t.Fatal(err)
	}
	var durable []blob.Handle
	for _, p := range w.unsaved {
		for _, b := range p.Blobs {
			durable = append(durable, b.Handle)
		}
	}
	if len(durable) == 0 {
		t.Fatal("nothing was uploaded")
	}
	w.journal.f.Close() //nolint:errcheck // as the kernel does when a process is killed
	w.journal = nil
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return durable
}

func recoverUploads(t *testing.T, r *Repository, want int) {
	t.Helper()
	if n, err := r.RecoverUploads(t.Context()); err != nil || n != want {
		t.Errorf("RecoverUploads = %d, %v; want %d", n, err, want)
	}
}

func journals(t *testing.T, cacheDir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(cacheDir, "*", journalPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestUploadsOfAKilledBackupAreRecovered(t *testing.T) {
	s, cache := mem.New(), t.TempDir()
	initRepository(t, s, Options{})
	durable := killedBackup(t, s, cache)
	packs := len(filesOf(t, s, PackFile))
	r := openRepository(t, s, Options{CacheDir: cache})
	recoverUploads(t, r, packs)
	w := newWriter(t, r, WriterOptions{})
	for _, h := range durable {
		if !w.Known(h) {
			t.Errorf("%s was uploaded and is not known", h)
		}
	}
	recoverUploads(t, r, 0)
	if n := len(filesOf(t, s, IndexFile)); n != 1 {
		t.Errorf("%d index files, want 1", n)
	}
	if n := len(journals(t, cache)); n != 1 { // that of w
		t.Errorf("%d journals are left", n)
	}
	wantSound(t, s)
}

func TestRecoverUploadsIgnoresWhatIsNotThere(t *testing.T) {
	base := mem.New()
	initRepository(t, base, Options{})
	for name, change := range map[string]func(t *testing.T, s *mem.Store, key string){
		"missing":   func(t *testing.T, s *mem.Store, key string) { _ = s.Delete(t.Context(), key) },
		"truncated": func(t *testing.T, s *mem.Store, key string) { damage(t, s, key, cutTo(100)) },
		"empty":     func(t *testing.T, s *mem.Store, key string) { damage(t, s, key, cutTo(0)) },
	} {
		s, cache := base.Clone(), t.TempDir()
		killedBackup(t, s, cache)
		packs := filesOf(t, s, PackFile)
		for i := range packs {
			change(t, s, PackFile.Key(i))
			break
		}
		r := openRepository(t, s, Options{CacheDir: cache})
		recoverUploads(t, r, len(packs)-1)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// A pack that stands in the index already, in a copy of it, is not listed
// twice.
func TestRecoverUploadsIndexesOnce(t *testing.T) {
	s, cache := mem.New(), t.TempDir()
	initRepository(t, s, Options{})
	killedBackup(t, s, cache)
	r := openRepository(t, s, Options{CacheDir: cache})
	var listed []PackContent
	for i, size := range filesOf(t, s, PackFile) {
		blobs, err := r.ReadPackHeader(t.Context(), i, size)
		if err != nil {
			t.Fatal(err)
		}
		copied := PackContent{ID: id.Random(), Blobs: blobs}
		listed = append(listed, copied, PackContent{ID: i, Blobs: blobs})
	}
	if _, err := r.SaveIndex(t.Context(), listed); err != nil {
		t.Fatal(err)
	}
	recoverUploads(t, r, 0)
	if n := len(journals(t, cache)); n != 0 {
		t.Errorf("%d journals are left", n)
	}
}

func TestJournalOfALivingBackupIsLeftAlone(t *testing.T) {
	s, cache := mem.New(), t.TempDir()
	r := initRepository(t, s, Options{CacheDir: cache})
	w := smallPacks(newWriter(t, r, WriterOptions{}))
	for n := range 8 {
		save(t, w, blob.Data, random(uint64(n), 8<<10))
	}
	if err := w.waitForUploads(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := openRepository(t, s, Options{CacheDir: cache})
	recoverUploads(t, other, 0)
	if n := len(journals(t, cache)); n != 1 {
		t.Errorf("%d journals, want 1", n)
	}
	flush(t, w)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if n := len(journals(t, cache)); n != 0 {
		t.Errorf("%d journals are left", n)
	}
}

// The machine crashed while the journal was written.
func TestTornJournal(t *testing.T) {
	s, cache := mem.New(), t.TempDir()
	initRepository(t, s, Options{})
	killedBackup(t, s, cache)
	packs := len(filesOf(t, s, PackFile))
	name := journals(t, cache)[0]
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, torn := range [][]byte{whole[:len(whole)-10], append(slices.Clone(whole), "\x00\x00\x00"...), append(slices.Clone(whole), `{"packs":[{`...)} {
		s, cache := s.Clone(), t.TempDir()
		r := openRepository(t, s, Options{CacheDir: cache})
		dir, _ := r.CacheDir()
		if err := os.WriteFile(filepath.Join(dir, journalPrefix+"torn"), torn, 0o600); err != nil {
			t.Fatal(err)
		}
		want := packs
		if len(torn) < len(whole) {
			want--
		}
		recoverUploads(t, r, want)
	}
}

// A failing recovery can be repeated.
func TestRecoverUploadsFailsAndIsRepeated(t *testing.T) {
	s, cache := mem.New(), t.TempDir()
	initRepository(t, s, Options{})
	killedBackup(t, s, cache)
	packs := len(filesOf(t, s, PackFile))
	errStore := errors.New("store is down")
	for _, op := range []fault.Op{fault.OpStat, fault.OpGet, fault.OpPut} {
		f := fault.New(s, 1)
		r := openRepository(t, f, Options{CacheDir: cache})
		f.Add(fault.Rule{Op: op, Fault: fault.Before(errStore)})
		if _, err := r.RecoverUploads(t.Context()); !errors.Is(err, errStore) {
			t.Errorf("%s fails: %v", op, err)
		}
	}
	recoverUploads(t, openRepository(t, s, Options{CacheDir: cache}), packs)
}

// The rest of the packs stay in the journal when an index file is written
// between two uploads.
func TestJournalKeepsWhatIsNotIndexed(t *testing.T) {
	s, cache := mem.New(), t.TempDir()
	r := initRepository(t, s, Options{CacheDir: cache})
	j := r.newJournal()
	if j == nil {
		t.Fatal("no journal")
	}
	defer j.close() //nolint:errcheck // a test's
	var packs []PackContent
	for range 3 {
		p := PackContent{ID: id.Random(), Blobs: []blob.Blob{{Handle: data(id.Random()), Location: blob.Location{Length: 40}}}}
		packs = append(packs, p)
		if err := j.add(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.reset(packs[2:]); err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile(j.f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := decodeJournalLine(line); !ok || got != packs[2].ID {
		t.Errorf("the journal holds %s", line)
	}
}

func TestUnusableCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := mem.New()
	var warned []error
	o := Options{CacheDir: file, CacheObjects: true, Warn: func(err error) { warned = append(warned, err) }}
	r := initRepository(t, s, o)
	i := store(t, r, blob.Tree, []byte(`{"nodes":[]}`))[0]
	wantBlob(t, openRepository(t, s, o), tree(i), []byte(`{"nodes":[]}`))
	recoverUploads(t, r, 0)
	if len(warned) != 2 { // once for each time it was opened
		t.Errorf("warned of %v", warned)
	}
}
