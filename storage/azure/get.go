package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"holdfast/storage"
	"holdfast/storage/internal/httpx"
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
	var raw *http.Response
	_, err := b.DownloadStream(policy.WithCaptureResponse(ctx, &raw), &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: offset, Count: count}})
	if err != nil {
		if err = s.failure(ctx, err); errors.Is(err, storage.ErrInvalidRange) {
			return s.readNothing(ctx, key, b, offset, length)
		}
		return nil, err
	}
	return httpx.Received(ctx, raw, offset, length, func(err error) error { return s.failure(ctx, err) })
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
		return httpx.Nothing(), nil
	default:
		// The service refused a range that by its own account exists.
		return nil, fmt.Errorf("the service refuses bytes from %d on of an object with %d", offset, size)
	}
}
