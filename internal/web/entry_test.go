package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"holdfast/internal/api"
	"holdfast/internal/web/webtest"
)

// breaking is a service whose downloads end in the middle.
type breaking struct {
	*webtest.Backend

	fail error
}

func (b *breaking) Download(_ context.Context, _ api.DownloadQuery, begin func(api.Content) io.Writer) error {
	w := begin(api.Content{Name: "big.bin", Size: -1})
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		return err
	}
	return b.fail
}

// served is the dashboard behind a real connection.
func served(t *testing.T, b api.Backend) *httptest.Server {
	t.Helper()
	h := New(Options{Backend: b})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(api.WithPrincipal(r.Context(), api.Principal{Name: "ada", Role: api.RoleOperator})))
	}))
	t.Cleanup(server.Close)
	return server
}

func TestDownload(t *testing.T) {
	b := webtest.Hostile(time.Now())
	server := served(t, b)
	file := b.Folders["/"][1].Path
	target := server.URL + string(link("snapshots", b.Taken[0].Repository, b.Taken[0].ID, "download", "?", "path", file))
	res, err := http.Get(target)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || string(text) != "the content of "+file+"\n" {
		t.Errorf("got %q, %v", text, err)
	}
	if res.ContentLength != int64(len(text)) {
		t.Errorf("%d bytes are announced of %d", res.ContentLength, len(text))
	}
	for key, want := range map[string]string{
		"Content-Type": "application/octet-stream", "Content-Security-Policy": "sandbox",
		"Content-Disposition": "attachment",
	} {
		if got := res.Header.Get(key); !strings.Contains(got, want) {
			t.Errorf("%s is %q", key, got)
		}
	}
}

// A download that cannot go on must not look like a short file.
func TestDownloadThatBreaksOff(t *testing.T) {
	server := served(t, &breaking{webtest.Usual(time.Now()), errors.New("a pack is damaged")})
	res, err := http.Get(server.URL + "/snapshots/local/" + idOf(0) + "/download?path=/report.pdf")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Errorf("%d bytes came as if they were all", n)
	}
}

func TestDownloadThatDoesNotBegin(t *testing.T) {
	b := webtest.Usual(time.Now())
	b.Fail = fmt.Errorf("%w: connection refused", api.ErrUnavailable)
	w := sideOf(t, b).get("/snapshots/local/" + idOf(0) + "/download?path=/report.pdf")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Content-Disposition") != "" {
		t.Errorf("status %d, headers %v", w.Code, w.Header())
	}
	mustSay(t, parsed(t, w.Body), "connection refused")
}

// large is a service with one folder of very many entries.
func large(n int) *webtest.Backend {
	b := webtest.Usual(time.Now())
	for k := range n {
		name := fmt.Sprintf("mail-%06d.eml", k)
		b.Folders["/mail"] = append(b.Folders["/mail"], api.Entry{Name: name, Path: "/mail/" + name, Kind: "file", Size: uint64(k), Mode: "-rw-------", Time: time.Now()})
	}
	return b
}

func TestLargeFolderIsPagedAndSearched(t *testing.T) {
	s := sideOf(t, large(100_000))
	base := "/snapshots/local/" + idOf(0) + "/browse?path=/mail"
	doc := s.see(base)
	mustSay(t, doc, "100 000 entries, shown are 1 to 200.", "mail-000199.eml")
	if n := len(all(doc, "tr")); n != entriesOfPage+1 {
		t.Errorf("%d rows", n)
	}
	next := ""
	for _, a := range all(doc, "a") {
		if attribute(a, "rel") == "next" {
			next = attribute(a, "href")
		}
	}
	mustSay(t, s.see(next), "shown are 201 to 400.", "mail-000399.eml")
	doc = s.see(base + "&search=9999&sort=-time")
	mustSay(t, doc, "19 of 100 000 entries", "mail-099999.eml")
	sorted := map[string]string{}
	for _, th := range all(doc, "th") {
		if order := attribute(th, "aria-sort"); order != "" {
			sorted[textOf(th)] = order + " " + attribute(all(th, "a")[0], "href")
		}
	}
	if !strings.HasPrefix(sorted["Changed"], "descending ") || !strings.HasSuffix(sorted["Changed"], "sort=time") || !strings.Contains(sorted["Size"], "search=9999") {
		t.Errorf("the heads are %q", sorted)
	}
}

func TestFileHasAllThatIsDoneWithIt(t *testing.T) {
	doc := sideOf(t, webtest.Usual(time.Now())).see("/snapshots/local/" + idOf(0) + "/browse?path=/etc/passwd")
	mustSay(t, doc, "passwd", "Download", "Restore …", "Other versions", "1.758 KiB")
}

// finding is a service whose searches find what it is told.
type finding struct {
	*webtest.Backend

	find  func(ctx context.Context, q api.FindQuery, found func(api.Found) error) error
	asked []string
}

func (f *finding) Find(ctx context.Context, q api.FindQuery, found func(api.Found) error) error {
	f.asked = append(f.asked, q.Repository)
	return f.find(ctx, q, found)
}

func many(n int) func(context.Context, api.FindQuery, func(api.Found) error) error {
	return func(_ context.Context, _ api.FindQuery, found func(api.Found) error) error {
		for k := range n {
			name := fmt.Sprintf("image-%d.jpg", k)
			if err := found(api.Found{Snapshot: api.Snapshot{Repository: "local", ID: idOf(0)}, Entry: api.Entry{Name: name, Path: "/" + name, Kind: "file"}}); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestFindEndsWithEnough(t *testing.T) {
	f := &finding{Backend: webtest.Usual(time.Now()), find: many(100_000)}
	doc := sideOf(t, f).see("/find?q=image")
	mustSay(t, doc, "The first 300, there are more", "image-299.jpg")
	if strings.Contains(textOf(doc), "image-300.jpg") {
		t.Error("more is shown than a page can bear")
	}
}

// All plans of the usual service are in local: one search finds all.
func TestFindAsksNoMoreRepositoriesThanItNeeds(t *testing.T) {
	f := &finding{Backend: webtest.Usual(time.Now()), find: many(1)}
	sideOf(t, f).see("/find?q=image")
	if len(f.asked) != 1 || f.asked[0] != "local" {
		t.Errorf("asked are %q", f.asked)
	}
	mustSay(t, sideOf(t, f).see("/find?q=i"), "Write at least two characters.")
	if len(f.asked) != 1 {
		t.Error("one letter is searched for")
	}
}

func TestFindTellsOfWhatItCouldNotRead(t *testing.T) {
	f := &finding{Backend: webtest.Usual(time.Now()), find: func(_ context.Context, _ api.FindQuery, found func(api.Found) error) error {
		return found(api.Found{Damage: &api.Damage{Path: "/srv/www/lost", What: "tree 3f is missing"}})
	}}
	mustSay(t, sideOf(t, f).see("/find?q=image"), "Damage was found", "/srv/www/lost", "tree 3f is missing", "Nothing was found")
}

func TestVersionsAreThoseOfThePath(t *testing.T) {
	f := &finding{Backend: webtest.Usual(time.Now())}
	f.find = func(_ context.Context, q api.FindQuery, found func(api.Found) error) error {
		if q.Path != "/a [b]*.txt" || q.Pattern != "" || q.Plan != "shop" || q.Repository != "local" {
			t.Errorf("asked for %+v", q)
		}
		return many(2)(t.Context(), q, found)
	}
	doc := sideOf(t, f).see("/snapshots/local/" + idOf(0) + "/versions?path=" + "%2Fa+%5Bb%5D%2A.txt")
	mustSay(t, doc, "Versions of /a [b]*.txt")
	if n := len(all(doc, "tr")); n != 3 {
		t.Errorf("%d rows", n)
	}
}

func TestBrowsingBeginsWhereThereIsSomething(t *testing.T) {
	for _, c := range []struct {
		paths []string
		want  string
	}{
		{nil, "/"},
		{[]string{"/"}, "/"},
		{[]string{"/srv/www"}, "/srv/www"},
		{[]string{"/srv/www", "/srv/wwwroot"}, "/srv"},
		{[]string{"/srv/www/a", "/srv/www"}, "/srv/www"},
		{[]string{"/etc", "/srv"}, "/"},
		{[]string{"docs"}, "/docs"},
	} {
		if got := commonFolder(c.paths); got != c.want {
			t.Errorf("%q: got %q, want %q", c.paths, got, c.want)
		}
	}
	b := webtest.Usual(time.Now())
	b.Taken[0].Paths = []string{"/etc"}
	s := sideOf(t, b)
	mustSay(t, s.see("/snapshots/local/"+idOf(0)), "passwd")
	mustSay(t, s.see("/snapshots/local/"+idOf(0)+"/browse"), "passwd")
	b.Taken[0].Paths = []string{"/somewhere/else"}
	mustSay(t, s.see("/snapshots/local/"+idOf(0)), "report.pdf")
}

// A command that is copied from a page gives a shell the same bytes.
func TestCommandsAreForShells(t *testing.T) {
	args := []string{"plain", "", "it's", `back\slash`, "a b", "$HOME`x`", "ä", "new\nline", "\xff\x1b[31m'\\", "\u202eturned"}
	line := shellLine(append([]string{"printf", `%s\0`}, args...))
	if !utf8.ValidString(line) || strings.ContainsAny(line, "\x1b\n\u202e") {
		t.Errorf("a page cannot show %q", line)
	}
	out, err := exec.CommandContext(t.Context(), "bash", "-c", line).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(args, "\x00") + "\x00"; string(out) != want {
		t.Errorf("got %q, want %q, from %s", out, want, line)
	}
}
