package upkeep

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/pattern"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/mem"
)

func patterns(t *testing.T, list ...string) pattern.Lists {
	l, err := pattern.Parse(list)
	if err != nil {
		t.Fatal(err)
	}
	return pattern.Lists{l}
}

// rewriteAll rewrites all snapshots of a store.
func rewriteAll(ctx context.Context, s storage.Store, o RewriteOptions) (edits []Edit, err error) {
	err = with(ctx, s, func(r *repository.Repository) error {
		edits, err = Rewrite(ctx, r, o, editing(r, unlocked{between: nothing}))
		return err
	})
	return edits, err
}

func TestRewriteLeavesOutWhatMatches(t *testing.T) {
	content := files{
		"etc/passwd": []byte("root"), "home/me/a.tmp": []byte("123"), "home/me/b": []byte("b"), "home/you/b": []byte("y"), "x.tmp": []byte("12345"),
	}
	for name, tc := range map[string]struct {
		exclude []string
		want    []string
		bytes   uint64
	}{
		"suffix":       {[]string{"*.tmp"}, []string{"etc/passwd", "home/me/b", "home/you/b"}, 6},
		"anchored":     {[]string{"/home/me"}, []string{"etc/passwd", "home/you/b", "x.tmp"}, 10},
		"file by path": {[]string{"/home/*/b"}, []string{"etc/passwd", "home/me/a.tmp", "x.tmp"}, 12},
		"nothing":      {[]string{"/nowhere"}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := mem.New()
			initRepository(t, s)
			made := backUp(t, s, 0, content)
			edits, err := rewriteAll(t.Context(), s, RewriteOptions{Exclude: patterns(t, tc.exclude...), Forget: true})
			if err != nil {
				t.Fatal(err)
			}
			if tc.want == nil {
				if len(edits) != 0 {
					t.Errorf("%d snapshots changed", len(edits))
				}
				return
			}
			want := make(files)
			for _, path := range tc.want {
				want[path] = content[path]
			}
			e := edits[0].New
			wantSound(t, s, map[id.ID]files{e.Tree: want})
			if e.Summary.TotalBytesProcessed != tc.bytes || e.Summary.TotalFilesProcessed != uint64(len(want)) {
				t.Errorf("summary %+v", e.Summary)
			}
			if *e.Original != made.ID || made.Summary.TotalFilesProcessed != 5 {
				t.Errorf("original %v; the old summary became %+v", e.Original, made.Summary)
			}
			if n, _ := count(t, s, repository.SnapshotFile); n != 1 {
				t.Errorf("%d snapshots", n)
			}
		})
	}
}

func TestRewriteWithoutForgetKeepsBoth(t *testing.T) {
	s := mem.New()
	initRepository(t, s)
	made := backUp(t, s, 0, files{"a": []byte("a"), "b": []byte("b")})
	o := RewriteOptions{Exclude: patterns(t, "b"), NewHost: "new", NewTime: time.Unix(1, 0)}
	dry := o
	dry.DryRun = true
	planned, err := rewriteAll(t.Context(), s, dry)
	if err != nil || len(planned) != 1 {
		t.Fatal(err)
	}
	if n, _ := count(t, s, repository.SnapshotFile); n != 1 {
		t.Errorf("a dry run stored %d snapshots", n-1)
	}
	edits, err := rewriteAll(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	e := edits[0].New
	if e.Hostname != "new" || e.Time.Unix() != 1 || !slices.Equal(e.Tags, []string{RewriteTag}) || e.Tree != planned[0].New.Tree {
		t.Errorf("%+v", e)
	}
	wantSound(t, s, map[id.ID]files{made.Tree: {"a": []byte("a"), "b": []byte("b")}, e.Tree: {"a": []byte("a")}})
}

func TestWithSubtree(t *testing.T) {
	from, to := id.Hash([]byte("from")), id.Hash([]byte("to"))
	for name, raw := range map[string]string{
		"usual":          `{"name":"d","type":"dir","mode":2147484141,"subtree":"` + from.String() + `","unknown":1}`,
		"named after it": `{"name":"` + from.String() + `","type":"dir","mode":2147484141,"subtree":"` + from.String() + `"}`,
	} {
		got, err := withSubtree([]byte(raw), from, to)
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range tree.Nodes([]byte(`{"nodes":[` + string(got) + `]}`)) {
			if err != nil || *e.Node.Subtree != to {
				t.Errorf("%s: %s, %v", name, got, err)
			}
		}
		if name == "usual" && string(got) != strings.Replace(raw, from.String(), to.String(), 1) {
			t.Errorf("%s is not kept byte for byte: %s", raw, got)
		}
	}
}

func TestCrashInRewrite(t *testing.T) {
	s := mem.New()
	initRepository(t, s)
	tmp, kept := []byte("tmp"), []byte("kept")
	before := files{"dir/a.tmp": tmp, "dir/b": kept, "other/c": kept}
	after := files{"dir/b": kept, "other/c": kept}
	made := backUp(t, s, 0, before)
	o := RewriteOptions{Exclude: patterns(t, "*.tmp"), Forget: true}
	planned, err := rewriteAll(t.Context(), s, RewriteOptions{Exclude: o.Exclude, Forget: true, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	replay(t, fault.Replay{
		Fresh: func() storage.Store { return s.Clone() },
		Job: func(ctx context.Context, s storage.Store) error {
			_, err := rewriteAll(ctx, s, o)
			return err
		},
		Check: func(t *testing.T, left storage.Store) {
			wantOneOf(t, left, made.Tree, planned[0].New.Tree)
			if _, err := rewriteAll(t.Context(), left, o); err != nil {
				t.Fatalf("rewrite again: %v", err)
			}
			wantSound(t, left, map[id.ID]files{planned[0].New.Tree: after})
		},
	})
}

// wantOneOf checks that a snapshot has one of the trees, whole.
func wantOneOf(t *testing.T, s storage.Store, trees ...id.ID) {
	must(t, s, func(r *repository.Repository) error {
		snapshots, err := r.Snapshots(t.Context())
		if err != nil && !repository.IsCorrupt(err) {
			return err
		}
		if err := loadIndex(t.Context(), r); err != nil {
			return err
		}
		if !slices.ContainsFunc(snapshots, func(s *snapshot.Snapshot) bool { return slices.Contains(trees, s.Tree) }) {
			t.Errorf("neither the old snapshot nor the new one is there")
		}
		for _, s := range snapshots {
			if _, err := restored(t.Context(), r, s.Tree); err != nil {
				t.Errorf("snapshot %s: %v", s.ID.Short(), err)
			}
		}
		return nil
	})
}
