package s3

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"holdfast/storage"

	"github.com/minio/minio-go/v7"
)

var _ storage.Prober = (*Store)(nil)

// Probe tries the service out with a few small objects; see storage.Prober.
func (s *Store) Probe(ctx context.Context) (storage.Probe, error) {
	var p storage.Probe
	if err := s.probeService(ctx, &p); err != nil {
		return p, fmt.Errorf("probe %s: %w", s.Location(), own(ctx, err))
	}
	key := "holdfast/probe/" + strings.ToLower(rand.Text())
	var err error
	p.ConditionalCreate, err = s.probeCreate(ctx, key)
	if err == nil {
		p.ChecksumsVerified, err = s.probeChecksums(ctx, key+"-damaged")
	}
	if err != nil {
		return p, fmt.Errorf("probe %s: %w", s.Location(), own(ctx, err))
	}
	return p, nil
}

// probeService asks for some small thing, for what stands beside the answer.
func (s *Store) probeService(ctx context.Context, p *storage.Probe) error {
	begun := time.Now()
	_, h, err := s.document(ctx, http.MethodGet, "location", nil, nil)
	if h == nil {
		return s.explain(err)
	}
	if r, _ := answer(err); r.Code == "NoSuchBucket" || r.Code == "RequestTimeTooSkewed" && h.Get("Date") == "" {
		return s.explain(err)
	}
	took := time.Since(begun)
	p.Service = h.Get("Server")
	// The service writes whole seconds, somewhere on the way.
	if there, err := http.ParseTime(h.Get("Date")); err == nil {
		skew := there.Add(500 * time.Millisecond).Sub(begun.Add(took / 2))
		if skew.Abs() > took+time.Second {
			p.ClockSkew = skew.Round(time.Second)
		}
	}
	return nil
}

// probeCreate puts two objects under one key.
func (s *Store) probeCreate(ctx context.Context, key string) (missing, err error) {
	name, err := s.name(ctx, key)
	if err != nil {
		return nil, err
	}
	defer s.removeProbe(ctx, name)
	for _, content := range []string{"first", "second"} {
		o := minio.PutObjectOptions{DisableContentSha256: true}
		o.SetMatchETagExcept("*")
		err = s.sendProbe(ctx, name, content, content, o)
		if isUnknownHere(err) {
			s.creating.know(No)
			return fmt.Errorf("%w: the service refuses conditional writes", storage.ErrUnsupported), nil
		}
		if err != nil && (content == "first" || !isRefusedCreate(err)) {
			return nil, s.explainWrite(err)
		}
	}
	if err == nil {
		s.creating.know(No)
		return fmt.Errorf("%w: the service takes conditional writes and does not heed the condition", storage.ErrUnsupported), nil
	}
	s.creating.know(Yes)
	return nil, nil
}

// probeChecksums sends a body with the hash of another one.
func (s *Store) probeChecksums(ctx context.Context, name string) (missing, err error) {
	name, err = s.name(ctx, name)
	if err != nil {
		return nil, err
	}
	defer s.removeProbe(ctx, name)
	err = s.sendProbe(ctx, name, "what arrives", "what was sent", minio.PutObjectOptions{DisableContentSha256: true})
	if err == nil {
		return errors.New("the service stores bodies that do not match the SHA-256 sent with them: what is damaged on the way is found only when it is read"), nil
	}
	if r, ok := answer(err); ok && r.StatusCode/100 == 4 && !isDenied(err) {
		return nil, nil
	}
	return nil, s.explainWrite(err)
}

func (s *Store) sendProbe(ctx context.Context, name, body, hashed string, o minio.PutObjectOptions) error {
	sum := sha256.Sum256([]byte(hashed))
	o.ServerSideEncryption = s.sse
	o.UserMetadata = map[string]string{checksumHeader: base64.StdEncoding.EncodeToString(sum[:])}
	_, err := s.core.PutObject(ctx, s.options.Bucket, name, strings.NewReader(body), int64(len(body)), "", hex.EncodeToString(sum[:]), o)
	return err
}

// removeProbe leaves the object where the credentials may not delete.
func (s *Store) removeProbe(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	s.core.RemoveObject(ctx, s.options.Bucket, name, minio.RemoveObjectOptions{})
}
