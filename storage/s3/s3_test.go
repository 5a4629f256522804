package s3_test

import (
	"fmt"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/retry"
	"holdfast/storage/s3"
	"holdfast/storage/storagetest"
	"holdfast/storage/throttle"
	"holdfast/test/servers"
)

// place is a bucket of a real server, with credentials that may do everything.
func place(t testing.TB, bucket ...servers.BucketOption) s3.Options {
	t.Helper()
	server := servers.S3(t)
	o, err := s3.Parse(fmt.Sprintf("s3:%s/%s/some/prefix", server.Endpoint, server.Bucket(t, bucket...)))
	if err != nil {
		t.Fatal(err)
	}
	o.AccessKeyID, o.SecretAccessKey, o.Region = server.AccessKey, server.SecretKey, server.Region
	return o
}

func open(t testing.TB, o s3.Options) *s3.Store {
	t.Helper()
	s, err := s3.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t testing.TB, s storage.Store, key, data string) {
	t.Helper()
	if err := s.Put(t.Context(), key, storage.Bytes([]byte(data)), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, s storage.Store, key string) string {
	t.Helper()
	b, err := storage.ReadAll(t.Context(), s, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func keys(t testing.TB, s storage.Store, prefix string) []string {
	t.Helper()
	found := []string{}
	err := s.List(t.Context(), prefix, func(info storage.Info) error {
		found = append(found, info.Key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestContract(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store { return open(t, place(t)) })
}

func TestContractWithVersions(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store { return open(t, place(t, servers.WithVersioning())) })
}

// TestContractInParts has all bodies above the smallest part go up in parts.
func TestContractInParts(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		s := open(t, place(t))
		s.SetParts(6<<20, 5<<20)
		return s
	})
}

// TestContractWithoutConditions is that of a service without conditional
// writes, which Put makes up for by looking first.
func TestContractWithoutConditions(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		o := place(t)
		o.ConditionalCreate = s3.No
		return open(t, o)
	})
}

func TestContractListV1(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		o := place(t)
		o.ListV1 = true
		return open(t, o)
	})
}

func TestContractWrapped(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		limits := throttle.Limits{UploadBytesPerSecond: 200 << 20, DownloadBytesPerSecond: 200 << 20}
		return retry.New(throttle.New(open(t, place(t)), limits), retry.Policy{MaxElapsed: time.Minute})
	})
}
