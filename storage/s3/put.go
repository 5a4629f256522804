package s3

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"holdfast/storage"

	"github.com/minio/minio-go/v7"
)

// Put stores body under key; see storage.Store. The service verifies that
// what arrives has the SHA-256 of body.
func (s *Store) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	name, err := s.name(ctx, key)
	if err != nil {
		return err
	}
	u := &upload{store: s, key: key, name: name, body: body, options: o, sizeBytes: body.Size()}
	if err := u.put(ctx); err != nil {
		return fmt.Errorf("put %s: %w", key, own(ctx, err))
	}
	return nil
}

// upload is one Put.
type upload struct {
	store     *Store
	key, name string
	body      storage.Body
	sizeBytes int64
	options   storage.PutOptions
	sum       [32]byte // of the whole body, for one that goes up in one piece
	// untold says that the service did not tell which checksum it has computed.
	untold atomic.Bool
}

func (u *upload) inParts() bool { return u.sizeBytes > u.store.parts.aboveBytes }

func (u *upload) put(ctx context.Context) error {
	if err := u.hash(ctx); err != nil {
		return err
	}
	// Looking first spares sending what is there already: bodies that take
	// long, and those of which an earlier attempt may have arrived.
	if u.inParts() || u.store.doubtful.has(u.name) {
		if err := u.look(ctx); err != nil {
			return err
		}
	}
	err := u.create(ctx)
	_, answered := answer(err)
	u.store.doubtful.set(u.name, err != nil && !answered && !storage.IsPermanent(err))
	return err
}

// hash makes sure that the hash of a body is known which goes up in one piece.
// That costs reading it once more where the caller does not know it.
func (u *upload) hash(ctx context.Context) error {
	if u.inParts() {
		return nil // each part has its own
	}
	if u.options.SHA256 != nil {
		u.sum = *u.options.SHA256
		return nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, u.read(ctx, 0, u.sizeBytes)); err != nil {
		return err
	}
	u.sum = [32]byte(h.Sum(nil))
	return nil
}

// look returns storage.ErrExists when there is an object under the key.
func (u *upload) look(ctx context.Context) error {
	_, err := u.store.stat(ctx, version{key: u.key})
	switch {
	case err == nil:
		return storage.ErrExists
	case errors.Is(err, storage.ErrNotFound):
		return nil
	default:
		return err
	}
}

// create stores the body if there is nothing under the key, as far as the
// service is known to make sure of that.
func (u *upload) create(ctx context.Context) error {
	if u.store.creating.known() == Yes || u.namesItself() {
		return u.send(ctx)
	}
	// Within this process at least, nobody gets between looking and putting.
	defer u.store.looking.lock(u.name)()
	if err := u.look(ctx); err != nil {
		return err
	}
	return u.send(ctx)
}

// namesItself tells whether the key ends in the hash of the body, as the keys
// of nearly everything in a repository do. Nobody has to look under such a
// key: a service that pays no heed to the condition replaces what is there by
// what has to be there.
func (u *upload) namesItself() bool {
	if u.options.SHA256 == nil {
		return false
	}
	return strings.HasSuffix(u.key, hex.EncodeToString(u.options.SHA256[:]))
}

// send sends the body on the condition that there is no object yet. A service
// that turns out to know no conditions gets it without one.
func (u *upload) send(ctx context.Context) error {
	c := &u.store.creating
	if c.known() == No {
		return u.sendOnce(ctx, false)
	}
	err := u.sendOnce(ctx, true)
	switch {
	case errors.Is(err, storage.ErrExists):
		c.know(Yes)
	case errors.Is(err, storage.ErrUnsupported) && c.known() != Yes:
		// Whoever had to look has done so.
		if err = u.sendOnce(ctx, false); err == nil {
			c.know(No) // so it was the condition
		}
	}
	return err
}

// sendOnce sends the body and explains what came of it.
func (u *upload) sendOnce(ctx context.Context, conditionally bool) error {
	o := u.objectOptions()
	if u.inParts() {
		return u.explain(ctx, u.sendParts(ctx, o, conditionally))
	}
	if conditionally {
		o.SetMatchETagExcept("*")
	}
	return u.explain(ctx, u.sendWhole(ctx, o))
}

func (u *upload) objectOptions() minio.PutObjectOptions {
	s := u.store
	o := minio.PutObjectOptions{
		ServerSideEncryption: s.sse,
		StorageClass:         s.options.classFor(u.options.Bulk),
		DisableContentSha256: true, // of pieces; that of the whole is signed
	}
	if u.options.Bulk && s.options.MarkBulk {
		o.UserTags = map[string]string{bulkTag: bulkTagValue}
	}
	if r := u.options.Retention; !r.IsZero() {
		o.Mode, o.RetainUntilDate = serviceMode(r.Mode), wholeSeconds(r.Until)
	}
	return o
}

// sendWhole sends the body in one request, signed together with its hash, and
// with the hash as a checksum that the service keeps and tells again.
func (u *upload) sendWhole(ctx context.Context, o minio.PutObjectOptions) error {
	checksum := base64.StdEncoding.EncodeToString(u.sum[:])
	o.UserMetadata = map[string]string{checksumHeader: checksum}
	r := u.read(ctx, 0, u.sizeBytes)
	info, err := u.store.core.PutObject(ctx, u.store.options.Bucket, u.name, r, u.sizeBytes, "", hex.EncodeToString(u.sum[:]), o)
	if r.err != nil {
		return &bodyError{r.err}
	}
	if err != nil {
		return err
	}
	if err := u.told(info.ChecksumSHA256, u.sum); err != nil {
		return err
	}
	u.checked()
	return nil
}

// told takes note of the checksum that the service says it has computed. One
// that knows none of them says nothing.
func (u *upload) told(checksum string, sum [32]byte) error {
	switch checksum {
	case base64.StdEncoding.EncodeToString(sum[:]):
		return nil
	case "":
		u.untold.Store(true)
		return nil
	}
	return fmt.Errorf("%w: the service has received another hash", storage.ErrConflict)
}

// checked passes on that the service has compared all of the body.
func (u *upload) checked() {
	if !u.untold.Load() {
		u.options.WasChecked("SHA-256")
	}
}

// checksumHeader carries the SHA-256, in base64, that the service verifies.
const checksumHeader = "x-amz-checksum-sha256"

// explain says what an error of sending means. A checksum that does not match
// may have been damage on the way, which passes; or here, which does not.
func (u *upload) explain(ctx context.Context, err error) error {
	var body *bodyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &body):
		return body.err
	case isRefusedCreate(err):
		return fmt.Errorf("%w: %w", storage.ErrExists, err)
	case !u.options.Retention.IsZero() && isAboutLocking(err):
		return fmt.Errorf("%w: %w: the bucket has no object lock, which most services turn on for new buckets only", storage.ErrUnsupported, err)
	case code(err) == "ConditionalRequestConflict": // somebody deletes it right now
		return &serviceError{must(answer(err))}
	case isDamage(err) && u.damagedHere(ctx):
		return fmt.Errorf("%w: their hash is another: %w", storage.ErrBody, err)
	}
	return u.store.explainWrite(err)
}

// must is for what is known to be an answer.
func must[T any](v T, _ bool) T { return v }

func isDamage(err error) bool {
	switch code(err) {
	case "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "InvalidDigest", "ContentSHA256Mismatch":
		return true
	}
	return false
}

// damagedHere tells whether the body no longer has the hash that was given
// with it.
func (u *upload) damagedHere(ctx context.Context) bool {
	if u.options.SHA256 == nil {
		return false
	}
	h := sha256.New()
	_, err := io.Copy(h, u.read(ctx, 0, u.sizeBytes))
	return err == nil && [32]byte(h.Sum(nil)) != *u.options.SHA256
}

// read returns the n bytes of the body from offset on as a stream.
func (u *upload) read(ctx context.Context, offset, n int64) *bodyReader {
	return &bodyReader{ctx: ctx, section: io.NewSectionReader(u.body, offset, n), left: n}
}

// bodyReader remembers what went wrong with the body: an error of package
// net/http does not always tell it from one of the connection.
type bodyReader struct {
	ctx     context.Context // of the one Put this reader serves
	section *io.SectionReader
	left    int64
	err     error
}

func (r *bodyReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.section.Read(p)
	r.left -= int64(n)
	if err == io.EOF && r.left > 0 {
		err = fmt.Errorf("%w: the body ends %d bytes early: %w", storage.ErrBody, r.left, io.ErrUnexpectedEOF)
	}
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// bodyError is what reading the body failed with.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

// wholeSeconds rounds up: protection may end later than asked for, not earlier.
func wholeSeconds(t time.Time) time.Time {
	if whole := t.Truncate(time.Second); whole.Before(t) {
		return whole.Add(time.Second)
	}
	return t
}
