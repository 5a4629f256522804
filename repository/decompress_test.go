package repository

import (
	"bytes"
	"errors"
	"testing"

	"holdfast/repository/blob"
	"holdfast/repository/internal/codec"
	"holdfast/storage/mem"
)

// TestMistakesOfTheDecoderDoNoHarm has our decoder make something wrong of every
// blob: each is had nevertheless, however it is read, and that is told.
func TestMistakesOfTheDecoderDoNoHarm(t *testing.T) {
	s := mem.New()
	contents := [][]byte{
		bytes.Repeat([]byte("text that can be compressed "), 1000),
		bytes.Repeat([]byte("other text "), 30_000), random(1, 5000), bytes.Repeat([]byte("and more "), 100),
	}
	ids := store(t, initRepository(t, s, Options{}), blob.Data, contents...)
	var told []error
	r := loaded(t, openRepository(t, s, Options{Warn: func(err error) { told = append(told, err) }}))
	right := r.decompress
	r.decompress = func(dst, frame []byte, n int) ([]byte, error) {
		out, err := right(dst, frame, n)
		out[len(out)/2] ^= 1
		return out, err
	}
	want := func(how string, got []byte, b blob.Handle) {
		t.Helper()
		for k := range ids {
			if ids[k] == b.ID && !bytes.Equal(got, contents[k]) {
				t.Errorf("%s: something else came back", how)
			}
		}
		if len(told) == 0 && bytes.HasPrefix(got, []byte("text")) {
			t.Errorf("%s: nothing was told", how)
		}
		for _, err := range told {
			if !errors.Is(err, codec.ErrOwnMistake) && !errors.Is(err, errReadAgain) {
				t.Errorf("%s: told of %v", how, err)
			}
		}
	}
	for _, i := range ids {
		h := blob.Handle{ID: i, Type: blob.Data}
		told = nil
		got, err := r.LoadBlob(t.Context(), h, nil)
		if err != nil {
			t.Errorf("one: %v", err)
		}
		want("one", got, h)
	}
	told = nil
	p := onlyPack(t, s)
	visited := 0
	visit := func(b blob.Blob, plain []byte, err error) error {
		visited++
		want("of a pack", plain, b.Handle)
		return err
	}
	if err := r.StreamPack(t.Context(), p, blobsOf(t, r, p), visit); err != nil {
		t.Errorf("of a pack: %v", err)
	}
	if err := r.NewPackVerifier().Verify(t.Context(), p, blobsOf(t, r, p), visit); err != nil {
		t.Errorf("verified: %v", err)
	}
	if visited != 2*len(ids) {
		t.Errorf("visited %d blobs", visited)
	}
}
