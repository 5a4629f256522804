package servers

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/minio/minio-go/v7/pkg/signer"
)

// ColdTier is the storage class that S3Server.Second configures.
const ColdTier = "COLD"

// addTier makes a bucket of another server a storage class of this one, with
// MinIO's admin API.
func (s *S3Server) addTier(ctx context.Context, name string, other *S3Server, bucket string) error {
	config, err := json.Marshal(map[string]any{
		"Version": "v1", "Type": "minio", "Name": name,
		"MinIO": map[string]string{
			"Endpoint": other.Endpoint, "AccessKey": other.AccessKey, "SecretKey": other.SecretKey,
			"Bucket": bucket, "Region": other.Region,
		},
	})
	if err != nil {
		return err
	}
	sealed, err := adminSeal(s.SecretKey, config)
	if err != nil {
		return err
	}
	return s.admin(ctx, http.MethodPut, "/minio/admin/v3/tier?force=true", sealed)
}

// admin sends a request of the admin API, which carries secrets and so is
// sealed with the secret key.
func (s *S3Server) admin(ctx context.Context, method, path string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, s.Endpoint+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	res, err := http.DefaultClient.Do(signer.SignV4(*req, s.AccessKey, s.SecretKey, "", s.Region))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, text)
	}
	return nil
}

// adminSeal encrypts a short message as MinIO's admin API wants it: 32 bytes
// of salt, one byte that names the scheme (PBKDF2 and AES-256-GCM here), eight
// bytes of nonce, and a stream of sealed pieces. A message below 16 KiB is one
// piece.
func adminSeal(password string, message []byte) ([]byte, error) {
	const (
		saltBytes, nonceBytes = 32, 8
		scheme                = 2
		rounds                = 8192
		lastPiece             = 0x80
	)
	head := make([]byte, saltBytes+1+nonceBytes)
	rand.Read(head)
	head[saltBytes] = scheme
	key, err := pbkdf2.Key(sha256.New, password, head[:saltBytes], rounds, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	// Pieces are numbered from 1. The tag of an empty piece 0 is bound into
	// each of them.
	nonce := func(piece uint32) []byte {
		return binary.LittleEndian.AppendUint32(bytes.Clone(head[saltBytes+1:]), piece)
	}
	bound := append([]byte{lastPiece}, gcm.Seal(nil, nonce(0), nil, nil)...)
	return gcm.Seal(head, nonce(1), message, bound), nil
}
