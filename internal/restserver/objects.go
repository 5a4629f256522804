package restserver

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"holdfast/storage"
)

func (q *request) head() error {
	s, err := q.store()
	if err != nil {
		return err
	}
	info, err := s.Stat(q.r.Context(), q.key)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Length", strconv.FormatInt(info.SizeBytes, 10))
	q.w.Header().Set("Content-Type", "application/octet-stream")
	q.w.Header().Set("Accept-Ranges", "bytes")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

func (q *request) get() error {
	s, err := q.store()
	if err != nil {
		return err
	}
	info, err := s.Stat(q.r.Context(), q.key)
	if err != nil {
		return err
	}
	body := &seeker{store: s, request: q.r, info: info}
	defer body.close()
	q.w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(q.w, q.r, "", time.Time{}, body)
	q.metrics.count(q, read, q.w.bytes)
	if body.err != nil {
		// The client sees that the body is short; the owner sees why.
		q.config.Log.Error("reading an object failed", "repository", q.dir(), "key", q.key, "error", body.err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// seeker is an object as http.ServeContent wants it.
type seeker struct {
	store   storage.Store
	request *http.Request
	info    storage.Info

	offset int64
	stream io.ReadCloser // at offset, nil for none
	err    error         // why reading failed
}

func (s *seeker) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.offset
	case io.SeekEnd:
		offset += s.info.SizeBytes
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	if offset != s.offset {
		s.close()
		s.offset = offset
	}
	return offset, nil
}

func (s *seeker) Read(p []byte) (int, error) {
	if s.offset >= s.info.SizeBytes {
		return 0, io.EOF
	}
	if s.stream == nil {
		stream, err := s.store.Get(s.request.Context(), s.info.Key, s.offset, -1)
		if err != nil {
			s.err = err
			return 0, err
		}
		s.stream = stream
	}
	n, err := s.stream.Read(p)
	s.offset += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func (s *seeker) close() {
	if s.stream != nil {
		s.stream.Close()
		s.stream = nil
	}
}

// post stores an object: first in a spool, of which nobody sees anything, and
// under its name only when all of it has come and is what it says it is.
func (q *request) post() error {
	s, err := q.store()
	if err != nil {
		return err
	}
	// Spares the upload of an object that is there; Put decides for good.
	if _, err := s.Stat(q.r.Context(), q.key); err == nil {
		return storage.ErrExists
	} else if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	taken, err := q.quota.take(max(q.r.ContentLength, 0))
	if err != nil {
		return err
	}
	kept := false
	defer func() {
		if !kept {
			taken.giveBack()
		}
	}()
	spool, err := storage.NewSpool(s)
	if err != nil {
		return err
	}
	defer spool.Discard() //nolint:errcheck // nothing of it is of use any more
	sum, err := q.receive(spool, taken)
	if err != nil {
		return err
	}
	if err := q.verify(sum); err != nil {
		return err
	}
	if err := s.Put(q.r.Context(), q.key, spool, storage.PutOptions{SHA256: &sum}); err != nil {
		return err
	}
	kept = true
	q.metrics.count(q, written, spool.Size())
	if !q.config.NoVerifyUpload {
		q.w.Header().Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
	}
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// receive writes the body into the spool.
func (q *request) receive(spool storage.Spool, taken *taken) (sum [sha256.Size]byte, err error) {
	hash := sha256.New()
	body := &uploadReader{q: q, taken: taken}
	n, err := io.Copy(io.MultiWriter(spool, hash), body)
	switch {
	case body.err != nil:
		return sum, status{http.StatusBadRequest, "the upload broke off"}
	case err != nil:
		return sum, err
	case q.r.ContentLength >= 0 && n != q.r.ContentLength:
		return sum, status{http.StatusBadRequest, "the upload is shorter than it says"}
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}

// uploadReader reads the body of a request. Each piece has to come in time,
// and counts against the quota if the length was not known beforehand.
type uploadReader struct {
	q     *request
	taken *taken
	err   error // of the connection
}

func (u *uploadReader) Read(p []byte) (int, error) {
	u.q.w.receiving = true
	u.q.w.control.SetReadDeadline(time.Now().Add(stallTimeout)) //nolint:errcheck // a test's recorder has none
	n, err := u.q.r.Body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		u.err = err
		return n, err
	}
	if u.q.r.ContentLength < 0 && n > 0 {
		if qerr := u.taken.more(int64(n)); qerr != nil {
			return 0, qerr
		}
	}
	return n, err
}

// verify compares the hash of what came with the name, and with what the
// client says of it (Content-Digest, RFC 9530).
func (q *request) verify(sum [sha256.Size]byte) error {
	if q.config.NoVerifyUpload {
		return nil
	}
	if q.hash != "" && subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(q.hash)) == 0 {
		return status{http.StatusBadRequest, "what arrived does not have the hash in its name"}
	}
	for _, digest := range q.r.Header.Values("Content-Digest") {
		for part := range strings.SplitSeq(digest, ",") {
			want, ok := strings.CutPrefix(strings.TrimSpace(part), "sha-256=")
			if ok && want != ":"+base64.StdEncoding.EncodeToString(sum[:])+":" {
				return status{http.StatusBadRequest, "what arrived does not have the hash that was announced"}
			}
		}
	}
	return nil
}

// delete removes an object. One that is not there is no failure: the client
// may ask a second time because the first answer was lost.
func (q *request) delete() error {
	if q.config.AppendOnly && q.kind != "locks" {
		return status{http.StatusForbidden, "this server is append-only"}
	}
	s, err := q.store()
	if err != nil {
		return err
	}
	info, err := s.Stat(q.r.Context(), q.key)
	if err == nil {
		err = s.Delete(q.r.Context(), q.key)
	}
	switch {
	case err == nil:
		q.quota.giveBack(info.SizeBytes)
		q.metrics.count(q, deleted, info.SizeBytes)
	case !errors.Is(err, storage.ErrNotFound):
		return fmt.Errorf("delete %s: %w", q.key, err)
	}
	q.w.WriteHeader(http.StatusOK)
	return nil
}
