package restserver

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// stallTimeout is how long a client may neither send nor take anything in the
// middle of a request. Without it a few clients that stand still would hold
// all connections.
const stallTimeout = 2 * time.Minute

// answer is an http.ResponseWriter that remembers what was answered.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	began   time.Time
	status  int
	bytes   int64 // of the body
	// receiving tells that the client was told to send its body.
	receiving bool
}

func (a *answer) WriteHeader(code int) {
	if a.status == 0 {
		a.status = code
	}
	a.ResponseWriter.WriteHeader(code)
}

func (a *answer) Write(p []byte) (int, error) {
	a.status = cmp.Or(a.status, http.StatusOK)
	a.control.SetWriteDeadline(time.Now().Add(stallTimeout)) //nolint:errcheck // a test's recorder has none
	n, err := a.ResponseWriter.Write(p)
	a.bytes += int64(n)
	return n, err
}

// maxDrainBytes bounds what is taken of an upload that was refused: more than
// any object has.
const maxDrainBytes = 256 << 20

// refuseUpload answers a client that is sending its body, and goes on taking
// it until the client has noticed. A connection closed before that is reset,
// and the client never learns why.
func (a *answer) refuseUpload(r *http.Request, s status) {
	a.control.EnableFullDuplex() //nolint:errcheck // a test's recorder has none
	a.Header().Set("Connection", "close")
	http.Error(a, s.Error(), s.code)
	a.control.Flush()                                          //nolint:errcheck // see above
	a.control.SetReadDeadline(time.Now().Add(stallTimeout))    //nolint:errcheck // see above
	io.Copy(io.Discard, io.LimitReader(r.Body, maxDrainBytes)) //nolint:errcheck // ends when the client has had enough
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// logAccess writes a line in the combined format of web servers. Passwords
// are in a header that is not logged, and in no URL.
func (s *Server) logAccess(a *answer, r *http.Request, user string) {
	if s.config.AccessLog == nil {
		return
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	fmt.Fprintf(s.config.AccessLog, "%s - %s [%s] \"%s %s %s\" %d %d \"%s\" \"%s\"\n", //nolint:errcheck // a full disk must stop no backup
		cmp.Or(host, "-"), plain(cmp.Or(user, "-")), a.began.Format("02/Jan/2006:15:04:05 -0700"),
		plain(r.Method), plain(r.URL.RequestURI()), r.Proto, cmp.Or(a.status, http.StatusOK), a.bytes,
		plain(r.Referer()), plain(r.UserAgent()))
}

// plain makes text that cannot pass for a line of its own, or for a field.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == 0x7f {
			return '_'
		}
		return r
	}, text)
}
