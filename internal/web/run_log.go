package web

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"holdfast/internal/api"
)

const (
	// logShown is how much of the end of a log a page shows, logHeader what
	// tells the script where to read on.
	logShown  = 48 << 10
	logHeader = "Holdfast-Next"
)

// readLogEnd puts the end of the log into the page of a run.
func (s *site) readLogEnd(r *http.Request, d *runData) error {
	end := &tail{limit: logShown}
	next, err := s.Backend.RunLog(r.Context(), d.ID, 0, end)
	if err != nil {
		return err
	}
	text := end.text
	if d.LogCut = end.cut; end.cut {
		if _, whole, ok := bytes.Cut(text, []byte("\n")); ok {
			text = whole
		}
	}
	d.Log, d.LogAt = readable(text), next
	return nil
}

// tail keeps the end of what is written.
type tail struct {
	text  []byte
	limit int
	cut   bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if over := len(t.text) - 2*t.limit; over > 0 {
		t.text = append(t.text[:0], t.text[len(t.text)-t.limit:]...)
		t.cut = true
	}
	return len(p), nil
}

// readable is a log as text that does nothing to whoever looks at it: what
// would move a terminal's cursor or turn the direction of writing is written
// as the bytes it is.
func readable(text []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		line, ended := strings.CutSuffix(line, "\n")
		parts := strings.Split(line, "\t")
		for k, part := range parts {
			parts[k] = strings.ReplaceAll(api.PathText(part), `\\`, `\`)
		}
		b.WriteString(strings.Join(parts, "\t"))
		if ended {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// runLog gives the log of a run, or what comes after an offset.
func (s *site) runLog(w http.ResponseWriter, r *http.Request) {
	offset, err := strconv.ParseInt(r.URL.Query().Get("offset"), 10, 64)
	if err != nil || offset < 0 {
		offset = 0
	}
	var text bytes.Buffer // at most 1 MiB, as logs of runs are kept
	next, err := s.Backend.RunLog(r.Context(), r.PathValue("id"), offset, &text)
	if err != nil {
		s.render(w, r, s.errorPage(r, err))
		return
	}
	out := text.Bytes()
	if r.Header.Get(liveHeader) != "" {
		out = []byte(readable(out))
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set(logHeader, strconv.FormatInt(next, 10))
	send(w, r, 0, out)
}
