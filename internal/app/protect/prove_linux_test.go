package protect_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/internal/app/protect"
	"holdfast/internal/backup"
	"holdfast/internal/source"
	"holdfast/internal/source/files"
	"holdfast/internal/verify/proof"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/storage/mem"
	"holdfast/test/oddities"
)

// proving is a source that was backed up.
type proving struct {
	t        *testing.T
	source   string
	files    *files.Source
	repo     *repository.Repository
	snapshot *snapshot.Snapshot
	scratch  *proof.Scratch
	// damage is done to what was restored, before it is compared.
	damage func(restored string)
	// live is the source that is compared, if not files.
	live        source.Source
	limit       uint64
	differences map[string]string
}

func newProving(t *testing.T, fill func(dir string)) *proving {
	t.Helper()
	p := &proving{t: t, source: t.TempDir(), differences: map[string]string{}}
	fill(p.source)
	var err error
	if p.files, err = files.New(files.Config{Paths: []string{p.source}}); err != nil {
		t.Fatal(err)
	}
	if p.scratch, err = proof.NewScratch(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	o := repository.Options{Password: []byte("pw")}
	in := repository.InitOptions{Password: o.Password, KeyCost: repository.KeyCost{N: 2, R: 1, P: 1}}
	if p.repo, err = repository.Init(t.Context(), mem.New(), in, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.repo.Close() }) //nolint:errcheck // in memory
	if err := p.repo.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	receipt, err := backup.Run(t.Context(), p.repo, p.files, backup.Options{
		Type: snapshot.Full, Readers: 2, Snapshot: snapshot.Snapshot{Time: time.Now(), Paths: []string{p.source}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.snapshot = receipt.Snapshot
	return p
}

func (p *proving) prove() *proof.Proof {
	p.t.Helper()
	clear(p.differences)
	live := p.live
	if live == nil {
		live = p.files
	}
	proven, err := protect.Prove(p.t.Context(), p.repo, p.snapshot, protect.ProofOptions{
		Source: live, Scratch: p.scratch, Limit: p.limit,
		OnPhase: func(phase string, _, _ int, _ uint64) {
			if phase == "compare" && p.damage != nil {
				p.damage(filepath.Join(p.restored(), p.source))
			}
		},
		OnDifference: func(path string, err error) { p.differences[strings.TrimPrefix(path, p.source)] += err.Error() + "; " },
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if left, _ := os.ReadDir(p.scratch.Path()); len(left) > 0 {
		p.t.Errorf("left in the scratch folder: %v", left)
	}
	return proven
}

// restored is the scratch folder in use.
func (p *proving) restored() string {
	p.t.Helper()
	in, err := os.ReadDir(p.scratch.Path())
	if err != nil || len(in) != 1 {
		p.t.Fatal(in, err)
	}
	return filepath.Join(p.scratch.Path(), in[0].Name())
}

func (p *proving) passes(proven *proof.Proof) {
	p.t.Helper()
	if !proven.Holds() || len(p.differences) > 0 {
		p.t.Errorf("differences: %v", p.differences)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func small(t *testing.T) func(dir string) {
	return func(dir string) {
		write(t, filepath.Join(dir, "a", "letter"), "dear Ann")
		write(t, filepath.Join(dir, "a", "photo"), strings.Repeat("pixel", 100_000))
		write(t, filepath.Join(dir, "b", "list"), "milk")
		must(t, os.Link(filepath.Join(dir, "b", "list"), filepath.Join(dir, "b", "same list")))
		must(t, os.Symlink("letter", filepath.Join(dir, "a", "link")))
		must(t, unix.Mkfifo(filepath.Join(dir, "b", "pipe"), 0o600))
	}
}

func TestOdditiesAreProven(t *testing.T) {
	p := newProving(t, func(dir string) { oddities.Make(t, dir) })
	proven := p.prove()
	p.passes(proven)
	if proven.Parts != 1 || proven.Files < 20 || proven.ChangedSince != 0 {
		t.Errorf("got %+v", proven)
	}
}

func TestOdditiesAreProvenInParts(t *testing.T) {
	p := newProving(t, func(dir string) { oddities.Make(t, dir) })
	whole := p.prove()
	p.limit = 1 << 20
	parts := p.prove()
	p.passes(parts)
	if parts.Parts < 2 || parts.TooLargeFiles == 0 || parts.Room != p.limit {
		t.Errorf("got %+v", parts)
	}
	if parts.Files != whole.Files || parts.Folders != whole.Folders || parts.Others != whole.Others || parts.Bytes != whole.Bytes {
		t.Errorf("whole %+v\nin parts %+v", whole, parts)
	}
}

// Every way in which something can come back wrong is found, and named.
func TestWrongRestoresAreFound(t *testing.T) {
	cases := []struct {
		name, path string
		want       string
		damage     func(at string) error
	}{
		{"a byte", "/a/photo", "differs from the source", func(at string) error { return overwrite(at, 1234, "X") }},
		{"a longer file", "/a/letter", "its size was", func(at string) error { return appendTo(at, "!") }},
		{"a lost file", "/a/letter", "did not come back", os.Remove},
		{"a lost folder", "/a", "did not come back", os.RemoveAll},
		{"a mode", "/a/letter", "its mode was", func(at string) error { return os.Chmod(at, 0o644) }},
		{"the mode of a folder", "/a", "its mode was", func(at string) error { return os.Chmod(at, 0o755) }},
		{"a time", "/a/letter", "modification time", func(at string) error { return os.Chtimes(at, time.Now(), time.Now()) }},
		{"a link target", "/a/link", "link target", relink},
		{"a kind", "/b/pipe", "it came back as a file", func(at string) error { return replace(at, "") }},
		{"a hard link", "/b/same list", "was a hard link", split},
		{"an attribute", "/a/letter", "extended attribute user.added", func(at string) error {
			return ignoreUnsupported(unix.Setxattr(at, "user.added", []byte("x"), 0))
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := newProving(t, small(t))
			p.damage = func(restored string) {
				err := inside(filepath.Join(restored, c.path), c.damage)
				if err == errUnsupported {
					t.Skip("the file system has no attributes")
				}
				must(t, err)
			}
			proven := p.prove()
			if proven.Holds() || !strings.Contains(p.differences[c.path], c.want) {
				t.Errorf("got %v, want %q for %s", p.differences, c.want, c.path)
			}
		})
	}
}

// The source lives on: what changes is held against the snapshot.
func TestChangesSinceTheBackupAreNoFailure(t *testing.T) {
	p := newProving(t, small(t))
	write(t, filepath.Join(p.source, "a", "letter"), "dear Bob, who is new")
	must(t, os.Remove(filepath.Join(p.source, "b", "list")))
	write(t, filepath.Join(p.source, "b", "new"), "not in the snapshot")
	proven := p.prove()
	p.passes(proven)
	// The other name of the removed file has a new change time, too.
	if proven.ChangedSince != 3 {
		t.Errorf("%d items changed, want 3", proven.ChangedSince)
	}

	p.damage = func(restored string) { must(t, overwrite(filepath.Join(restored, "a", "letter"), 0, "D")) }
	if proven = p.prove(); proven.Holds() || !strings.Contains(p.differences["/a/letter"], "snapshot recorded") {
		t.Errorf("a changed file that came back wrong: %v", p.differences)
	}
}

// A source whose content rots while nothing says that it changed is a
// difference, whether the file is restored or only read.
func TestSilentChangeOfTheSourceIsFound(t *testing.T) {
	for limit, want := range map[uint64]string{0: "differs from the source", 100 << 10: "what the repository holds differs"} {
		p := newProving(t, small(t))
		p.limit, p.live = limit, rottenSource{p.files}
		if proven := p.prove(); proven.Holds() || !strings.Contains(p.differences["/a/photo"], want) {
			t.Errorf("with room for %d: got %v, want %q", limit, p.differences, want)
		}
	}
}

// rottenSource has the metadata of a source, and other content.
type rottenSource struct{ source.Source }

func (s rottenSource) Open(ctx context.Context) (source.Dir, error) {
	d, err := s.Source.Open(ctx)
	return rottenDir{d}, err
}

type rottenDir struct{ source.Dir }

func (d rottenDir) Sub(e source.Entry) (source.Dir, error) {
	sub, err := d.Dir.Sub(e)
	return rottenDir{sub}, err
}

func (d rottenDir) Open(e source.Entry) (source.File, error) {
	f, err := d.Dir.Open(e)
	return rottenFile{f}, err
}

type rottenFile struct{ source.File }

func (f rottenFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	if n > 0 {
		p[n-1] ^= 1
	}
	return n, err
}

func TestProofEndsWithItsContext(t *testing.T) {
	p := newProving(t, small(t))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := protect.Prove(ctx, p.repo, p.snapshot, protect.ProofOptions{
		Source: p.files, Scratch: p.scratch,
		OnPhase: func(string, int, int, uint64) { cancel() },
	})
	if err == nil {
		t.Error("a proof that was interrupted is given out for a proof")
	}
	if left, _ := os.ReadDir(p.scratch.Path()); len(left) > 0 {
		t.Errorf("left in the scratch folder: %v", left)
	}
}

func overwrite(path string, offset int64, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // in a test
	_, err = f.WriteAt([]byte(text), offset)
	return err
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // in a test
	_, err = f.WriteString(text)
	return err
}

func replace(path, content string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o600)
}

func relink(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.Symlink("photo", path)
}

// split makes a hard link a file of its own.
func split(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return replace(path, string(content))
}

// inside damages something and leaves the time of its folder alone.
func inside(path string, damage func(string) error) error {
	folder, err := os.Lstat(filepath.Dir(path))
	if err != nil {
		return err
	}
	if err := damage(path); err != nil {
		return err
	}
	return os.Chtimes(filepath.Dir(path), folder.ModTime(), folder.ModTime())
}

var errUnsupported = errors.New("not supported")

func ignoreUnsupported(err error) error {
	if err == unix.ENOTSUP {
		return errUnsupported
	}
	return err
}
