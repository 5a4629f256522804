package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"holdfast/storage"
)

// Get reads a range; see storage.Store. It is one request, but for ranges
// that begin at the end of the object or after it: the service refuses those,
// and the length has to be asked for to know which they are.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	b, err := s.blob(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	r, err := s.read(ctx, key, b.BlobClient(), offset, length)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	return r, nil
}

// read reads a range of b, which may be a version of a blob.
func (s *Store) read(ctx context.Context, key string, b *blob.Client, offset, length int64) (io.ReadCloser, error) {
	if err := storage.CheckRange(key, offset, math.MaxInt64); err != nil {
		return nil, err
	}
	if length == 0 {
		return s.readNothing(ctx, key, b, offset, length)
	}
	count := max(length, 0) // 0: to the end
	if count > math.MaxInt64-offset {
		count = 0 // no object is that long; the length of the answer tells
	}
	answer, err := b.DownloadStream(ctx, &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: offset, Count: count}})
	if err != nil {
		if err = s.failure(ctx, err); errors.Is(err, storage.ErrInvalidRange) {
			return s.readNothing(ctx, key, b, offset, length)
		}
		return nil, err
	}
	if err := checkAnswer(answer, offset, length); err != nil {
		answer.Body.Close()
		return nil, err
	}
	return &reader{store: s, ctx: ctx, body: answer.Body, left: *answer.ContentLength}, nil
}

// readNothing answers for a range that holds no byte of the object.
func (s *Store) readNothing(ctx context.Context, key string, b *blob.Client, offset, length int64) (io.ReadCloser, error) {
	p, err := b.GetProperties(ctx, nil)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	if p.ContentLength == nil {
		return nil, errors.New("the service does not say how long the object is")
	}
	size := *p.ContentLength
	if err := storage.CheckRange(key, offset, size); err != nil {
		return nil, err
	}
	switch {
	case length > 0 && length > size-offset:
		return nil, fmt.Errorf("the object has %d bytes: %w", size, io.ErrUnexpectedEOF)
	case length == 0 || offset == size:
		return io.NopCloser(eof{}), nil
	default:
		// The service refused a range that by its own account exists.
		return nil, fmt.Errorf("the service refuses bytes from %d on of an object with %d", offset, size)
	}
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// checkAnswer holds what the service is about to send against what was asked.
func checkAnswer(answer blob.DownloadStreamResponse, offset, length int64) error {
	if answer.ContentLength == nil {
		return errors.New("the answer does not say how long it is")
	}
	if offset > 0 && answer.ContentRange == nil {
		return errors.New("the service ignored the range asked for")
	}
	if answer.ContentRange != nil {
		var first, last int64
		if _, err := fmt.Sscanf(*answer.ContentRange, "bytes %d-%d/", &first, &last); err != nil || first != offset {
			return fmt.Errorf("the service answers with the range %q to one from byte %d on", *answer.ContentRange, offset)
		}
	}
	got := *answer.ContentLength
	switch {
	case length >= 0 && got < length:
		return fmt.Errorf("the object ends %d bytes too early: %w", length-got, io.ErrUnexpectedEOF)
	case length >= 0 && got > length:
		return fmt.Errorf("the service sends %d bytes instead of %d", got, length)
	}
	return nil
}

// reader reads the bytes that the answer promised, or fails.
type reader struct {
	store *Store
	ctx   context.Context // of the one Get that hands out this reader
	body  io.ReadCloser
	left  int64
}

func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	switch {
	case r.left == 0:
		return n, nil // what may come after the last byte does not matter
	case errors.Is(err, io.EOF):
		return n, io.ErrUnexpectedEOF
	default:
		return n, r.store.failure(r.ctx, err)
	}
}

func (r *reader) Close() error {
	r.body.Close() // nothing of it matters any more
	return nil
}
