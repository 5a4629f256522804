package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"holdfast/test/servers"
	"holdfast/test/wan"
)

// far is a distant object store: a MinIO behind a proxy that counts requests
// behind a long line. A nil far is none.
type far struct {
	server *servers.S3Server
	proxy  *wan.Proxy
	link   *wan.Link
	made   int // buckets
}

// newFar returns the distant store if the options want one.
func newFar(o options) (*far, error) {
	if !o.far {
		return nil, nil
	}
	server, err := servers.StartS3()
	if err != nil {
		return nil, err
	}
	proxy, err := wan.NewProxy(server.Endpoint, 0)
	if err != nil {
		return nil, err
	}
	link, err := wan.NewLink(proxy.Address(), wan.Options{RoundTrip: o.line, BitsPerSecond: o.mbit * 1e6})
	if err != nil {
		return nil, errors.Join(err, proxy.Close())
	}
	return &far{server: server, proxy: proxy, link: link}, nil
}

func (f *far) close() {
	if f != nil {
		_ = f.link.Close() // whatever it says, nothing depends on it any more
		_ = f.proxy.Close()
	}
}

// bucket is where one cycle's repository lies, as the tools are told.
type bucket struct {
	name, host, region string
	key, secret        string
}

func (b bucket) isSet() bool { return b.name != "" }

// url is how restic writes it.
func (b bucket) url() string { return "s3:http://" + b.host + "/" + b.name + "/repository" }

// env is what programs learn credentials from.
func (b bucket) env() []string {
	if !b.isSet() {
		return nil
	}
	return []string{"AWS_ACCESS_KEY_ID=" + b.key, "AWS_SECRET_ACCESS_KEY=" + b.secret, "AWS_DEFAULT_REGION=" + b.region, "AWS_REGION=" + b.region}
}

func (f *far) newBucket(ctx context.Context) (bucket, error) {
	f.made++
	b := bucket{
		name: fmt.Sprintf("bench-%d", f.made), host: f.link.Address(), region: f.server.Region,
		key: f.server.AccessKey, secret: f.server.SecretKey,
	}
	return b, f.server.Client().MakeBucket(ctx, b.name, minio.MakeBucketOptions{Region: b.region})
}

// remove makes room. A bucket that stays goes with the server.
func (f *far) remove(b bucket) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = f.server.Client().RemoveBucketWithOptions(ctx, b.name, minio.RemoveBucketOptions{ForceDelete: true})
}

// size is the sum of the sizes of all objects, in bytes.
func (f *far) size(ctx context.Context, b bucket) (total int64, err error) {
	for o := range f.server.Client().ListObjects(ctx, b.name, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			return 0, o.Err
		}
		total += o.Size
	}
	return total, nil
}

// traffic is what went over the line in some time.
type traffic struct {
	Requests map[string]int `json:"requests"` // by method
	Up       wan.Usage      `json:"up"`
	Down     wan.Usage      `json:"down"`
	// Share is how much of the time the busier direction was sending.
	Share float64 `json:"share"`

	at time.Time
}

// reading returns all traffic so far; nil without a line.
func (f *far) reading() *traffic {
	if f == nil {
		return nil
	}
	return &traffic{Requests: f.proxy.Requests(), Up: f.link.Up(), Down: f.link.Down(), at: time.Now()}
}

// since returns the traffic since an earlier reading.
func (t *traffic) since(earlier *traffic) *traffic {
	if t == nil {
		return nil
	}
	d := traffic{Requests: maps.Clone(t.Requests), Up: t.Up.Since(earlier.Up), Down: t.Down.Since(earlier.Down), at: t.at}
	for method, n := range earlier.Requests {
		d.Requests[method] -= n
	}
	took := t.at.Sub(earlier.at)
	d.Share = max(d.Up.Share(took), d.Down.Share(took))
	return &d
}

// total is how many requests there were.
func (t *traffic) total() (n int) {
	for _, count := range t.Requests {
		n += count
	}
	return n
}

// String is for whoever watches.
func (t *traffic) String() string {
	var methods []string
	for _, m := range []string{http.MethodPut, http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
		if n := t.Requests[m]; n > 0 {
			methods = append(methods, fmt.Sprintf("%s %d", m, n))
		}
	}
	return fmt.Sprintf("%.0f %% busy, %d MB up, %d MB down, %s", 100*t.Share, t.Up.Bytes/1e6, t.Down.Bytes/1e6, strings.Join(methods, " "))
}

// describe tells what the line is like; "" without one.
func (f *far) describe() string {
	if f == nil {
		return ""
	}
	o := f.link.Options()
	return fmt.Sprintf("MinIO behind a line of %s and %.0f Mbit/s", o.RoundTrip, o.BitsPerSecond/1e6)
}
