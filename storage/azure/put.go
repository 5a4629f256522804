package azure

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"

	"holdfast/storage"
)

const (
	maxBlocks = 50_000 // that the service takes for one object
	// parallelBlocks are sent at once. None is held in memory.
	parallelBlocks = 4
)

// Put stores body; see storage.Store.
func (s *Store) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	b, err := s.blob(ctx, key)
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	sent := &sentBody{Body: body}
	if body.Size() <= s.tuning.singleBytes {
		err = s.putWhole(ctx, b, sent, o)
	} else {
		err = s.putBlocks(ctx, b, sent, o)
	}
	if err == nil {
		return nil
	}
	if failure := sent.failure(); failure != nil && ctx.Err() == nil {
		return fmt.Errorf("put %s: read body: %w", key, failure)
	}
	return fmt.Errorf("put %s: %w", key, s.putFailure(ctx, err))
}

// putFailure is failure for answers to a Put under the condition that nothing
// is there: what forbids to touch the object there says that there is one.
func (s *Store) putFailure(ctx context.Context, err error) error {
	if hasCode(err, bloberror.BlobAlreadyExists, bloberror.ConditionNotMet, bloberror.TargetConditionNotMet,
		bloberror.BlobArchived, bloberror.BlobBeingRehydrated, bloberror.UnauthorizedBlobOverwrite,
		bloberror.BlobImmutableDueToPolicy, blobImmutableDueToLegalHold) {
		return storage.ErrExists
	}
	return s.failure(ctx, err)
}

// absent is the condition that no blob of the name exists.
func absent() *blob.AccessConditions {
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}}
}

func (s *Store) putWhole(ctx context.Context, b *blockblob.Client, body *sentBody, o storage.PutOptions) error {
	sum, err := md5Of(ctx, storage.Unpaced(body.Body), 0, body.Size())
	if err != nil {
		return err
	}
	_, err = b.Upload(ctx, body.section(0, body.Size()), &blockblob.UploadOptions{
		AccessConditions:             absent(),
		TransactionalValidation:      blob.TransferValidationTypeMD5(sum),
		Tier:                         s.tierOption(),
		Tags:                         s.tags(o),
		ImmutabilityPolicyMode:       modeOption(o.Retention),
		ImmutabilityPolicyExpiryTime: untilOption(o.Retention),
	})
	return err
}

// putBlocks sends body in blocks and then makes them the object. The names of
// the blocks are of this Put alone: two writers of one key would mix theirs.
func (s *Store) putBlocks(ctx context.Context, b *blockblob.Client, body *sentBody, o storage.PutOptions) error {
	size := body.Size()
	each := max(s.tuning.blockBytes, (size+maxBlocks-1)/maxBlocks)
	names := blockNames(int((size + each - 1) / each))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelBlocks)
	for i, name := range names {
		from := int64(i) * each
		length := min(each, size-from)
		g.Go(func() error { return putBlock(gctx, b, name, body, from, length) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err := b.CommitBlockList(ctx, names, &blockblob.CommitBlockListOptions{
		AccessConditions:             absent(),
		Tier:                         s.tierOption(),
		Tags:                         s.tags(o),
		ImmutabilityPolicyMode:       modeOption(o.Retention),
		ImmutabilityPolicyExpiryTime: untilOption(o.Retention),
	})
	if hasCode(err, bloberror.InvalidBlockList) {
		// Another writer of this key was first: that drops the blocks of all.
		if _, serr := b.GetProperties(ctx, nil); serr == nil {
			return storage.ErrExists
		}
	}
	return err
}

func putBlock(ctx context.Context, b *blockblob.Client, name string, body *sentBody, from, length int64) error {
	sum, err := md5Of(ctx, storage.Unpaced(body.Body), from, length)
	if err != nil {
		return err
	}
	_, err = b.StageBlock(ctx, name, body.section(from, length), &blockblob.StageBlockOptions{
		TransactionalValidation: blob.TransferValidationTypeMD5(sum),
	})
	return err
}

// blockNames returns n names of one length, which nobody else uses.
func blockNames(n int) []string {
	name := make([]byte, 20)
	rand.Read(name[:16])
	names := make([]string, n)
	for i := range names {
		binary.BigEndian.PutUint32(name[16:], uint32(i))
		names[i] = base64.StdEncoding.EncodeToString(name)
	}
	return names
}

// md5Of hashes a range of body, for the service to compare with what arrives.
// MD5 is all it can do that holds against the line; nothing relies on it
// against people.
func md5Of(ctx context.Context, body storage.Body, from, length int64) ([]byte, error) {
	h := md5.New()
	n, err := io.Copy(h, &contextReader{ctx: ctx, r: io.NewSectionReader(body, from, length)})
	if err == nil && n != length {
		err = fmt.Errorf("body ends after %d of %d bytes: %w", from+n, body.Size(), io.ErrUnexpectedEOF)
	}
	return h.Sum(nil), err
}

// contextReader stops when its context ends.
type contextReader struct {
	ctx context.Context // of the one Put this reader serves
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// sentBody remembers that reading the body failed, which the client library
// reports as a failed request.
type sentBody struct {
	storage.Body
	mu  sync.Mutex
	err error
}

func (b *sentBody) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.Body.ReadAt(p, off)
	if err != nil && (!errors.Is(err, io.EOF) || off+int64(n) < b.Size()) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.err = err
	}
	return n, err
}

func (b *sentBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// section is a range of the body to be sent.
func (b *sentBody) section(from, length int64) io.ReadSeekCloser {
	return section{io.NewSectionReader(b, from, length)}
}

type section struct{ *io.SectionReader }

func (section) Close() error { return nil }
