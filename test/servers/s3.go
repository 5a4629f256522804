package servers

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3Server is a MinIO on one drive.
type S3Server struct {
	Endpoint             string // such as "http://127.0.0.1:20000"
	AccessKey, SecretKey string
	Region               string

	client *minio.Client
	tier   tier
}

var firstS3, secondS3 shared[*S3Server]

// S3 returns the MinIO of this test process.
func S3(t testing.TB) *S3Server {
	t.Helper()
	return firstS3.get(t, startS3)
}

// Second returns another MinIO, which the first one has configured as the
// storage class ColdTier: a lifecycle rule that transitions objects to that
// class moves them to the second server.
func (s *S3Server) Second(t testing.TB) *S3Server {
	t.Helper()
	cold := secondS3.get(t, startS3)
	if err := s.tier.configure(t.Context(), s, cold); err != nil {
		t.Fatal(err)
	}
	return cold
}

// StartS3 starts another MinIO, for programs that are no tests. It ends with
// the process.
func StartS3() (*S3Server, error) {
	s, _, err := startS3()
	return s, err
}

const s3Region = "us-east-1"

func startS3() (*S3Server, *process, error) {
	s := &S3Server{AccessKey: "key-" + random(), SecretKey: random() + random(), Region: s3Region}
	p, port, err := start(server{
		tool: "minio",
		command: func(dir string, port int) ([]string, []string) {
			console, _ := freePort()
			return []string{"server", dir, "--address", address(port), "--console-address", address(console)}, s.environment()
		},
		// The keys are this server's alone, so no other one can answer.
		ready: func(ctx context.Context, port int) error {
			c, err := s.connect(address(port))
			if err == nil {
				_, err = c.ListBuckets(ctx)
			}
			return err
		},
	})
	if err != nil {
		return nil, nil, err
	}
	s.Endpoint = "http://" + address(port)
	s.client, err = s.connect(address(port))
	return s, p, err
}

func (s *S3Server) environment() []string {
	return []string{
		"MINIO_ROOT_USER=" + s.AccessKey, "MINIO_ROOT_PASSWORD=" + s.SecretKey, "MINIO_REGION=" + s.Region,
		"MINIO_SCANNER_SPEED=fastest", // lifecycle rules act within seconds
		"MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CALLHOME_ENABLE=off",
		"GOMEMLIMIT=512MiB",
	}
}

func (s *S3Server) connect(host string) (*minio.Client, error) {
	return minio.New(host, &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: s.Region})
}

// Client returns a client of the server, for tests that look behind a store.
func (s *S3Server) Client() *minio.Client { return s.client }

// BucketOption says what a bucket can do.
type BucketOption func(*bucketOptions)

type bucketOptions struct{ lock, versioning bool }

// WithObjectLock makes a bucket in which objects can be locked; it keeps
// versions as well.
func WithObjectLock() BucketOption { return func(o *bucketOptions) { o.lock = true } }

// WithVersioning makes a bucket that keeps the versions of its objects.
func WithVersioning() BucketOption { return func(o *bucketOptions) { o.versioning = true } }

// Bucket makes a bucket that nobody else uses and returns its name.
func (s *S3Server) Bucket(t testing.TB, options ...BucketOption) string {
	t.Helper()
	var o bucketOptions
	for _, option := range options {
		option(&o)
	}
	name := "bucket-" + random()
	err := s.client.MakeBucket(t.Context(), name, minio.MakeBucketOptions{Region: s.Region, ObjectLocking: o.lock})
	if err == nil && o.versioning {
		err = s.client.EnableVersioning(t.Context(), name)
	}
	if err != nil {
		t.Fatalf("making the bucket %s: %v", name, err)
	}
	return name
}

// random returns a name that nobody else chose, of lower-case letters and
// digits.
func random() string { return strings.ToLower(rand.Text())[:16] }

// tier is the second server as the first one's storage class.
type tier struct {
	once sync.Once
	err  error
}

func (c *tier) configure(ctx context.Context, s, cold *S3Server) error {
	c.once.Do(func() {
		const bucket = "tier"
		c.err = cold.client.MakeBucket(context.WithoutCancel(ctx), bucket, minio.MakeBucketOptions{Region: cold.Region})
		if c.err == nil {
			c.err = s.addTier(context.WithoutCancel(ctx), ColdTier, cold, bucket)
		}
		if c.err != nil {
			c.err = fmt.Errorf("configuring the storage class %s: %w", ColdTier, c.err)
		}
	})
	return c.err
}
