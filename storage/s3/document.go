package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/minio/minio-go/v7"
)

// document sends a request about a setting of the bucket and returns the
// answer as it is. minio-go has calls for the settings, too, but drops from
// the documents what it does not know: rules of other people would lose it.
func (s *Store) document(ctx context.Context, method, setting string, body []byte, header http.Header) ([]byte, http.Header, error) {
	const validFor = 5 * time.Minute
	// Signed in the URL: then minio-go says which host and path the bucket has.
	u, err := s.core.PresignHeader(ctx, method, s.options.Bucket, "", validFor, url.Values{setting: {""}}, header)
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, nil, withoutURL(err)
	}
	for name := range header {
		req.Header.Set(name, header.Get(name))
	}
	if body != nil {
		sum := md5.Sum(body) // S3 insists, for settings
		req.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
		req.Header.Set("Content-Type", "application/xml")
	}
	resp, err := s.connections.RoundTrip(req)
	if err != nil {
		return nil, nil, withoutURL(err)
	}
	defer resp.Body.Close()
	const maxDocumentBytes = 4 << 20 // 1000 rules of a bucket, the most there can be
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxDocumentBytes))
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, resp.Header, documentError(resp, got)
	}
	return got, resp.Header, nil
}

func documentError(resp *http.Response, body []byte) error {
	r := minio.ErrorResponse{}
	if xml.Unmarshal(body, &r) != nil || r.Code == "" {
		r = minio.ErrorResponse{Code: resp.Status, Message: fmt.Sprintf("the service answers %s", resp.Status)}
	}
	r.StatusCode = resp.StatusCode
	return r
}
