package repository

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/storage"
	"holdfast/storage/mem"
)

// onePack makes a repository with one pack of some blobs, one of them larger
// than what a PackVerifier reads at a time.
func onePack(t *testing.T) (*Repository, id.ID, []blob.Blob, map[id.ID][]byte) {
	t.Helper()
	o := Options{Password: []byte("x")}
	r, err := Init(t.Context(), mem.New(), InitOptions{Password: o.Password, KeyCost: KeyCost{N: 2, R: 1, P: 1}}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() }) //nolint:errcheck // it held temporary files only
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	w, err := r.NewWriter(t.Context(), WriterOptions{Compression: CompressionOff})
	if err != nil {
		t.Fatal(err)
	}
	content := make(map[id.ID][]byte)
	for n, size := range []int{10, 3 * verifyReadBytes, 1000, 0, 2*verifyBufferBytes + 7, 20} {
		plain := bytes.Repeat([]byte{byte(n + 1)}, size)
		saved, err := w.Save(t.Context(), blob.Data, plain)
		if err != nil {
			t.Fatal(err)
		}
		content[saved.ID] = plain
	}
	if err := errors.Join(w.Flush(t.Context()), w.Close()); err != nil {
		t.Fatal(err)
	}
	var pack id.ID
	var blobs []blob.Blob
	err = r.Index().ByPack(t.Context(), nil, func(i id.ID, list []blob.Blob) error {
		pack, blobs = i, slices.Clone(list)
		return nil
	})
	if err != nil || len(blobs) != len(content) {
		t.Fatalf("%d blobs, %v", len(blobs), err)
	}
	return r, pack, blobs, content
}

// verified returns the blobs that verifying finds damaged.
func verified(t *testing.T, r *Repository, pack id.ID, blobs []blob.Blob, content map[id.ID][]byte) (damaged []id.ID, err error) {
	t.Helper()
	v := r.NewPackVerifier()
	for range 2 { // it can be used again, whatever it has met
		damaged = nil
		err = v.Verify(t.Context(), pack, blobs, func(b blob.Blob, plain []byte, err error) error {
			switch {
			case err != nil && !IsCorrupt(err):
				t.Errorf("%v is no *CorruptError", err)
			case err != nil:
				damaged = append(damaged, b.ID)
			case !bytes.Equal(plain, content[b.ID]):
				t.Errorf("blob %s is other", b.ID.Short())
			}
			return nil
		})
	}
	return damaged, err
}

func TestVerifyPack(t *testing.T) {
	r, pack, blobs, content := onePack(t)
	if damaged, err := verified(t, r, pack, blobs, content); err != nil || damaged != nil {
		t.Errorf("damaged %v, %v", damaged, err)
	}
	stop := errors.New("stop")
	err := r.NewPackVerifier().Verify(t.Context(), pack, blobs, func(blob.Blob, []byte, error) error { return stop })
	if err != stop { //nolint:errorlint // as it is
		t.Errorf("%v instead of what visit returned", err)
	}
}

// What the index says is held against the header, entry by entry.
func TestVerifyPackAgainstTheIndex(t *testing.T) {
	edits := map[string]func(b []blob.Blob) []blob.Blob{
		"first left out":  func(b []blob.Blob) []blob.Blob { return b[1:] },
		"middle left out": func(b []blob.Blob) []blob.Blob { return slices.Delete(b, 1, 2) },
		"last left out":   func(b []blob.Blob) []blob.Blob { return b[:len(b)-1] },
		"none":            func([]blob.Blob) []blob.Blob { return nil },
		"other type": func(b []blob.Blob) []blob.Blob {
			b[2].Type = blob.Tree
			return b
		},
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			r, pack, blobs, content := onePack(t)
			damaged, err := verified(t, r, pack, edit(blobs), content)
			if !errors.Is(err, ErrIndexMismatch) || !IsCorrupt(err) || damaged != nil {
				t.Errorf("damaged %v, %v", damaged, err)
			}
		})
	}
}

// Entries that cannot be are damage of their blobs, and the others are read.
func TestVerifyPackWithWrongEntries(t *testing.T) {
	edits := map[string]func(b *blob.Blob){
		"other ID":        func(b *blob.Blob) { b.ID = id.Hash([]byte("other")) },
		"overlap":         func(b *blob.Blob) { b.Offset -= 5; b.Length += 5 },
		"too long":        func(b *blob.Blob) { b.Length = maxBlobBytes + 1 },
		"compressed":      func(b *blob.Blob) { b.PlainLength = 7 },
		"huge plain size": func(b *blob.Blob) { b.PlainLength = 1 << 31 },
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			r, pack, blobs, content := onePack(t)
			edit(&blobs[2])
			damaged, err := verified(t, r, pack, blobs, content)
			if !slices.Equal(damaged, []id.ID{blobs[2].ID}) || !IsCorrupt(err) {
				t.Errorf("damaged %v, %v", damaged, err)
			}
		})
	}
}

// A pack of sound blobs under the name of another one is not that one.
func TestVerifyPackChecksTheName(t *testing.T) {
	r, pack, blobs, content := onePack(t)
	stored, err := storage.ReadAll(t.Context(), r.Store(), PackFile.Key(pack))
	if err != nil {
		t.Fatal(err)
	}
	other := id.Hash([]byte("other"))
	if err := r.Store().Put(t.Context(), PackFile.Key(other), storage.Bytes(stored), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for n := range blobs {
		blobs[n].Pack = other
	}
	damaged, err := verified(t, r, other, blobs, content)
	if damaged != nil || !IsCorrupt(err) || errors.Is(err, ErrIndexMismatch) {
		t.Errorf("damaged %v, %v", damaged, err)
	}
}

// A pack that cannot be read is not damaged: it may be whole.
func TestVerifyPackThatIsGone(t *testing.T) {
	r, pack, blobs, content := onePack(t)
	if err := r.RemoveFile(t.Context(), PackFile, pack); err != nil {
		t.Fatal(err)
	}
	if _, err := verified(t, r, pack, blobs, content); !errors.Is(err, storage.ErrNotFound) || IsCorrupt(err) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.NewPackVerifier().Verify(ctx, pack, blobs, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
