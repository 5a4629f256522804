package repository

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/internal/pack"
	"holdfast/storage"
)

const (
	// openPackers is the number of packs of each type that are filled at the
	// same time. Blobs are spread over them at random, so that pack sizes do
	// not tell an observer which chunks followed each other (restic #5295).
	openPackers = 2
	// packBufferBytes gathers small blobs before they are written to disk.
	packBufferBytes = 128 << 10
)

// MaxPackBlobs is how many blobs fill a pack of any size. It bounds the memory
// for a pack's entries, some 150 bytes each until an index file lists them.
// Only packs of blobs below 700 bytes reach it before they have their size.
const MaxPackBlobs = 25_000

// packers fills the packs of one blob type.
type packers struct {
	w    *Writer
	t    blob.Type
	open [openPackers]packer
	// expected is how many blobs the pack before held: the next, most likely,
	// holds about as many, and a list that grows takes several times its size.
	expected atomic.Int64
}

// packer fills one pack. It is empty until its first blob comes.
type packer struct {
	mu sync.Mutex
	*openPack
}

// openPack is a pack being filled, kept in a spool.
type openPack struct {
	spool   storage.Spool
	buffer  *bufio.Writer
	builder *pack.Builder
}

func newOpenPack(s storage.Store, sizeBytes, blobs int) (*openPack, error) {
	spool, err := storage.NewSpool(s)
	if err != nil {
		return nil, fmt.Errorf("start pack: %w", err)
	}
	k := newOpenPackIn(spool, sizeBytes)
	k.builder.Expect(blobs)
	return k, nil
}

func newOpenPackIn(spool storage.Spool, sizeBytes int) *openPack {
	buffer := bufio.NewWriterSize(spool, packBufferBytes)
	return &openPack{spool: spool, buffer: buffer, builder: pack.NewBuilder(buffer, int64(sizeBytes))}
}

// add puts a sealed blob into one of the open packs, and hands the pack to
// the uploads when it is full.
func (p *packers) add(ctx context.Context, h blob.Handle, sealed []byte, plainLength uint32) error {
	full, err := p.open[rand.IntN(openPackers)].add(p, h, sealed, plainLength)
	if err != nil || full == nil {
		return err
	}
	p.expected.Store(int64(full.builder.Len()))
	return p.w.upload(ctx, full)
}

// add returns the pack when the blob made it full.
func (k *packer) add(p *packers, h blob.Handle, sealed []byte, plainLength uint32) (full *openPack, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.openPack == nil {
		if k.openPack, err = newOpenPack(p.w.r.store, p.w.options.PackSizeBytes, int(p.expected.Load())); err != nil {
			return nil, err
		}
	}
	if err := k.builder.Add(h, sealed, plainLength); err != nil {
		return nil, fmt.Errorf("write pack: %w", err)
	}
	if !k.builder.Full() && k.builder.Len() < MaxPackBlobs {
		return nil, nil
	}
	return k.take(), nil
}

// take empties the packer and returns what it held.
func (k *packer) take() *openPack {
	full := k.openPack
	k.openPack = nil
	return full
}

// flush uploads the packs that are not full. Two that fit into one become
// one: each backup would otherwise leave two small packs behind.
func (p *packers) flush(ctx context.Context) error {
	var rest []*openPack
	for n := range p.open {
		p.open[n].mu.Lock()
		if k := p.open[n].take(); k != nil {
			rest = append(rest, k)
		}
		p.open[n].mu.Unlock()
	}
	if len(rest) == openPackers && rest[0].builder.Size()+rest[1].builder.Size() <= int64(p.w.options.PackSizeBytes) {
		if err := rest[0].absorb(rest[1], p.w.r.key); err != nil {
			return errors.Join(err, rest[0].spool.Discard())
		}
		rest = rest[:1]
	}
	var errs []error
	for _, k := range rest {
		errs = append(errs, p.w.upload(ctx, k)) // which discards it when it fails
	}
	return errors.Join(errs...)
}

// absorb appends the blobs of another pack, and discards that one. They come
// from the disk, so they are authenticated once more.
func (k *openPack) absorb(o *openPack, key sealKey) error {
	err := o.buffer.Flush()
	var sealed, opened []byte
	for _, b := range o.builder.Blobs() {
		if err != nil {
			break
		}
		sealed = grow(sealed, int(b.Length))
		_, err = io.ReadFull(io.NewSectionReader(o.spool, int64(b.Offset), int64(b.Length)), sealed)
		if err == nil {
			opened, err = key.Open(opened[:0], sealed)
		}
		if err == nil {
			err = k.builder.Add(b.Handle, sealed, b.PlainLength)
		}
	}
	if err != nil {
		err = fmt.Errorf("merge packs: %w", err)
	}
	return errors.Join(err, o.spool.Discard())
}

// discard gives up the packs that are not full.
func (p *packers) discard() error {
	var errs []error
	for n := range p.open {
		p.open[n].mu.Lock()
		if k := p.open[n].take(); k != nil {
			errs = append(errs, k.spool.Discard())
		}
		p.open[n].mu.Unlock()
	}
	return errors.Join(errs...)
}

// upload finishes a pack and sends it to the store in the background, after
// waiting for a place. A failure breaks the Writer.
func (w *Writer) upload(ctx context.Context, k *openPack) error {
	if err := w.uploads.Acquire(ctx, 1); err != nil {
		return errors.Join(context.Cause(ctx), k.spool.Discard())
	}
	if err := w.broken(); err != nil {
		w.uploads.Release(1)
		return errors.Join(err, k.spool.Discard())
	}
	go func() { // Flush and Close wait for it
		defer w.uploads.Release(1)
		if err := w.finishPack(w.ctx, k); err != nil {
			w.fail(err) //nolint:errcheck // kept in w.failure
		}
	}()
	return nil
}

// finishPack writes the header, stores the pack under its hash, and records
// it for the index.
func (w *Writer) finishPack(ctx context.Context, k *openPack) error {
	packID, blobs, err := k.finish(w.r.key)
	if err == nil {
		err = w.r.cachePack(packID, blobs[0].Type, k.spool)
	}
	if err == nil {
		err = w.r.store.Put(ctx, PackFile.Key(packID), k.spool, storage.PutOptions{SHA256: (*[32]byte)(&packID), Bulk: blobs[0].Type == blob.Data})
	}
	if err != nil {
		return errors.Join(fmt.Errorf("upload pack: %w", err), k.spool.Discard())
	}
	err = w.packDurable(ctx, PackContent{ID: packID, Blobs: blobs})
	return errors.Join(err, k.spool.Discard())
}

// dataBytes returns how much data blobs hold.
func dataBytes(blobs []blob.Blob) (sum uint64) {
	for k := range blobs {
		if blobs[k].Type == blob.Data {
			sum += uint64(blobs[k].DataLength())
		}
	}
	return sum
}

func (k *openPack) finish(key sealKey) (id.ID, []blob.Blob, error) {
	packID, blobs, err := k.builder.Finish(func(dst, header []byte) ([]byte, error) { return sealProven(key, dst, header) })
	if err == nil {
		err = k.buffer.Flush()
	}
	return packID, blobs, err
}
