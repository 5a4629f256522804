package web

import (
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"holdfast/internal/api"
)

// download sends a file, or a folder as an archive. When it fails in the
// middle the connection is broken off: a browser then says that the download
// failed instead of keeping a part that looks whole.
func (s *site) download(w http.ResponseWriter, r *http.Request) {
	q := api.DownloadQuery{
		Repository: r.PathValue("repository"), Snapshot: r.PathValue("id"),
		Path: r.FormValue("path"), Archive: r.FormValue("archive"),
	}
	begun := false
	err := s.Backend.Download(r.Context(), q, func(c api.Content) io.Writer {
		begun = true
		head := w.Header()
		// What is in a backup is never shown as a page of this site.
		head.Set("Content-Type", "application/octet-stream")
		head.Set("Content-Disposition", attachment(c.Name))
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Content-Security-Policy", "sandbox; default-src 'none'")
		if !c.Time.IsZero() {
			head.Set("Last-Modified", c.Time.UTC().Format(http.TimeFormat))
		}
		if c.Size >= 0 {
			head.Set("Content-Length", strconv.FormatInt(c.Size, 10))
		}
		return w
	})
	switch {
	case err == nil:
	case begun:
		s.Log.Warn("download broke off", "repository", q.Repository, "snapshot", q.Snapshot, "error", err)
		panic(http.ErrAbortHandler)
	default:
		s.render(w, r, s.errorPage(r, err))
	}
}

// attachment names what a browser keeps a download as: what cannot be seen in
// a name, or is no text, is a line there.
func attachment(name string) string {
	name = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) || c == utf8.RuneError || c == '/' || c == '\\' {
			return '_'
		}
		return c
	}, name)
	if text := mime.FormatMediaType("attachment", map[string]string{"filename": name}); text != "" {
		return text
	}
	return "attachment"
}
