package web

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast/internal/api"
)

// page is what a view makes.
type page struct {
	// Title is that of the window, Area the entry of the navigation that is
	// marked, such as "/runs".
	Title string
	Area  string
	// Template is the file below templates that shows Data: it defines "main".
	Template string
	Data     any
	// Status is that of HTTP, 0 for all right.
	Status int
	// Refresh is after how many seconds a browser without JavaScript loads the
	// page again, 0 for never.
	Refresh int
}

// frame is what templates see: the page, and what surrounds it.
type frame struct {
	page

	Me    api.Principal
	Here  string // the URL of this page, to come back to
	Said  string // what an act had to say
	Theme string // light, dark, or "" for what the system likes
	Zone  string // of all times on the page
}

// Viewer, Operator and Admin say what the person before the page may do.
func (f *frame) Viewer() bool   { return f.Me.Role >= api.RoleViewer }
func (f *frame) Operator() bool { return f.Me.Role >= api.RoleOperator }
func (f *frame) Admin() bool    { return f.Me.Role >= api.RoleAdmin }

// render writes a page.
func (s *site) render(w http.ResponseWriter, r *http.Request, p *page) {
	me, _ := api.PrincipalOf(r.Context())
	f := &frame{page: *p, Me: me, Here: here(r), Said: heard(w, r), Theme: themeOf(r), Zone: time.Now().In(s.Zone).Format("MST (-07:00)")}
	var text bytes.Buffer
	if err := s.pages.execute(&text, p.Template, f); err != nil {
		s.Log.Error("page cannot be made", "template", p.Template, "error", err)
		http.Error(w, "This page cannot be shown; the log of the service says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// Reasons and commands may carry names that are no text.
	send(w, r, p.Status, bytes.ToValidUTF8(text.Bytes(), []byte("\uFFFD")))
}

// minCompressed is the size in bytes below which compressing saves no packet.
const minCompressed = 1200

// send writes a text, compressed if that helps. What a page shows of a request
// and the token of its forms are compressed together; that tells a stranger
// nothing, because cookies are SameSite=Strict: no other site can make a
// browser ask for a page as the person who is logged in.
func send(w http.ResponseWriter, r *http.Request, status int, text []byte) {
	if status == 0 {
		status = http.StatusOK
	}
	w.Header().Add("Vary", "Accept-Encoding")
	if len(text) >= minCompressed && takesGzip(r) {
		text = packed(text)
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		write(w, text)
	}
}

// packers are kept, because each has 800 KB of tables.
var packers = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic("web: " + err.Error()) // the level is a good one
	}
	return z
}}

func packed(text []byte) []byte {
	z := packers.Get().(*gzip.Writer) //nolint:forcetypeassert // New makes nothing else
	defer packers.Put(z)
	var out bytes.Buffer
	z.Reset(&out)
	write(z, text)
	_ = z.Close() // a buffer takes everything
	return out.Bytes()
}

func takesGzip(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" {
			return strings.Trim(strings.TrimPrefix(strings.TrimSpace(weight), "q="), "0.") != "" || weight == ""
		}
	}
	return false
}

// here is the page to come back to after an act: its own URL, or for an act
// that failed the one it was asked for on.
func here(r *http.Request) string {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return r.URL.RequestURI()
	}
	return localPath(r.PostFormValue("back"))
}

// localPath is a path of this site, "/" for anything else: a link must not
// lead elsewhere because somebody wrote it into a query.
func localPath(s string) string {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n\t\x00") {
		return "/"
	}
	return s
}
