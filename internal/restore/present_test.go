package restore

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"holdfast/repository/id"
)

// Many files that are there already, right ones and others, under one name or two,
// come out right, and only what differs is fetched.
func TestManyPresent(t *testing.T) {
	b := newBed(t)
	target := t.TempDir()
	var files []node
	var wrong uint64
	for k := range 3 * maxCompared {
		name, start := fmt.Sprintf("f%03d", k), fmt.Sprintf("start of %d.", k)
		parts := []string{start}
		for n := range k % 40 {
			parts = append(parts, fmt.Sprintf("%d of %d%s", n, k, strings.Repeat("-", 10*k)))
		}
		whole := strings.Join(parts, "")
		there := whole
		switch k % 5 {
		case 1: // its beginning differs
			there, wrong = strings.Repeat("#", len(start))+whole[len(start):], wrong+uint64(len(start))
		case 2: // its last part is not there
			there, wrong = strings.TrimSuffix(whole, parts[len(parts)-1]), wrong+uint64(len(parts[len(parts)-1]))
		case 3:
			there += "and more"
		}
		files = append(files, fileOf(name, parts...))
		put(t, target+"/"+name, there)
	}
	s := b.make(files...)
	out := b.restore(s, target, func(o *Options) { o.Verify = true })
	if got := out.progress.BytesRestored.Load(); got != wrong {
		t.Errorf("%d bytes written, want %d", got, wrong)
	}
	if got := out.receipt.Verified; got != uint64(len(files)) {
		t.Errorf("%d files are right, want %d", got, len(files))
	}
	if again := b.restore(s, target); again.progress.BytesRestored.Load() != 0 || len(again.actions(Unchanged)) != len(files) {
		t.Errorf("the second time %d bytes were written, and %d files stayed", again.progress.BytesRestored.Load(), len(again.actions(Unchanged)))
	}
}

// A restore that is ended does not read the rest of a large file first.
func TestComparisonsEndWithTheRestore(t *testing.T) {
	target := t.TempDir()
	put(t, target+"/large", "content")
	d, err := openTarget(target)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	h, err := d.open("large", false)
	if err != nil {
		t.Fatal(err)
	}
	defer h.close() //nolint:errcheck // it was only read
	ended, end := context.WithCancel(t.Context())
	end()
	for ctx, want := range map[context.Context]bool{t.Context(): true, ended: false} {
		o := &comparison{from: h, parts: []part{{length: 7}}, want: []id.ID{id.Hash([]byte("content"))}, right: []bool{false}}
		o.left.Store(1)
		c := newComparers(ctx)
		c.pieces <- piece{o, 0, 1}
		<-c.done
		c.close()
		if o.right[0] != want {
			t.Errorf("compared: %v, want %v", o.right[0], want)
		}
	}
}
