package api

import (
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

func (s *Server) serveDownload(w http.ResponseWriter, r *http.Request, p ofDownload) error {
	return ServeDownload(w, r, s.backend, DownloadQuery{Repository: p.Repository, Snapshot: p.Snapshot, Path: p.Path, Archive: p.Archive}, s.log)
}

// ServeDownload answers with a file of a snapshot, or a folder as an archive;
// the header Range can ask for a part of a file. It is written down. An error
// is returned only while nothing was written: one that comes later breaks the
// connection off, so that nobody takes for whole what is not.
func ServeDownload(w http.ResponseWriter, r *http.Request, b Browser, q DownloadQuery, log *slog.Logger) error {
	Note(r.Context(), "repository", q.Repository)
	Note(r.Context(), "snapshot", q.Snapshot)
	Note(r.Context(), "path", q.Path)
	partial := false
	if q.Archive == "" && r.Header.Get("If-Range") == "" { // one that changed meanwhile is sent whole
		q.Offset, q.Length, partial = parseRange(r.Header.Get("Range"))
	}
	begun := false
	err := b.Download(r.Context(), q, func(c Content) io.Writer {
		begun = true
		return beginDownload(w, &c, partial)
	})
	if err == nil || !begun {
		return err
	}
	if r.Context().Err() == nil {
		log.Warn("a download broke off", "repository", q.Repository, "snapshot", q.Snapshot, "error", err)
	}
	panic(http.ErrAbortHandler)
}

// beginDownload writes the head. What is in a backup is never shown as a page
// of this service.
func beginDownload(w http.ResponseWriter, c *Content, partial bool) io.Writer {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", Attachment(c.Name))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	if !c.Time.IsZero() {
		h.Set("Last-Modified", c.Time.UTC().Format(http.TimeFormat))
	}
	if c.Tag != "" {
		h.Set("ETag", strconv.Quote(c.Tag))
	}
	if c.Size < 0 {
		w.WriteHeader(http.StatusOK)
		return w
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Length", strconv.FormatInt(c.End-c.Begin, 10))
	if partial && c.End > c.Begin {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", c.Begin, c.End-1, c.Size))
		w.WriteHeader(http.StatusPartialContent)
		return w
	}
	w.WriteHeader(http.StatusOK)
	return w
}

// parseRange reads a range of bytes. What it does not understand, or is more
// than one range, asks for all, as RFC 9110 allows.
func parseRange(header string) (offset, length int64, ok bool) {
	span, ok := strings.CutPrefix(header, "bytes=")
	from, to, dash := strings.Cut(span, "-")
	if !ok || !dash || strings.Contains(span, ",") {
		return 0, 0, false
	}
	if from == "" { // the last bytes
		n, err := strconv.ParseInt(to, 10, 64)
		if err != nil || n <= 0 {
			return 0, 0, false
		}
		return -n, 0, true
	}
	first, err := strconv.ParseInt(from, 10, 64)
	if err != nil || first < 0 {
		return 0, 0, false
	}
	if to == "" {
		return first, 0, true
	}
	last, err := strconv.ParseInt(to, 10, 64)
	if err != nil || last < first {
		return 0, 0, false
	}
	return first, last - first + 1, true
}

// Attachment is the Content-Disposition of something that a browser keeps under
// a name. What cannot be seen in the name, or is no text, is a line there.
func Attachment(name string) string {
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
