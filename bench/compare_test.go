package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSameTree(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(dir string) error
		want   string // in the error; "" for none
	}{
		"equal":   {func(string) error { return nil }, ""},
		"content": {func(d string) error { return rewrite(filepath.Join(d, "sub/file"), "hellO") }, "content differs"},
		"size":    {func(d string) error { return rewrite(filepath.Join(d, "sub/file"), "hell") }, "size is 4, want 5"},
		"missing": {func(d string) error { return os.Remove(filepath.Join(d, "sub/file")) }, "sub/file"},
		"extra":   {func(d string) error { return os.WriteFile(filepath.Join(d, "more"), nil, 0o644) }, "more: is not in the source"},
		"mode":    {func(d string) error { return os.Chmod(filepath.Join(d, "sub/file"), 0o600) }, "mode is"},
		"time": {func(d string) error {
			return os.Chtimes(filepath.Join(d, "sub/file"), fixedTime, fixedTime.Add(1))
		}, "modified"},
		"link": {func(d string) error {
			if err := os.Remove(filepath.Join(d, "link")); err != nil {
				return err
			}
			return os.Symlink("elsewhere", filepath.Join(d, "link"))
		}, `links to "elsewhere", want "sub/file"`},
	} {
		t.Run(name, func(t *testing.T) {
			want, got := makeTree(t), makeTree(t)
			if err := c.damage(got); err != nil {
				t.Fatal(err)
			}
			err := sameTree(want, got)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("err = %v, want %q", err, c.want)
			}
		})
	}
}

var fixedTime = time.Unix(1_700_000_000, 123456789)

func makeTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := rewrite(filepath.Join(dir, "sub/file"), "hello"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("sub/file", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func rewrite(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Chtimes(path, fixedTime, fixedTime)
}
