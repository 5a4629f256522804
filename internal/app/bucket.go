package app

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"holdfast/storage/azure"
	"holdfast/storage/gcs"
	"holdfast/storage/s3"
)

// Bucket is what the URL of a place in an object store names.
type Bucket struct {
	Kind Kind
	// Host is the machine of the service, without a port; Account that of the
	// storage account (Azure).
	Host, Account string
	Name          string
	// Root begins the names of the repository's objects, with its last slash.
	Root string
}

// BucketOf takes the URL of a place in an object store apart. Other places
// are an error.
func BucketOf(url string) (Bucket, error) {
	kind, err := KindOf(url)
	if err != nil {
		return Bucket{}, err
	}
	b := Bucket{Kind: kind}
	switch kind {
	case "s3":
		o, err := s3.Parse(url)
		if err != nil {
			return Bucket{}, err
		}
		b.Name, b.Root = o.Bucket, root(o.Prefix)
		b.Host, _, _ = strings.Cut(o.Endpoint, ":")
	case "azure":
		o, err := azure.Parse(url)
		if err != nil {
			return Bucket{}, err
		}
		b.Name, b.Root, b.Account = o.Container, root(o.Prefix), cmp.Or(o.Account, os.Getenv("AZURE_ACCOUNT_NAME"))
		b.Host = "blob.core.windows.net"
	case "gs":
		o, err := gcs.Parse(url)
		if err != nil {
			return Bucket{}, err
		}
		b.Name, b.Root = o.Bucket, root(o.Prefix)
		b.Host = "storage.googleapis.com"
	default:
		return Bucket{}, fmt.Errorf("%s is no bucket of an object store: only these have settings of their own", url)
	}
	return b, nil
}

func root(prefix string) string {
	if prefix == "" {
		return ""
	}
	return prefix + "/"
}
