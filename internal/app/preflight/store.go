package preflight

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"holdfast/storage"
)

const (
	// tolerableSkew is how far two clocks may differ without anybody minding.
	tolerableSkew = time.Minute
	// dangerousSkew is what services refuse requests for, and locks go stale by.
	dangerousSkew = 10 * time.Minute
)

// probes is where objects are put that try a place out.
const probes = "holdfast/probe/"

// Store tries out whether a place can be written to: it puts a small object,
// reads it back, and deletes it. Where that is not let, one is left, and next
// time no other is put.
func (r *Report) Store(ctx context.Context, s storage.Store) {
	if refused(deleteOld(ctx, s)) {
		r.appendsOnly()
		return
	}
	key := probes + rand.Text()
	body := []byte("holdfast tries whether this place can be written to: " + key)
	before := time.Now()
	if err := s.Put(ctx, key, storage.Bytes(body), storage.PutOptions{}); err != nil {
		r.cannotPut(err)
		return
	}
	after := time.Now()
	if err := readsBack(ctx, s, key, body); err != nil {
		r.Wrong("what was put there cannot be read back: "+err.Error(), "find out what lies between: a proxy, a disk that fails")
		return
	}
	info, err := s.Stat(ctx, key)
	if err == nil && !info.Stored.IsZero() {
		r.clock(info.Stored, before, after)
	}
	switch err := s.Delete(ctx, key); {
	case err == nil:
		r.OK("can be written to")
	case refused(err):
		r.appendsOnly()
	default:
		r.Wrong("what was put there cannot be deleted: "+err.Error(), "")
	}
}

// deleteOld deletes what an earlier trial has left. What is young may be that
// of somebody who is at it.
func deleteOld(ctx context.Context, s storage.Store) error {
	var old []string
	err := s.List(ctx, probes, func(i storage.Info) error {
		if time.Since(i.Stored) > time.Hour {
			old = append(old, i.Key)
		}
		return nil
	})
	for _, key := range old {
		err = errors.Join(err, s.Delete(ctx, key))
	}
	return err
}

// refused tells whether deleting is what we may not do.
func refused(err error) bool {
	return errors.Is(err, storage.ErrReadOnly) || errors.Is(err, storage.ErrImmutable) || errors.Is(err, fs.ErrPermission)
}

func (r *Report) appendsOnly() {
	r.Warn("adds and reads, and does not let us delete", "that is safer; let forget and prune run elsewhere, with other credentials")
}

func (r *Report) cannotPut(err error) {
	switch {
	case errors.Is(err, storage.ErrUnsupported):
		r.Warn(err.Error(), "")
	case errors.Is(err, storage.ErrFull):
		r.Wrong(err.Error(), "make room there")
	case errors.Is(err, storage.ErrReadOnly), errors.Is(err, fs.ErrPermission):
		r.Wrong("cannot be written to: "+err.Error(), "let the user, or the credentials, of holdfast write there")
	default:
		r.Wrong("cannot be written to: "+err.Error(), "")
	}
}

func readsBack(ctx context.Context, s storage.Store, key string, body []byte) error {
	content, err := s.Get(ctx, key, 0, -1)
	if err != nil {
		return err
	}
	defer content.Close()
	got, err := io.ReadAll(content)
	if err == nil && string(got) != string(body) {
		err = errors.New("it is something else")
	}
	return err
}

// clock compares the time that somewhere else was read, between two instants
// here. Places round to seconds.
func (r *Report) clock(there, before, after time.Time) {
	skew := time.Duration(0)
	switch {
	case there.Before(before):
		skew = before.Sub(there)
	case there.After(after):
		skew = there.Sub(after)
	}
	if skew <= tolerableSkew {
		return
	}
	text := fmt.Sprintf("its clock and that of this machine are %v apart", skew.Round(time.Second))
	const fix = "set the clocks by NTP"
	if skew > dangerousSkew {
		r.Wrong(text, fix)
		return
	}
	r.Warn(text, fix)
}
