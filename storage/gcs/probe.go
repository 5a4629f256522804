package gcs

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"holdfast/storage"
	"holdfast/storage/internal/cloud"
	"holdfast/storage/internal/httpx"
)

// Probe tries the service out; see storage.Prober.
func (s *Store) Probe(ctx context.Context) (storage.Probe, error) {
	key := "holdfast/probe/" + rand.Text()
	if err := s.Put(ctx, key, storage.Bytes([]byte("probe")), storage.PutOptions{}); err != nil {
		return storage.Probe{}, fmt.Errorf("probe %s: %w", s.Location(), err)
	}
	p := storage.Probe{Service: "Google Cloud Storage"}
	if s.o.Endpoint != service {
		p.Service = "" // an emulator, or the same behind another name: it does not say
	}
	begun := time.Now()
	header, err := s.c.callHeader(ctx, http.MethodGet, s.c.object(s.root+key), url.Values{"fields": {"size"}}, nil, nil)
	if err != nil {
		return p, fmt.Errorf("probe %s: %w", s.Location(), s.failure(err))
	}
	if now, err := http.ParseTime(header.Get("Date")); err == nil {
		p.ClockSkew = httpx.Skew(now, begun, time.Now())
	}
	p.ConditionalCreate = cloud.ProbeCreate(ctx, s, key)
	p.ChecksumsVerified = s.probeChecksum(ctx, key+"-sum")
	_ = s.Delete(ctx, key) // append-only credentials leave one
	return p, ctx.Err()
}

func (s *Store) probeChecksum(ctx context.Context, key string) error {
	about := newObject{Name: s.root + key, ContentType: "application/octet-stream", CRC32C: base64.StdEncoding.EncodeToString(make([]byte, 4))}
	_, err := s.putWhole(ctx, about, httpx.Send(storage.Bytes([]byte("probe"))))
	answer, refused := errors.AsType[*answerError](err)
	switch {
	case refused && answer.isChecksum():
		return nil
	case err != nil && !errors.Is(err, storage.ErrConflict): // we compare ourselves
		return err
	}
	_ = s.Delete(ctx, key) // append-only credentials leave one
	return errors.New("the service took a body whose checksum was wrong")
}
