package s3_test

import (
	"net/http"
	"testing"

	"holdfast/storage"
	"holdfast/storage/s3"
)

// Buckets are a part of the path or of the name of the host: AWS wants the
// latter, most others take the former.
func TestPathAndVirtualStyle(t *testing.T) {
	const own, aws = "s3:http://127.0.0.1:9000/bucket/prefix", "s3:https://s3.eu-central-1.amazonaws.com/bucket/prefix"
	for _, test := range []struct{ url, lookup, want string }{
		{own, "auto", "http://127.0.0.1:9000/bucket/prefix/config"},
		{own, "path", "http://127.0.0.1:9000/bucket/prefix/config"},
		{"s3:https://storage.example.com/bucket/prefix", "dns", "https://bucket.storage.example.com/prefix/config"},
		{aws, "auto", "https://bucket.s3.dualstack.eu-central-1.amazonaws.com/prefix/config"},
		{aws, "path", "https://s3.dualstack.eu-central-1.amazonaws.com/bucket/prefix/config"},
	} {
		o, err := s3.Parse(test.url)
		if err == nil {
			err = o.Set("bucket-lookup", test.lookup)
		}
		if err != nil {
			t.Fatal(err)
		}
		o.Region, o.AccessKeyID, o.SecretAccessKey = "eu-central-1", "key", "a secret access key"
		got, err := open(t, o).URLOf(t.Context(), "config")
		if err != nil || got != test.want {
			t.Errorf("%s with %s: %s, %v; want %s", test.url, test.lookup, got, err, test.want)
		}
	}
}

// What the service encrypts with is said with each object.
func TestEncryptionByTheService(t *testing.T) {
	for encryption, kms := range map[string]string{"AES256": "", "aws:kms": "a-key"} {
		f := newFake(t)
		var said []string
		f.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut || r.Method == http.MethodPost && r.URL.Query().Has("uploads") {
				said = append(said, r.Header.Get("X-Amz-Server-Side-Encryption")+" "+r.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"))
			}
			return false
		}
		o := f.options()
		o.Encryption, o.KMSKeyID = encryption, kms
		if err := open(t, o).Put(t.Context(), "data/1", storage.Bytes([]byte("x")), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if len(said) != 1 || said[0] != encryption+" "+kms {
			t.Errorf("with %s the service was told %q", encryption, said)
		}
	}
}
