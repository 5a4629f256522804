package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/tree"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

func isError(err, want error) bool { return errors.Is(err, want) }

// locationOf returns where a blob of the given content is stored.
func (b *bed) locationOf(content string) blob.Location {
	b.t.Helper()
	l, ok := b.repo.Index().Lookup(blob.Handle{ID: id.Hash([]byte(content)), Type: blob.Data})
	if !ok {
		b.t.Fatalf("%.20q is not stored", content)
	}
	return l
}

// damage flips a bit of a stored blob.
func (b *bed) damage(content string) {
	b.t.Helper()
	l := b.locationOf(content)
	key := repository.PackFile.Key(l.Pack)
	r, err := b.store.Get(b.t.Context(), key, 0, -1)
	if err != nil {
		b.t.Fatal(err)
	}
	pack, err := io.ReadAll(r)
	if err != nil {
		b.t.Fatal(err)
	}
	pack[l.Offset+20] ^= 4
	b.store.(*mem.Store).Overwrite(key, pack)
}

// Files that need a damaged blob are named and leave nothing behind but what was
// there; all others are restored.
func TestDamagedBlob(t *testing.T) {
	b := newBed(t)
	bad := strings.Repeat("bad", 100)
	shared := fileOf("linked", "one", bad)
	shared.Links, shared.Inode = 3, 7
	second, third := shared, shared
	second.Name, third.Name = "linked2", "linked3"
	s := b.make(
		fileOf("alone", bad), dirOf("d", fileOf("first", bad, "two"), second), fileOf("good", "fine", "two"),
		fileOf("in place", "one", bad, "two"), fileOf("last", "one", "two", bad), shared, third, fileOf("right already", bad),
	)
	b.damage(bad)
	target := t.TempDir()
	put(t, target+"/in place", "one???")
	put(t, target+"/right already", bad)
	out := b.restoreSome(s, target, func(o *Options) { o.Verify = true })
	want := []string{"/alone", "/d/first", "/d/linked2", "/in place", "/last", "/linked", "/linked3"}
	if got := out.failed(); !slices.Equal(got, want) {
		t.Errorf("failed: %v, want %q", out.problems, want)
	}
	for path, err := range out.problems {
		if !repository.IsCorrupt(err) && !errors.Is(err, errSpoiled) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if got := lists(t, target); !slices.Equal(got, []string{"d", "good", "in place", "right already"}) {
		t.Errorf("there is %q", got)
	}
	if got := lists(t, target+"/d"); len(got) > 0 {
		t.Errorf("in the folder there is %q", got)
	}
	if content(target+"/good") != "finetwo" || out.receipt.Verified != 2 {
		t.Errorf("good is %q, %d verified", content(target+"/good"), out.receipt.Verified)
	}
}

// A blob that is stored twice is taken from the good place.
func TestDamagedBlobElsewhere(t *testing.T) {
	b := newBed(t)
	s := b.make(fileOf("f", "content", "more"), fileOf("g", "content"))
	w, err := b.repo.NewWriter(t.Context(), repository.WriterOptions{})
	if err == nil {
		_, err = w.SaveAgain(t.Context(), blob.Data, []byte("content"))
	}
	if err == nil {
		err = errors.Join(w.Flush(t.Context()), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	b.damage("content")
	target := t.TempDir()
	b.restore(s, target)
	if content(target+"/f") != "contentmore" || content(target+"/g") != "content" {
		t.Error("wrong content")
	}
}

// Without its packs or trees a restore names what is missing.
func TestMissing(t *testing.T) {
	b := newBed(t)
	s := b.make(dirOf("gone", fileOf("x", "1")), fileOf("f", "data"), fileOf("empty"))
	l := b.locationOf("data")
	if err := b.store.Delete(t.Context(), repository.PackFile.Key(l.Pack)); err != nil {
		t.Fatal(err)
	}
	target := t.TempDir()
	out := b.restoreSome(s, target)
	if got := out.failed(); !slices.Equal(got, []string{"/f", "/gone/x"}) {
		t.Errorf("failed: %v", out.problems)
	}
	if got := lists(t, target); !slices.Equal(got, []string{"empty", "gone"}) {
		t.Errorf("there is %q", got)
	}

	w, err := b.repo.NewWriter(t.Context(), repository.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	lost := fileOf("lost")
	lost.Node.Content = []id.ID{id.Random()}
	data := tree.AppendNode([]byte(`{"nodes":[`), &lost.Node)
	s.Tree = b.save(w, blob.Tree, append(data, "]}\n"...))
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, target+"/lost", "what was here")
	out = b.restoreSome(s, target, func(o *Options) { o.Overwrite = Always })
	if err := out.problems["/lost"]; !errors.Is(err, repository.ErrNotIndexed) || content(target+"/lost") != "what was here" {
		t.Errorf("%v, content %q", out.problems, content(target+"/lost"))
	}
}

// A restore that was stopped, anywhere, goes on where it was.
func TestGoesOn(t *testing.T) {
	b := newBed(t)
	var nodes []node
	for k := range 40 {
		n := fileOf(fmt.Sprintf("f%02d", k), fmt.Sprint("first", k), strings.Repeat(fmt.Sprint(k), 300_000), "last")
		nodes = append(nodes, n)
	}
	s := b.make(dirOf("d", nodes...))
	for stopAfter := 1; stopAfter < 38; stopAfter += 7 {
		target := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		done := 0
		written := func(o *Options) {
			o.OnItem = func(Item) {
				if done++; done == stopAfter {
					cancel()
				}
			}
		}
		if _, err := b.try(ctx, s, target, written); !errors.Is(err, context.Canceled) {
			t.Fatalf("not stopped: %v", err)
		}
		out := b.restore(s, target, func(o *Options) { o.Verify = true })
		if got := out.progress.BytesSkipped.Load(); got < uint64(stopAfter)*300_000 {
			t.Errorf("only %d bytes of the first attempt were used", got)
		}
		for _, n := range nodes {
			if content(target+"/d/"+n.Name) != strings.Join(n.content, "") {
				t.Errorf("%s has wrong content", n.Name)
			}
		}
	}
}

// What the store does not give is named, and comes with the next restore.
func TestStoreFails(t *testing.T) {
	f := fault.New(mem.New(), 1)
	b := newBedIn(t, f)
	s := b.make(fileOf("a", "1"), fileOf("b", "2"))
	broken := errors.New("the store is gone")
	f.Add(fault.Rule{Op: fault.OpGet, Prefix: "data/", Skip: 2, Fault: fault.Before(broken)})
	target := t.TempDir()
	out := b.restoreSome(s, target)
	if got := out.failed(); !slices.Equal(got, []string{"/a", "/b"}) || !errors.Is(out.problems["/a"], broken) {
		t.Errorf("failed: %v", out.problems)
	}
	f.Clear()
	b.restore(s, target)
	if content(target+"/a") != "1" {
		t.Error("wrong content")
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	b := newBed(t)
	s := b.make(dirOf("d", fileOf("changed", "abc", "def"), fileOf("longer", "abc"), fileOf("gone", "x"), fileOf("good", "abc", "def")), linkOf("link", "a"))
	target := t.TempDir()
	b.restore(s, target)
	put(t, target+"/d/changed", "abcdeX")
	put(t, target+"/d/longer", "abcd")
	if err := errors.Join(os.Remove(target+"/d/gone"), os.Remove(target+"/link"), os.Symlink("b", target+"/link")); err != nil {
		t.Fatal(err)
	}
	problems := map[string]error{}
	c, err := Compare(t.Context(), b.repo, s.Tree, CompareOptions{Folder: target, OnDifference: func(path string, err error) { problems[path] = err }})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(problems["/d/changed"], errDifferent) || !errors.Is(problems["/d/longer"], errDifferent) ||
		!errors.Is(problems["/d/gone"], errMissing) || problems["/link"] == nil || len(problems) != 4 {
		t.Errorf("problems: %v", problems)
	}
	if c.Files != 1 || c.Bytes != 6 || c.Differences != 4 {
		t.Errorf("comparison: %+v", c)
	}
}
