package azure

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"

	"holdfast/storage"
	"holdfast/storage/internal/httpx"
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
	sent := httpx.Send(body)
	if err = s.put(ctx, b, sent, o); err == nil {
		return s.confirm(ctx, key, o.Retention)
	}
	if failure := sent.Failure(); failure != nil && ctx.Err() == nil {
		return fmt.Errorf("put %s: read body: %w", key, failure)
	}
	err = s.putFailure(ctx, err)
	if !o.Retention.IsZero() && !errors.Is(err, storage.ErrExists) {
		if lerr := s.CheckLocking(ctx); errors.Is(lerr, storage.ErrUnsupported) {
			err = lerr
		}
	}
	return fmt.Errorf("put %s: %w", key, err)
}

// confirm makes sure, with the first object that is put with a retention, that
// the service has set it: one that does not know the headers leaves them out
// and says nothing (Azurite does). An object without its retention is taken
// back.
func (s *Store) confirm(ctx context.Context, key string, r storage.Retention) error {
	if r.IsZero() || s.retains.Load() {
		return nil
	}
	got, err := s.Retention(ctx, key)
	switch {
	case err != nil:
		return fmt.Errorf("put %s: see whether it is immutable: %w", key, err)
	case got.IsZero() && r.Until.After(time.Now()):
		_ = s.Delete(ctx, key) // where that is not permitted, an object too many stays
		if err := s.CheckLocking(ctx); err != nil {
			return fmt.Errorf("put %s: %w", key, err)
		}
		return fmt.Errorf("put %s: the service took the object and not its retention: %w", key, storage.ErrUnsupported)
	}
	s.retains.Store(true)
	return nil
}

// put sends body in the way that fits its size. Azurite answers "exists" to an
// object sent whole when there are but the blocks of an unfinished upload. To
// believe that would be to lose the object; so it is looked for, and made of
// a block in that case.
func (s *Store) put(ctx context.Context, b *blockblob.Client, body *httpx.Sent, o storage.PutOptions) error {
	if body.Size() > s.tuning.singleBytes {
		return s.putBlocks(ctx, b, body, o)
	}
	err := s.putWhole(ctx, b, body, o)
	if !hasCode(err, bloberror.BlobAlreadyExists) {
		return err
	}
	if _, serr := b.GetProperties(ctx, nil); !errors.Is(s.failure(ctx, serr), storage.ErrNotFound) {
		return err
	}
	return s.putBlocks(ctx, b, body, o)
}

// putFailure is failure for answers to a Put under the condition that nothing
// is there: what forbids to touch the object there says that there is one.
func (s *Store) putFailure(ctx context.Context, err error) error {
	if hasCode(err, bloberror.ConditionNotMet, bloberror.TargetConditionNotMet, bloberror.UnauthorizedBlobOverwrite) {
		return storage.ErrExists
	}
	err = s.failure(ctx, err)
	if errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrCold) || errors.Is(err, storage.ErrImmutable) {
		return storage.ErrExists
	}
	return err
}

// absent is the condition that no blob of the name exists.
func absent() *blob.AccessConditions {
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}}
}

func (s *Store) putWhole(ctx context.Context, b *blockblob.Client, body *httpx.Sent, o storage.PutOptions) error {
	sum, err := md5Of(ctx, body, 0, body.Size())
	if err != nil {
		return err
	}
	sent, err := b.Upload(ctx, body.Section(0, body.Size()), &blockblob.UploadOptions{
		AccessConditions:             absent(),
		TransactionalValidation:      blob.TransferValidationTypeMD5(sum),
		Tier:                         s.tierOption(),
		Tags:                         s.tags(o),
		ImmutabilityPolicyMode:       modeOption(o.Retention),
		ImmutabilityPolicyExpiryTime: untilOption(o.Retention),
	})
	if err == nil && bytes.Equal(sent.ContentMD5, sum) {
		o.WasChecked("MD5")
	}
	return err
}

// putBlocks sends body in blocks and then makes them the object. The names of
// the blocks are of this Put alone: two writers of one key would mix theirs.
func (s *Store) putBlocks(ctx context.Context, b *blockblob.Client, body *httpx.Sent, o storage.PutOptions) error {
	size := body.Size()
	each := max(s.tuning.blockBytes, (size+maxBlocks-1)/maxBlocks)
	names := blockNames(int((size + each - 1) / each))
	var untold atomic.Bool // some block's checksum was not told
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelBlocks)
	for i, name := range names {
		from := int64(i) * each
		length := min(each, size-from)
		g.Go(func() error {
			return body.Again(gctx, s.tuning.partDelay, func() error {
				told, err := s.putBlock(gctx, b, name, body, from, length)
				if err == nil && !told {
					untold.Store(true)
				}
				return err
			})
		})
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
	if err == nil && !untold.Load() {
		o.WasChecked("MD5")
	}
	return err
}

// putBlock sends one block. It returns whether the service told the checksum
// of what it has.
func (s *Store) putBlock(ctx context.Context, b *blockblob.Client, name string, body *httpx.Sent, from, length int64) (told bool, err error) {
	sum, err := md5Of(ctx, body, from, length)
	if err != nil {
		return false, err
	}
	sent, err := b.StageBlock(ctx, name, body.Section(from, length), &blockblob.StageBlockOptions{
		TransactionalValidation: blob.TransferValidationTypeMD5(sum),
	})
	return bytes.Equal(sent.ContentMD5, sum), s.failure(ctx, err)
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
func md5Of(ctx context.Context, body *httpx.Sent, from, length int64) ([]byte, error) {
	h := md5.New()
	err := body.Hash(ctx, h, from, length)
	return h.Sum(nil), err
}
