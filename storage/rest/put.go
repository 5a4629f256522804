package rest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"holdfast/storage"
	"holdfast/storage/internal/httpx"
)

// Put stores body under key. The server compares what arrives with the hash
// in the key; for keys that are no hash, with the one in the options.
func (s *Store) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	name, ok, err := remoteName(key)
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case !ok:
		return fmt.Errorf("put %w", errNoSuchKind(key))
	case !o.Retention.IsZero():
		return fmt.Errorf("put %s: retention: %w", key, storage.ErrUnsupported)
	}
	if strings.HasPrefix(key, ownKeys) {
		if err := s.CheckOwnKeys(ctx); err != nil {
			return fmt.Errorf("put %s: %w", key, err)
		}
	}
	if err := s.put(ctx, key, name, body, o); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// askFirstBytes is the size from which on the server is asked whether it will
// take the body. A server that refuses one which is being sent resets the
// connection, and why it refused gets lost.
const askFirstBytes = 256 << 10

func (s *Store) put(ctx context.Context, key, name string, body storage.Body, o storage.PutOptions) error {
	req := s.request(ctx, http.MethodPost, name)
	req.Header.Set("Content-Type", "application/octet-stream")
	if o.SHA256 != nil { // RFC 9530; servers that do not know it let it pass
		req.Header.Set("Content-Digest", digest(*o.SHA256))
	}
	if body.Size() >= askFirstBytes {
		req.Header.Set("Expect", "100-continue")
	}
	sent := httpx.Send(body)
	req.Body, req.ContentLength = http.NoBody, body.Size()
	if body.Size() > 0 {
		req.Body = sent.Section(0, body.Size())
	}
	resp, err := s.send(req)
	if err == nil {
		resp.Body.Close()
		return told(resp, o)
	}
	if failure := sent.Failure(); failure != nil {
		return fmt.Errorf("read body: %w", failure)
	}
	if isStatus(err, http.StatusForbidden, http.StatusConflict) {
		return s.refused(ctx, key, err)
	}
	return err
}

// told takes note of the hash that the server says the object has (RFC 9530):
// `holdfast rest-server` does.
func told(resp *http.Response, o storage.PutOptions) error {
	stored := resp.Header.Get("Repr-Digest")
	switch {
	case stored == "" || o.SHA256 == nil:
	case stored != digest(*o.SHA256):
		return fmt.Errorf("%w: the server has stored bytes of the digest %.80s", storage.ErrConflict, stored)
	default:
		o.WasChecked("SHA-256")
	}
	return nil
}

func digest(sum [32]byte) string {
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// refused finds out why a Put was: servers have one answer for "exists" and
// for "not allowed".
func (s *Store) refused(ctx context.Context, key string, err error) error {
	switch _, serr := s.Stat(ctx, key); {
	case serr == nil:
		return storage.ErrExists
	case errors.Is(serr, storage.ErrNotFound):
		return fmt.Errorf("%w: %w", storage.ErrReadOnly, err)
	default: // nobody knows; the refusal must not pass for an answer that is final
		return fmt.Errorf("%v; asking why: %w", err, serr)
	}
}

// CheckOwnKeys returns nil when the server holds keys below holdfast/: the log
// archive, evidence, receipts. Other servers than `holdfast rest-server` give
// an error that wraps storage.ErrUnsupported.
func (s *Store) CheckOwnKeys(ctx context.Context) error {
	s.own.Lock()
	defer s.own.Unlock()
	if s.holdsOwn {
		return nil
	}
	resp, err := s.send(s.request(ctx, http.MethodGet, ownKeys))
	if isStatus(err, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusBadRequest) {
		return fmt.Errorf("%w: this REST server holds only the files of restic, and none below %s; run `holdfast rest-server` there instead, or keep them elsewhere (log_url)", storage.ErrUnsupported, ownKeys)
	}
	if err != nil {
		return err
	}
	resp.Body.Close()
	s.holdsOwn = true
	return nil
}
