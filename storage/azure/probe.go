package azure

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"holdfast/storage"
	"holdfast/storage/internal/cloud"
	"holdfast/storage/internal/httpx"
)

// Probe tries the service out; see storage.Prober.
func (s *Store) Probe(ctx context.Context) (storage.Probe, error) {
	key := "holdfast/probe/" + rand.Text()
	var answer *http.Response
	begun := time.Now()
	if err := s.Put(policy.WithCaptureResponse(ctx, &answer), key, storage.Bytes([]byte("probe")), storage.PutOptions{}); err != nil {
		return storage.Probe{}, fmt.Errorf("probe %s: %w", s.Location(), err)
	}
	p := storage.Probe{Service: "Azure Blob Storage"}
	if answer != nil {
		if name := answer.Header.Get("Server"); name != "" {
			p.Service = name
		}
		if now, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
			p.ClockSkew = httpx.Skew(now, begun, time.Now())
		}
	}
	p.ConditionalCreate = cloud.ProbeCreate(ctx, s, key)
	p.ChecksumsVerified = s.probeChecksum(ctx, key+"-sum")
	_ = s.Delete(ctx, key) // append-only credentials leave one
	return p, ctx.Err()
}

func (s *Store) probeChecksum(ctx context.Context, key string) error {
	b, err := s.blob(ctx, key)
	if err != nil {
		return err
	}
	body := httpx.Send(storage.Bytes([]byte("probe")))
	_, err = b.Upload(ctx, body.Section(0, body.Size()), &blockblob.UploadOptions{
		AccessConditions:        absent(),
		TransactionalValidation: blob.TransferValidationTypeMD5(make([]byte, 16)),
	})
	switch {
	case hasCode(err, bloberror.MD5Mismatch, bloberror.InvalidMD5):
		return nil
	case err != nil:
		return s.failure(ctx, err)
	}
	_ = s.Delete(ctx, key) // append-only credentials leave one
	return errors.New("the service took a body whose checksum was wrong")
}
