package logarchive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"

	"holdfast/storage"
)

// brokenBody cannot be read to its end.
type brokenBody struct {
	storage.Body
	readable int64
}

var errBroken = errors.New("this disk is broken")

func (b brokenBody) ReadAt(p []byte, off int64) (int, error) {
	if off >= b.readable {
		return 0, errBroken
	}
	return b.Body.ReadAt(p[:min(int64(len(p)), b.readable-off)], off)
}

// A compressor that was left in the middle of a segment writes the next one
// as if nothing had been.
func TestSealingGoesOnAfterAFailure(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	s := newSealer([]age.Recipient{identity.Recipient()}, func(err error) { t.Error(err) })
	broken := brokenBody{storage.Bytes(segmentLike(1)), 3 << 19}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	work, ctx := errgroup.WithContext(t.Context())
	for seed := range uint64(12) {
		work.Go(func() error {
			if _, err := s.seal(ctx, io.Discard, broken); !errors.Is(err, errBroken) {
				t.Errorf("sealing a body that cannot be read = %v", err)
			}
			if _, err := s.seal(ended, io.Discard, storage.Bytes(segmentLike(1))); !errors.Is(err, context.Canceled) {
				t.Errorf("sealing after the end = %v", err)
			}
			return sealsTo(ctx, s, segmentLike(seed), identity)
		})
	}
	if err := work.Wait(); err != nil {
		t.Error(err)
	}
}

// sealsTo makes sure that a payload opens to what was sealed.
func sealsTo(ctx context.Context, s *sealer, plain []byte, identity age.Identity) error {
	var payload bytes.Buffer
	digest, err := s.seal(ctx, &payload, storage.Bytes(plain))
	if err != nil {
		return err
	}
	var opened bytes.Buffer
	a := &Archive{o: Options{Identities: []age.Identity{identity}}}
	if err := a.openTo(&opened, &payload); err != nil {
		return err
	}
	sum, err := Sum(ctx, storage.Bytes(opened.Bytes()))
	if err == nil && (!bytes.Equal(opened.Bytes(), plain) || sum != digest) {
		err = errors.New("the payload opens to something else")
	}
	return err
}

// segmentLike returns 2 MiB that compress as log does.
func segmentLike(seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // the same at each run
	var text strings.Builder
	for text.Len() < 2<<20 {
		text.WriteString("delivery to street ")
		text.WriteByte(byte('a' + random.IntN(26)))
		text.WriteByte(byte(random.IntN(256)))
	}
	return []byte(text.String()[:2<<20])
}
