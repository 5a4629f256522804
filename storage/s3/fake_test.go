package s3_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/storage/s3"
)

// fake is a service in memory that does what AWS documents and MinIO does not
// do: classes that have to be thawed. It also plays services that lack
// conditional writes. It does not look at signatures, and stamps answers with
// a clock that tests move.
type fake struct {
	conditions conditions
	// before, if set, may answer a request in place of the service.
	before func(w http.ResponseWriter, r *http.Request) (answered bool)

	mu       sync.Mutex
	now      time.Time
	objects  map[string]*fakeObject
	requests []string // method and key of each
	url      string
}

// conditions says how a service takes If-None-Match.
type conditions int

const (
	heeded  conditions = iota
	ignored            // puts over the object
	refused            // 501
)

type fakeObject struct {
	data             []byte
	class            string
	checksum         string
	thawed, forgets  time.Time // zero: no thaw was asked for
	lastModifiedTime time.Time
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{objects: map[string]*fakeObject{}, now: time.Now()}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *fake) options() s3.Options {
	host := strings.TrimPrefix(f.url, "http://")
	return s3.Options{
		Endpoint: host, PlainHTTP: true, Bucket: "bucket", Region: "us-east-1",
		AccessKeyID: "key", SecretAccessKey: "a secret access key",
	}
}

// count returns how many requests of a method there were.
func (f *fake) count(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if strings.HasPrefix(r, method+" ") {
			n++
		}
	}
	return n
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	before := f.before
	f.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // cut off: nothing is stored
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/bucket/")
	switch {
	case key == "" || key == r.URL.Path:
		f.list(w, r.URL.Query())
	case r.Method == http.MethodPost && r.URL.Query().Has("restore"):
		f.restore(w, key, body)
	case r.Method == http.MethodPut:
		f.put(w, r, key, body)
	case r.Method == http.MethodDelete:
		delete(f.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		f.get(w, r, key)
	}
}

func fail(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, code)
}

func (f *fake) put(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	sum := sha256.Sum256(body)
	checksum := base64.StdEncoding.EncodeToString(sum[:])
	if sent := r.Header.Get("X-Amz-Checksum-Sha256"); sent != "" && sent != checksum {
		fail(w, http.StatusBadRequest, "BadDigest")
		return
	}
	if r.Header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(sum[:]) {
		fail(w, http.StatusBadRequest, "XAmzContentSHA256Mismatch")
		return
	}
	if r.Header.Get("If-None-Match") == "*" {
		switch _, exists := f.objects[key]; {
		case f.conditions == refused:
			fail(w, http.StatusNotImplemented, "NotImplemented")
			return
		case f.conditions == heeded && exists:
			fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		}
	}
	f.objects[key] = &fakeObject{data: body, class: r.Header.Get("X-Amz-Storage-Class"), checksum: checksum, lastModifiedTime: f.now}
	w.Header().Set("ETag", `"etag"`)
}

func (f *fake) get(w http.ResponseWriter, r *http.Request, key string) {
	o := f.objects[key]
	if o == nil {
		fail(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	h := w.Header()
	h.Set("ETag", `"etag"`)
	if o.class != "" {
		h.Set("X-Amz-Storage-Class", o.class)
	}
	switch {
	case o.thawed.IsZero() || !f.now.Before(o.forgets):
	case f.now.Before(o.thawed):
		h.Set("X-Amz-Restore", `ongoing-request="true"`)
	default:
		h.Set("X-Amz-Restore", fmt.Sprintf(`ongoing-request="false", expiry-date=%q`, o.forgets.Format(http.TimeFormat)))
	}
	if r.Method == http.MethodGet && f.isCold(o) {
		fail(w, http.StatusForbidden, "InvalidObjectState")
		return
	}
	if r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" {
		h.Set("X-Amz-Checksum-Sha256", o.checksum)
	}
	if rng := r.Header.Get("Range"); rng != "" {
		var first int64
		if fmt.Sscanf(rng, "bytes=%d-", &first); first >= int64(len(o.data)) {
			fail(w, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
			return
		}
	}
	http.ServeContent(w, r, "", o.lastModifiedTime, bytes.NewReader(o.data))
}

func (f *fake) isCold(o *fakeObject) bool {
	readable := !o.thawed.IsZero() && !f.now.Before(o.thawed) && f.now.Before(o.forgets)
	return (o.class == "GLACIER" || o.class == "DEEP_ARCHIVE") && !readable
}

// thawTakes is how long a thaw takes in the cheapest speed.
const thawTakes = 12 * time.Hour

func (f *fake) restore(w http.ResponseWriter, key string, body []byte) {
	var ask struct {
		Days                 int
		GlacierJobParameters struct{ Tier string }
	}
	o := f.objects[key]
	switch err := xml.Unmarshal(body, &ask); {
	case o == nil:
		fail(w, http.StatusNotFound, "NoSuchKey")
	case err != nil || ask.Days < 1 || ask.GlacierJobParameters.Tier == "":
		fail(w, http.StatusBadRequest, "MalformedXML")
	case o.class != "GLACIER" && o.class != "DEEP_ARCHIVE":
		fail(w, http.StatusForbidden, "InvalidObjectState")
	case f.now.Before(o.thawed):
		fail(w, http.StatusConflict, "RestoreAlreadyInProgress")
	default:
		if f.isCold(o) {
			o.thawed, o.forgets = f.now.Add(thawTakes), f.now.Add(thawTakes)
		} else {
			o.forgets = f.now
		}
		o.forgets = o.forgets.Add(time.Duration(ask.Days) * 24 * time.Hour)
		w.WriteHeader(http.StatusAccepted)
	}
}

// list gives 100 keys a page.
func (f *fake) list(w http.ResponseWriter, q url.Values) {
	type restoreStatus struct {
		IsRestoreInProgress bool
		RestoreExpiryDate   string `xml:",omitempty"`
	}
	type content struct {
		Key, LastModified, StorageClass string
		Size                            int
		RestoreStatus                   *restoreStatus
	}
	var page struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string
		Contents              []content
	}
	var keys []string
	for key := range f.objects {
		if strings.HasPrefix(key, q.Get("prefix")) && key > q.Get("continuation-token") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if len(keys) > 100 {
		keys = keys[:100]
		page.IsTruncated, page.NextContinuationToken = true, keys[99]
	}
	for _, key := range keys {
		o := f.objects[key]
		c := content{Key: key, LastModified: o.lastModifiedTime.Format(time.RFC3339), StorageClass: o.class, Size: len(o.data)}
		if f.now.Before(o.forgets) {
			c.RestoreStatus = &restoreStatus{IsRestoreInProgress: f.now.Before(o.thawed), RestoreExpiryDate: o.forgets.Format(time.RFC3339)}
		}
		page.Contents = append(page.Contents, c)
	}
	xml.NewEncoder(w).Encode(page)
}

func checksumOf(sum [32]byte) string { return base64.StdEncoding.EncodeToString(sum[:]) }
