package s3

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"holdfast/storage"

	"github.com/minio/minio-go/v7"
)

// partRule says how large bodies go up in parts.
type partRule struct {
	// aboveBytes is the size from which on they do. Packs stay below it: one
	// request is cheaper than five, and services take 5 GB in one.
	aboveBytes int64
	// partBytes is the size of a part, unless that gives too many.
	partBytes int64
	// atOnce is how many parts are under way.
	atOnce int
}

var usualParts = partRule{aboveBytes: 200 << 20, partBytes: 64 << 20, atOnce: 4}

// maxParts is the limit of S3.
const maxParts = 10_000

// size is the size of each part but the last of a body.
func (r partRule) size(bodyBytes int64) int64 {
	return max(r.partBytes, (bodyBytes+maxParts-1)/maxParts)
}

// sendParts sends the body in parts, each signed with its own hash. They are
// read from the body, hashed, and read again: no part is held in memory.
func (u *upload) sendParts(ctx context.Context, o minio.PutObjectOptions, conditionally bool) error {
	s := u.store
	o.UserMetadata = map[string]string{"x-amz-checksum-algorithm": "SHA256"}
	id, err := s.core.NewMultipartUpload(ctx, s.options.Bucket, u.name, o)
	if err != nil {
		return err
	}
	parts, err := u.sendEach(ctx, id)
	if err == nil {
		err = u.finish(ctx, id, parts, conditionally)
	}
	if err != nil {
		u.abort(ctx, id)
		return err
	}
	u.checked()
	return nil
}

// part is one part of a body.
type part struct {
	number        int // from 1 on
	offset, bytes int64
	sum           [32]byte
}

// sendEach hashes the parts one after the other, and the whole body with them,
// while the ones before are under way.
func (u *upload) sendEach(ctx context.Context, id string) ([]minio.CompletePart, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rule := u.store.parts
	size := rule.size(u.sizeBytes)
	done := make([]minio.CompletePart, (u.sizeBytes+size-1)/size)
	waiting := make(chan part)
	var senders sync.WaitGroup
	for range rule.atOnce {
		senders.Go(func() {
			for p := range waiting {
				sent, err := u.sendPart(ctx, id, p)
				if err != nil {
					cancel(err)
					continue
				}
				done[p.number-1] = sent
			}
		})
	}
	err := u.hashParts(ctx, size, waiting)
	close(waiting)
	if err != nil {
		cancel(err)
	}
	senders.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	return done, nil
}

// hashParts hands the parts of the body out, in their order. The whole body
// has to have the hash that was given with it.
func (u *upload) hashParts(ctx context.Context, size int64, out chan<- part) error {
	whole := sha256.New()
	for p := (part{number: 1}); p.offset < u.sizeBytes; p.number++ {
		p.bytes = min(size, u.sizeBytes-p.offset)
		h := sha256.New()
		r := u.read(ctx, p.offset, p.bytes)
		if _, err := io.Copy(io.MultiWriter(h, whole), r); err != nil {
			return &bodyError{err}
		}
		p.sum = [32]byte(h.Sum(nil))
		select {
		case out <- p:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		p.offset += p.bytes
	}
	if sum := u.options.SHA256; sum != nil && [32]byte(whole.Sum(nil)) != *sum {
		return fmt.Errorf("%w: their hash is another", storage.ErrBody)
	}
	return nil
}

func (u *upload) sendPart(ctx context.Context, id string, p part) (minio.CompletePart, error) {
	checksum := base64.StdEncoding.EncodeToString(p.sum[:])
	r := u.read(ctx, p.offset, p.bytes)
	sent, err := u.store.core.PutObjectPart(ctx, u.store.options.Bucket, u.name, id, p.number, r, p.bytes, minio.PutObjectPartOptions{
		Sha256Hex:            hex.EncodeToString(p.sum[:]),
		SSE:                  u.store.keyForReading(),
		CustomHeader:         http.Header{http.CanonicalHeaderKey(checksumHeader): {checksum}},
		DisableContentSha256: true,
	})
	if r.err != nil {
		return minio.CompletePart{}, &bodyError{r.err}
	}
	if err != nil {
		return minio.CompletePart{}, fmt.Errorf("part %d: %w", p.number, err)
	}
	if err := u.told(sent.ChecksumSHA256, p.sum); err != nil {
		return minio.CompletePart{}, fmt.Errorf("part %d: %w", p.number, err)
	}
	return minio.CompletePart{PartNumber: p.number, ETag: sent.ETag, ChecksumSHA256: sent.ChecksumSHA256}, nil
}

// finish makes an object of the parts, in one step.
func (u *upload) finish(ctx context.Context, id string, parts []minio.CompletePart, conditionally bool) error {
	o := minio.PutObjectOptions{ServerSideEncryption: u.store.keyForReading()}
	if conditionally {
		o.SetMatchETagExcept("*")
	}
	_, err := u.store.core.CompleteMultipartUpload(ctx, u.store.options.Bucket, u.name, id, parts, o)
	return err
}

// abort frees what an upload has stored so far. Where that fails, Clean and
// lifecycle rules find it.
func (u *upload) abort(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	u.store.core.AbortMultipartUpload(ctx, u.store.options.Bucket, u.name, id)
}
