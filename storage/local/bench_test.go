package local_test

import (
	"fmt"
	"testing"

	"holdfast/storage"
	"holdfast/storage/local"
)

const packBytes = 16 << 20

// BenchmarkPutSpool is the way of a pack: 16 MiB spooled in blobs, then put.
func BenchmarkPutSpool(b *testing.B) {
	for _, blobBytes := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("blobs of %d KiB", blobBytes>>10), func(b *testing.B) {
			s := create(b)
			blob := make([]byte, blobBytes)
			b.SetBytes(packBytes)
			for i := range b.N {
				sp, err := s.NewSpool()
				if err != nil {
					b.Fatal(err)
				}
				for range packBytes / blobBytes {
					if _, err := sp.Write(blob); err != nil {
						b.Fatal(err)
					}
				}
				putAndDelete(b, s, fmt.Sprintf("data/%02x/%d", i%256, i), sp)
				if err := sp.Discard(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPutSmall is the way of locks and snapshots, and the price of the
// two flushes alone.
func BenchmarkPutSmall(b *testing.B) {
	s := create(b)
	body := storage.Bytes(make([]byte, 500))
	for i := range b.N {
		if err := s.Put(b.Context(), fmt.Sprintf("locks/%d", i), body, storage.PutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func putAndDelete(b *testing.B, s *local.Store, key string, body storage.Body) {
	b.Helper()
	if err := s.Put(b.Context(), key, body, storage.PutOptions{}); err != nil {
		b.Fatal(err)
	}
	b.StopTimer() // keep the disk from filling up
	if err := s.Delete(b.Context(), key); err != nil {
		b.Fatal(err)
	}
	b.StartTimer()
}

func BenchmarkGetRange(b *testing.B) {
	s := create(b)
	if err := s.Put(b.Context(), "data/3f/3f9a", storage.Bytes(make([]byte, packBytes)), storage.PutOptions{}); err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%d KiB", n>>10), func(b *testing.B) {
			buf := make([]byte, n)
			b.SetBytes(int64(n))
			for i := range b.N {
				offset := int64(i*7919) % (packBytes - int64(n))
				if err := storage.ReadRange(b.Context(), s, "data/3f/3f9a", offset, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkList lists the packs of a 160 GiB repository: 10,000 in 256 folders.
func BenchmarkList(b *testing.B) {
	s := create(b)
	const n = 10_000
	for i := range n {
		if err := s.Put(b.Context(), fmt.Sprintf("data/%02x/%064d", i%256, i), storage.Bytes(nil), storage.PutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		seen := 0
		err := s.List(b.Context(), "data/", func(storage.Info) error { seen++; return nil })
		if err != nil || seen != n {
			b.Fatal(seen, err)
		}
	}
}
