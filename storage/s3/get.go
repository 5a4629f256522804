package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"holdfast/storage"

	"github.com/minio/minio-go/v7"
)

// Get reads a range; see storage.Store.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := s.get(ctx, version{key: key}, offset, length)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, own(ctx, err))
	}
	return r, nil
}

// version is one version of an object; without an ID the current one.
type version struct{ key, id string }

func (s *Store) get(ctx context.Context, v version, offset, length int64) (io.ReadCloser, error) {
	name, err := s.name(ctx, v.key)
	if err != nil {
		return nil, err
	}
	if offset < 0 || length == 0 || offset > maxObjectBytes {
		return s.getNothing(ctx, v, offset, length)
	}
	o := minio.GetObjectOptions{VersionID: v.id, ServerSideEncryption: s.keyForReading()}
	ranged := offset > 0 || length > 0
	if ranged {
		o.Set("Range", rangeHeader(offset, length))
	}
	body, _, header, err := s.core.GetObject(ctx, s.options.Bucket, name, o)
	if code(err) == "InvalidRange" {
		return s.getNothing(ctx, v, offset, length)
	}
	if err != nil {
		return nil, s.explain(err)
	}
	want, err := answeredBytes(header, ranged, offset, length)
	if err != nil {
		body.Close()
		return nil, err
	}
	return &reader{body: body, left: want}, nil
}

// maxObjectBytes is the most that the largest of the services takes. No object
// has bytes behind it, and no service has to be asked.
const maxObjectBytes = 1 << 50

func rangeHeader(offset, length int64) string {
	if length < 0 || length > maxObjectBytes {
		return fmt.Sprintf("bytes=%d-", offset)
	}
	return fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)
}

// getNothing answers what no range of bytes can be asked for: nothing, or what
// begins at the end of the object or behind it.
func (s *Store) getNothing(ctx context.Context, v version, offset, length int64) (io.ReadCloser, error) {
	info, err := s.stat(ctx, v)
	if err != nil {
		return nil, err
	}
	if err := storage.CheckRange(v.key, offset, info.SizeBytes); err != nil {
		return nil, err
	}
	switch {
	case length == 0, length < 0 && offset == info.SizeBytes:
		return io.NopCloser(strings.NewReader("")), nil
	case offset == info.SizeBytes:
		return nil, fmt.Errorf("the object has %d bytes: %w", info.SizeBytes, io.ErrUnexpectedEOF)
	}
	// The service called a range invalid that is none, by its own account.
	return nil, fmt.Errorf("the service says that an object of %d bytes has none from %d on", info.SizeBytes, offset)
}

// answeredBytes compares what the service is about to send with what was
// asked for, and returns how many bytes have to come.
func answeredBytes(h http.Header, ranged bool, offset, length int64) (int64, error) {
	sent, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil || sent < 0 {
		return 0, errors.New("the service does not say how many bytes it sends")
	}
	if !ranged {
		return sent, nil
	}
	first, last, size, err := parseContentRange(h.Get("Content-Range"))
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: it does not answer requests for ranges: %w", storage.ErrUnsupported, err)
	case first != offset || last-first+1 != sent:
		return 0, fmt.Errorf("the service sends %d bytes from %d on as the range %d-%d, asked for from %d on", sent, first, first, last, offset)
	case length < 0 && last+1 != size, length > 0 && sent > length:
		return 0, fmt.Errorf("the service sends the range %d-%d of %d bytes, asked for %d from %d on", first, last, size, length, offset)
	case length > 0 && sent < length:
		return 0, fmt.Errorf("the object has %d bytes: %w", size, io.ErrUnexpectedEOF)
	}
	return sent, nil
}

// parseContentRange reads "bytes first-last/size".
func parseContentRange(s string) (first, last, size int64, err error) {
	if _, err := fmt.Sscanf(s, "bytes %d-%d/%d", &first, &last, &size); err != nil || first > last || last >= size {
		return 0, 0, 0, fmt.Errorf("Content-Range is %q", s)
	}
	return first, last, size, nil
}

// reader yields exactly the bytes that have to come.
type reader struct {
	body io.ReadCloser
	left int64
}

func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if r.left == 0 {
		// The end is read, too: that gives the connection back.
		var end [1]byte
		if err == nil {
			r.body.Read(end[:])
		}
		return n, nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *reader) Close() error { return r.body.Close() }

// Stat describes an object; see storage.Store.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	info, err := s.stat(ctx, version{key: key})
	if err != nil {
		return storage.Info{}, fmt.Errorf("stat %s: %w", key, own(ctx, err))
	}
	return info, nil
}

func (s *Store) stat(ctx context.Context, v version) (storage.Info, error) {
	o, err := s.head(ctx, v, false)
	if err != nil {
		return storage.Info{}, err
	}
	return storage.Info{Key: v.key, SizeBytes: o.Size, Stored: o.LastModified}, nil
}

// head asks for everything about a version but its bytes.
func (s *Store) head(ctx context.Context, v version, hashes bool) (minio.ObjectInfo, error) {
	name, err := s.name(ctx, v.key)
	if err != nil {
		return minio.ObjectInfo{}, err
	}
	o, err := s.core.StatObject(ctx, s.options.Bucket, name, minio.StatObjectOptions{
		VersionID: v.id, Checksum: hashes, ServerSideEncryption: s.keyForReading(),
	})
	if err != nil {
		return minio.ObjectInfo{}, s.explain(err)
	}
	if o.Size < 0 {
		return minio.ObjectInfo{}, errors.New("the service does not say how many bytes the object has")
	}
	return o, nil
}

// SHA256 is the hash that the service verified when the object was put; see
// storage.Hasher. An object that went up in parts has none of the whole.
func (s *Store) SHA256(ctx context.Context, key string) ([32]byte, error) {
	sum, err := s.sha256(ctx, key)
	if err != nil {
		return sum, fmt.Errorf("hash of %s: %w", key, own(ctx, err))
	}
	return sum, nil
}

func (s *Store) sha256(ctx context.Context, key string) (sum [32]byte, err error) {
	o, err := s.head(ctx, version{key: key}, true)
	if err != nil {
		return sum, err
	}
	b, err := base64.StdEncoding.DecodeString(o.ChecksumSHA256)
	if err != nil || len(b) != len(sum) { // none, or that of parts: "...-4"
		return sum, fmt.Errorf("%w: it keeps no SHA-256 of this object", storage.ErrUnsupported)
	}
	return [32]byte(b), nil
}
