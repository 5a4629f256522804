package browse

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"holdfast/internal/api"
	"holdfast/repository/blob"
)

// download returns what was written, also when it was not whole.
func download(t testing.TB, b *Browser, q api.DownloadQuery, content *string) error {
	t.Helper()
	var out bytes.Buffer
	err := b.Download(t.Context(), q, func(api.Content) io.Writer { return &out })
	if content != nil {
		*content = out.String()
	}
	return err
}

func TestDownloadsOfFilesAndParts(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	s := m.snapshot(0, m.raw(m.file("empty"), m.file("letter", "abc", "defgh", "ij"), m.folder("sub")), nil)
	b := o.browser(quick)
	const whole = "abcdefghij"
	for offset := int64(-12); offset <= 10; offset++ {
		for length := range int64(12) {
			var c api.Content
			var out bytes.Buffer
			err := b.Download(t.Context(), api.DownloadQuery{Repository: "main", Snapshot: "latest", Path: "/letter", Offset: offset, Length: length},
				func(got api.Content) io.Writer { c = got; return &out })
			from := offset
			if offset < 0 {
				from = max(0, 10+offset)
			}
			to := int64(10)
			if length > 0 {
				to = min(10, from+length)
			}
			if err != nil || out.String() != whole[from:to] || c.Begin != from || c.End != to || c.Size != 10 || c.Name != "letter" || c.Tag == "" {
				t.Fatalf("%d+%d: %q %+v, %v", offset, length, out.String(), c, err)
			}
		}
	}
	var got string
	for _, q := range []api.DownloadQuery{{Offset: math.MinInt64, Length: math.MaxInt64}, {Length: math.MaxInt64}, {Offset: 1, Length: math.MaxInt64}} {
		q.Repository, q.Snapshot, q.Path = "main", "latest", "/letter"
		if err := download(t, b, q, &got); err != nil || got != whole[max(0, q.Offset):] {
			t.Errorf("%+v: %q, %v", q, got, err)
		}
	}
	if err := download(t, b, api.DownloadQuery{Repository: "main", Snapshot: s.ID.String(), Path: "/empty"}, &got); err != nil || got != "" {
		t.Error(got, err)
	}
	for name, q := range map[string]api.DownloadQuery{
		"a folder":             {Path: "/sub"},
		"a file as an archive": {Path: "/letter", Archive: "tar"},
		"an unknown archive":   {Path: "/sub", Archive: "rar"},
		"behind the end":       {Path: "/letter", Offset: 11},
		"far behind the end":   {Path: "/letter", Offset: math.MaxInt64, Length: 1},
		"less than nothing":    {Path: "/letter", Length: -1},
	} {
		q.Repository, q.Snapshot = "main", "latest"
		err := b.Download(t.Context(), q, func(api.Content) io.Writer { t.Errorf("%s: it began", name); return io.Discard })
		if !errors.Is(err, api.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDownloadsOfFolders(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	m.snapshot(0, m.raw(m.folder("home", m.folder("ann", m.file("letter", "dear"), m.folder("old", m.file("note", "x"))))), nil)
	b := o.browser(quick)
	var got string
	if err := download(t, b, api.DownloadQuery{Repository: "main", Snapshot: "latest", Path: "/home/ann", Archive: "tar"}, &got); err != nil {
		t.Fatal(err)
	}
	var names []string
	for r := tar.NewReader(strings.NewReader(got)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	if list := strings.Join(names, " "); list != "ann/letter ann/old/ ann/old/note" {
		t.Errorf("tar holds %s", list)
	}
	if err := download(t, b, api.DownloadQuery{Repository: "main", Snapshot: "latest", Path: "/", Archive: "zip"}, &got); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(strings.NewReader(got), int64(len(got)))
	if err != nil {
		t.Fatal(err)
	}
	letter, err := z.Open("www-20260301-120000/home/ann/letter")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(letter); err != nil || string(text) != "dear" {
		t.Errorf("%q, %v", text, err)
	}
}

// A download that cannot be whole ends with an error, whatever was written.
func TestADownloadThatIsNotWholeIsAnError(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	bad := m.save(blob.Data, []byte("second"))
	if err := m.w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.begin()
	n := m.file("letter", "first", "second", "third")
	m.snapshot(0, m.raw(m.folder("home", n)), nil)
	m.damage(blob.Handle{ID: bad, Type: blob.Data})
	b := o.browser(quick)
	for _, q := range []api.DownloadQuery{{Path: "/home/letter"}, {Path: "/home", Archive: "tar"}, {Path: "/home", Archive: "zip"}} {
		q.Repository, q.Snapshot = "main", "latest"
		var got string
		if err := download(t, b, q, &got); err == nil || strings.Contains(got, "second") {
			t.Errorf("%+v: %q, %v", q, got, err)
		}
	}
	var got string
	err := download(t, b, api.DownloadQuery{Repository: "main", Snapshot: "latest", Path: "/home/letter", Length: 5}, &got)
	if err != nil || got != "first" {
		t.Errorf("the part that is good: %q, %v", got, err)
	}
	// A client that leaves ends it.
	gone := errors.New("gone")
	err = b.Download(t.Context(), api.DownloadQuery{Repository: "main", Snapshot: "latest", Path: "/home", Archive: "tar"},
		func(api.Content) io.Writer { return brokenWriter{gone} })
	if !errors.Is(err, gone) {
		t.Error(err)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestDownloadsAreBounded(t *testing.T) {
	o := newWorld(t)
	m := o.repository("main")
	m.snapshot(0, m.raw(m.file("letter", "dear")), nil)
	b := o.browser(quick)
	b.limits.answerWithin = time.Millisecond
	if !b.downloads.TryAcquire(downloadsAtOnce) {
		t.Fatal("none goes on")
	}
	defer b.downloads.Release(downloadsAtOnce)
	if err := download(t, b, api.DownloadQuery{Repository: "main", Snapshot: "latest", Path: "/letter"}, nil); !errors.Is(err, api.ErrUnavailable) {
		t.Error(err)
	}
}
