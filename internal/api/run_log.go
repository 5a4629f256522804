package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	// nextOffset tells, after the text of a log, from where to go on.
	nextOffset = "Holdfast-Next-Offset"
	// logEvery is how often a log that is followed is looked at.
	logEvery = 300 * time.Millisecond
)

// serveLog writes the log of a run, and goes on until the run has ended if
// that is asked for.
func (s *Server) serveLog(w http.ResponseWriter, r *http.Request, p ofLog) error {
	if p.Offset < 0 {
		return fmt.Errorf("%w: offset=%d: write 0 or more", ErrInvalid, p.Offset)
	}
	if p.Follow { // and takes as much as who listens to updates
		who, _ := PrincipalOf(r.Context())
		l, _, _, err := s.hub.listen(who.Name, "")
		if err != nil {
			return err
		}
		defer s.hub.leave(l)
	}
	out := &textAnswer{w: w}
	next, err := s.writeLog(r, p, out)
	if err == nil {
		out.begin() // of an empty log
		w.Header().Set(nextOffset, strconv.FormatInt(next, 10))
	}
	return s.ended(r, err, out.begun)
}

func (s *Server) writeLog(r *http.Request, p ofLog, out *textAnswer) (next int64, err error) {
	ctx := r.Context()
	for next = p.Offset; ; {
		// It is asked whether the run goes on before its log is read: what it
		// wrote last is then there, too.
		run, err := s.backend.Run(ctx, p.Run)
		if err != nil {
			return next, err
		}
		if next, err = s.backend.RunLog(ctx, p.Run, next, out); err != nil {
			return next, err
		}
		if !p.Follow || r.Method == http.MethodHead || run.Outcome != Running || !s.guard.lasts(ctx) {
			return next, nil
		}
		out.begin()
		if err := http.NewResponseController(out.w).Flush(); err != nil {
			return next, err
		}
		select {
		case <-ctx.Done():
			return next, ctx.Err()
		case <-s.hub.done:
			return next, nil
		case <-time.After(logEvery):
		}
	}
}

// textAnswer is an answer of text that begins when there is some.
type textAnswer struct {
	w     http.ResponseWriter
	begun bool
}

func (t *textAnswer) begin() {
	if !t.begun {
		t.begun = true
		t.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		t.w.Header().Set("Trailer", nextOffset)
		t.w.WriteHeader(http.StatusOK)
	}
}

func (t *textAnswer) Write(p []byte) (int, error) {
	t.begin()
	return t.w.Write(p)
}
