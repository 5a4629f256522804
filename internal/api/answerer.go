package api

import (
	"net/http"
	"time"
)

// writeLimit is how long a client may take to read what was written last; one
// that stands still longer is gone.
const writeLimit = time.Minute

// answerer passes an answer on, notes its status, and gives the client time
// for each part.
type answerer struct {
	http.ResponseWriter

	status int
}

func (a *answerer) WriteHeader(status int) {
	a.extend()
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answerer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	a.extend()
	return a.ResponseWriter.Write(p)
}

// Flush implements http.Flusher.
func (a *answerer) Flush() {
	a.extend()
	_ = http.NewResponseController(a.ResponseWriter).Flush() // what fails here fails the next Write
}

// Unwrap is for http.ResponseController.
func (a *answerer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// extend gives the client time anew. A connection that is gone says so when it
// is written to.
func (a *answerer) extend() {
	_ = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(time.Now().Add(writeLimit))
}
