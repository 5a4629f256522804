package source

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/repository/tree"
)

func TestReuse(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	old := TimeOf(start.Add(-time.Hour))
	entry := Entry{Size: 5, ModTime: old, ChangeTime: old, Inode: 7, DeviceID: 1}
	seen := Seen{Size: 5, ModTime: old, ChangeTime: old, Inode: 7}
	late := TimeOf(start.Add(-settleTime))

	for _, c := range []struct {
		name          string
		change        func(e *Entry, s *Seen, r *Reuse)
		content, node bool
	}{
		{"nothing", func(*Entry, *Seen, *Reuse) {}, true, true},
		{"size", func(e *Entry, _ *Seen, _ *Reuse) { e.Size++ }, false, false},
		{"mtime by a nanosecond", func(e *Entry, _ *Seen, _ *Reuse) { e.ModTime.Nsec++ }, false, false},
		{"ctime", func(e *Entry, _ *Seen, _ *Reuse) { e.ChangeTime.Sec++ }, false, false},
		{"inode", func(e *Entry, _ *Seen, _ *Reuse) { e.Inode++ }, false, false},
		{"ctime ignored", func(e *Entry, _ *Seen, r *Reuse) { e.ChangeTime.Sec++; r.IgnoreChangeTime = true }, true, false},
		{"inode ignored", func(e *Entry, _ *Seen, r *Reuse) { e.Inode++; r.IgnoreInode = true }, true, false},
		{"mtime too fresh", func(e *Entry, s *Seen, _ *Reuse) { e.ModTime, s.ModTime = late, late }, false, false},
		{"ctime too fresh", func(e *Entry, s *Seen, _ *Reuse) { e.ChangeTime, s.ChangeTime = late, late }, false, false},
		{"device not recorded", func(e *Entry, _ *Seen, _ *Reuse) { e.DeviceID = 9 }, true, true},
		{"recorded device", func(e *Entry, s *Seen, _ *Reuse) { s.DeviceID = 9 }, true, false},
		{"size of a directory", func(e *Entry, s *Seen, _ *Reuse) { e.Mode = os.ModeDir; s.Size = 0 }, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, s, r := entry, seen, Reuse{PreviousStart: start}
			c.change(&e, &s, &r)
			if content, node := r.Content(&e, &s), r.Node(&e, &s); content != c.content || node != c.node {
				t.Errorf("content %v, node %v, want %v, %v", content, node, c.content, c.node)
			}
		})
	}
}

// A whole node is only ever reused where its content is.
func TestReusedNodeImpliesReusedContent(t *testing.T) {
	moment := rapid.Custom(func(t *rapid.T) Time {
		return Time{Sec: rapid.Int64Range(0, 5).Draw(t, "sec"), Nsec: rapid.Int32Range(0, 1).Draw(t, "nsec")}
	})
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.Uint64Range(0, 1)
		e := Entry{Size: int64(small.Draw(t, "size")), ModTime: moment.Draw(t, "mtime"), ChangeTime: moment.Draw(t, "ctime"), Inode: small.Draw(t, "inode")}
		s := Seen{Size: int64(small.Draw(t, "size")), ModTime: moment.Draw(t, "mtime"), ChangeTime: moment.Draw(t, "ctime"), Inode: small.Draw(t, "inode")}
		r := Reuse{PreviousStart: time.Unix(5, 0), IgnoreInode: rapid.Bool().Draw(t, "inode"), IgnoreChangeTime: rapid.Bool().Draw(t, "ctime")}
		if r.Node(&e, &s) && !r.Content(&e, &s) {
			t.Fatal("node reused, content not")
		}
	})
}

func TestTimeRoundTrip(t *testing.T) {
	for _, at := range []time.Time{
		time.Unix(0, 0), time.Date(1901, 1, 1, 0, 0, 0, 1, time.UTC), time.Date(2400, 1, 1, 0, 0, 0, 999_999_999, time.UTC),
	} {
		if got := TimeOf(at).Time(); !got.Equal(at) || got.Location() != time.UTC {
			t.Errorf("%v became %v", at, got)
		}
	}
}

func TestStream(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	s := &Stream{Path: "/shop/dump.sql", Content: io.NopCloser(strings.NewReader("select 1")), ModTime: at}
	d, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Stat("shop")
	if err != nil || e.Type() != tree.Dir {
		t.Fatalf("shop is %+v, %v", e, err)
	}
	if d, err = d.Sub(e); err != nil || d.Path() != "/shop" || d.Entry().Name != "shop" {
		t.Fatalf("shop opens as %v, %v", d, err)
	}
	names, err := d.Names(t.Context())
	if err != nil || len(names) != 1 || names[0] != "dump.sql" {
		t.Fatalf("names %q, %v", names, err)
	}
	if e, err = d.Stat("dump.sql"); err != nil {
		t.Fatal(err)
	}
	f, err := d.Open(e)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(f)
	if err != nil || string(content) != "select 1" || f.Check() != nil {
		t.Errorf("read %q, %v", content, err)
	}
	node, err := f.Node()
	if err != nil || node.Size != 8 || node.Type != tree.File || !node.ModTime.Equal(at) {
		t.Errorf("node %+v, %v", node, err)
	}
	if _, err := d.Stat("other"); err == nil {
		t.Error("a name that is not there was found")
	}
	for _, path := range []string{"", "/", "..", "."} {
		if _, err := (&Stream{Path: path}).Open(t.Context()); err == nil {
			t.Errorf("path %q was taken", path)
		}
	}
}
