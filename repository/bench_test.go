package repository

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// content fills b with text-like bytes, different for each n: half of them
// are random, half repeat.
func content(b []byte, n uint64) {
	r := random(n, len(b)/2)
	copy(b, r)
	for at := len(r); at < len(b); {
		at += copy(b[at:], "some text that repeats ")
	}
	copy(b, fmt.Appendf(nil, "%016x", n))
}

// BenchmarkWriter saves new blobs: hash, compress, seal, verify, pack and
// upload to memory.
func BenchmarkWriter(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			r := initRepository(b, forgetful{mem.New()}, Options{})
			w := newWriter(b, r, WriterOptions{})
			var n atomic.Uint64
			base := make([]byte, size)
			content(base, 1)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				plain := bytes.Clone(base)
				for pb.Next() {
					copy(plain, fmt.Appendf(nil, "%016x", n.Add(1)))
					if _, err := w.Save(b.Context(), blob.Data, plain); err != nil {
						b.Fatal(err)
					}
				}
			})
			flush(b, w)
		})
	}
}

// BenchmarkKnownBlob saves what the repository holds: the usual case.
func BenchmarkKnownBlob(b *testing.B) {
	r := initRepository(b, mem.New(), Options{})
	plain := make([]byte, 4<<10)
	content(plain, 1)
	store(b, r, blob.Data, plain)
	w := newWriter(b, r, WriterOptions{})
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		if s, err := w.Save(b.Context(), blob.Data, plain); err != nil || !s.Known {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoadBlob(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			r, ids := benchRepository(b, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var n atomic.Uint64
			b.RunParallel(func(pb *testing.PB) {
				var dst []byte
				for pb.Next() {
					var err error
					if dst, err = r.LoadBlob(b.Context(), data(ids[n.Add(1)%uint64(len(ids))]), dst); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkStreamPack(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			r, ids := benchRepository(b, size)
			l, _ := r.Index().Lookup(data(ids[0]))
			blobs := blobsOf(b, r, l.Pack)
			b.SetBytes(int64(size * len(blobs)))
			b.ReportAllocs()
			for b.Loop() {
				err := r.StreamPack(b.Context(), l.Pack, blobs, func(_ blob.Blob, _ []byte, err error) error { return err })
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchRepository holds 8 MiB in blobs of one size.
func benchRepository(b *testing.B, size int) (*Repository, []id.ID) {
	b.Helper()
	r := initRepository(b, mem.New(), Options{})
	var contents [][]byte
	for n := range 8 << 20 / size {
		plain := make([]byte, size)
		content(plain, uint64(n))
		contents = append(contents, plain)
	}
	return r, store(b, r, blob.Data, contents...)
}

// forgetful acknowledges packs and keeps none, so that a long benchmark does
// not fill the memory.
type forgetful struct{ *mem.Store }

func (f forgetful) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	if strings.HasPrefix(key, PackFile.folder()) {
		return nil
	}
	return f.Store.Put(ctx, key, body, o)
}
