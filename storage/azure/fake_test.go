package azure_test

import (
	"bytes"
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

	"holdfast/storage/azure"
)

// fakeService is an honest stand-in for what Azurite answers with 501: it
// keeps versions, lets nobody delete what is immutable, and keeps what was
// deleted softly. It knows one account with one container, has a clock that
// tests move, and takes every signature (Azurite checks those).
type fakeService struct {
	mu         sync.Mutex
	now        time.Time
	versioning bool
	locking    bool // version-level immutability of the container
	softDelete bool
	forgets    bool                      // retentions that are set with a Put, as Azurite does
	blobs      map[string][]*fakeVersion // the oldest first
}

type fakeVersion struct {
	id          string // "" where versions were not kept
	data        []byte
	put         time.Time
	current     bool
	softDeleted bool
	until       time.Time
	mode        string
	hold        bool
	tier        string
	rehydrating bool
	tags        string // as in a query
}

// noon is when the clock of every fake begins.
var noon = time.Now().UTC().Truncate(time.Second)

func newFake(t *testing.T) (*fakeService, azure.Options) {
	t.Helper()
	f := &fakeService{now: noon, blobs: map[string][]*fakeVersion{}}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return f, azure.Options{
		Account: "account", Key: "a2V5", Endpoint: s.URL + "/account", Container: "container", Prefix: "root",
	}
}

// pass moves the clock.
func (f *fakeService) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// change changes the fake itself, as the owner of the account does.
func (f *fakeService) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func (f *fakeService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Date", f.now.Format(http.TimeFormat))
	w.Header().Set("Server", "fake")
	path := strings.TrimPrefix(r.URL.Path, "/account/container")
	q := r.URL.Query()
	switch {
	case path == "" && q.Get("comp") == "list":
		f.list(w, q)
	case path == "":
		w.Header().Set("x-ms-immutable-storage-with-versioning-enabled", fmt.Sprint(f.locking))
		w.Header().Set("x-ms-has-immutability-policy", "false")
	default:
		f.blob(w, r, strings.TrimPrefix(path, "/"), body)
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("x-ms-error-code", code)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
}

const versionLayout = "2006-01-02T15:04:05.0000000Z"

// retire leaves the blob as a version, which gets a name if it had none yet.
func (v *fakeVersion) retire() {
	v.current = false
	if v.id == "" {
		v.id = v.put.Format(versionLayout)
	}
}

func (v *fakeVersion) locked(now time.Time) bool { return v.hold || v.until.After(now) }

// find returns the version that a request is about.
func (f *fakeService) find(name, id string) *fakeVersion {
	for _, v := range f.blobs[name] {
		if !v.softDeleted && (id == "" && v.current || id != "" && v.id == id) {
			return v
		}
	}
	return nil
}

func (f *fakeService) blob(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	q := r.URL.Query()
	op := r.Method + " " + q.Get("comp")
	if op == "PUT " {
		f.put(w, r, name, body)
		return
	}
	if op == "PUT undelete" {
		for _, v := range f.blobs[name] {
			v.softDeleted = false
			v.current = v.id == ""
		}
		return
	}
	v := f.find(name, q.Get("versionid"))
	if v == nil {
		refuse(w, 404, "BlobNotFound")
		return
	}
	switch op {
	case "GET ", "HEAD ":
		f.get(w, r, v)
	case "DELETE ":
		f.delete(w, name, v, q.Get("versionid") != "")
	case "PUT immutabilityPolicies":
		f.setPolicy(w, r, v)
	case "PUT tier":
		if v.rehydrating {
			refuse(w, 409, "BlobBeingRehydrated")
			return
		}
		v.rehydrating = v.tier == "Archive"
		w.WriteHeader(202)
	case "GET tags":
		writeTags(w, v.tags)
	case "PUT tags":
		v.tags = readTags(body)
		w.WriteHeader(204)
	default:
		refuse(w, 501, "NotImplemented")
	}
}

func (f *fakeService) put(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	now := f.find(name, "")
	switch {
	case now != nil && r.Header.Get("If-None-Match") == "*":
		refuse(w, 409, "BlobAlreadyExists")
		return
	case now != nil && !f.versioning && now.locked(f.now):
		refuse(w, 409, "BlobImmutableDueToPolicy")
		return
	}
	status := http.StatusCreated
	v := &fakeVersion{data: body, put: f.now, current: true, tier: "Hot", tags: r.Header.Get("x-ms-tags")}
	if source := r.Header.Get("x-ms-copy-source"); source != "" {
		u, _ := url.Parse(source)
		from := f.find(strings.TrimPrefix(u.Path, "/account/container/"), u.Query().Get("versionid"))
		if from == nil {
			refuse(w, 404, "BlobNotFound")
			return
		}
		v.data, status = from.data, http.StatusAccepted
		w.Header().Set("x-ms-copy-status", "success")
		w.Header().Set("x-ms-copy-id", "1")
	}
	if mode := r.Header.Get("x-ms-immutability-policy-mode"); mode != "" && !f.forgets {
		if !f.locking {
			refuse(w, 400, "UnsupportedHeader")
			return
		}
		v.mode = strings.ToLower(mode)
		v.until, _ = http.ParseTime(r.Header.Get("x-ms-immutability-policy-until-date"))
	}
	if f.versioning {
		v.id = f.now.Format(versionLayout)
		f.now = f.now.Add(time.Millisecond) // no two versions of one instant
		w.Header().Set("x-ms-version-id", v.id)
		if now != nil {
			now.retire()
		}
		f.blobs[name] = append(f.blobs[name], v)
	} else {
		f.blobs[name] = []*fakeVersion{v}
	}
	w.WriteHeader(status)
}

func (f *fakeService) get(w http.ResponseWriter, r *http.Request, v *fakeVersion) {
	h := w.Header()
	h.Set("x-ms-creation-time", v.put.Format(http.TimeFormat))
	h.Set("x-ms-access-tier", v.tier)
	h.Set("x-ms-legal-hold", fmt.Sprint(v.hold))
	if v.rehydrating {
		h.Set("x-ms-archive-status", "rehydrate-pending-to-hot")
	}
	if v.tags != "" {
		h.Set("x-ms-tag-count", fmt.Sprint(strings.Count(v.tags, "=")))
	}
	if v.mode != "" {
		h.Set("x-ms-immutability-policy-mode", v.mode)
		h.Set("x-ms-immutability-policy-until-date", v.until.Format(http.TimeFormat))
	}
	if r.Method == "GET" && v.tier == "Archive" {
		refuse(w, 409, "BlobArchived")
		return
	}
	if xr := r.Header.Get("x-ms-range"); xr != "" {
		var from uint64
		if fmt.Sscanf(xr, "bytes=%d-", &from); from >= uint64(len(v.data)) {
			refuse(w, 416, "InvalidRange")
			return
		}
		r.Header.Set("Range", xr)
	}
	http.ServeContent(w, r, "", v.put, bytes.NewReader(v.data))
}

func (f *fakeService) delete(w http.ResponseWriter, name string, v *fakeVersion, oneVersion bool) {
	switch {
	case f.versioning && !oneVersion:
		v.retire()
	case v.hold:
		refuse(w, 409, "BlobImmutableDueToLegalHold")
		return
	case v.locked(f.now):
		refuse(w, 409, "BlobImmutableDueToPolicy")
		return
	case f.softDelete:
		v.softDeleted, v.current = true, false
	default:
		f.blobs[name] = slices.DeleteFunc(f.blobs[name], func(o *fakeVersion) bool { return o == v })
	}
	w.WriteHeader(http.StatusAccepted)
}

// setPolicy holds to the service's rule: what is locked is only ever extended.
func (f *fakeService) setPolicy(w http.ResponseWriter, r *http.Request, v *fakeVersion) {
	until, err := http.ParseTime(r.Header.Get("x-ms-immutability-policy-until-date"))
	mode := strings.ToLower(r.Header.Get("x-ms-immutability-policy-mode"))
	switch {
	case !f.locking:
		refuse(w, 400, "UnsupportedHeader")
	case err != nil || !until.After(f.now):
		refuse(w, 400, "InvalidHeaderValue")
	case v.mode == "locked" && v.locked(f.now) && (mode != "locked" || until.Before(v.until)):
		refuse(w, 409, "ImmutabilityPolicyDeleteOnLockedPolicy")
	default:
		v.until, v.mode = until, mode
	}
}

// list shows two names on a page, so that names and pages do not end together.
func (f *fakeService) list(w http.ResponseWriter, q url.Values) {
	include := strings.Split(q.Get("include"), ",")
	versions, deleted := slices.Contains(include, "versions"), slices.Contains(include, "deleted")
	var names []string
	for name := range f.blobs {
		if strings.HasPrefix(name, q.Get("prefix")) && name >= q.Get("marker") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	next := ""
	if len(names) > 2 {
		next, names = names[2], names[:2]
	}
	fmt.Fprint(w, `<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>`)
	for _, name := range names {
		for _, v := range f.blobs[name] {
			if v.current || v.softDeleted && deleted || !v.softDeleted && !v.current && versions {
				writeItem(w, name, v)
			}
		}
	}
	fmt.Fprintf(w, `</Blobs><NextMarker>%s</NextMarker></EnumerationResults>`, next)
}

func writeItem(w io.Writer, name string, v *fakeVersion) {
	fmt.Fprint(w, "<Blob><Name>")
	xml.EscapeText(w, []byte(name))
	fmt.Fprint(w, "</Name>")
	if v.softDeleted {
		fmt.Fprint(w, "<Deleted>true</Deleted>")
	}
	if v.id != "" {
		fmt.Fprintf(w, "<VersionId>%s</VersionId>", v.id)
	}
	if v.current && v.id != "" {
		fmt.Fprint(w, "<IsCurrentVersion>true</IsCurrentVersion>")
	}
	fmt.Fprintf(w, "<Properties><Creation-Time>%s</Creation-Time><Last-Modified>%[1]s</Last-Modified><Etag>0x1</Etag><Content-Length>%d</Content-Length><BlobType>BlockBlob</BlobType><AccessTier>%s</AccessTier></Properties></Blob>",
		v.put.Format(http.TimeFormat), len(v.data), v.tier)
}

func writeTags(w io.Writer, tags string) {
	q, _ := url.ParseQuery(tags)
	fmt.Fprint(w, `<?xml version="1.0" encoding="utf-8"?><Tags><TagSet>`)
	for key := range q {
		fmt.Fprintf(w, "<Tag><Key>%s</Key><Value>%s</Value></Tag>", key, q.Get(key))
	}
	fmt.Fprint(w, `</TagSet></Tags>`)
}

func readTags(body []byte) string {
	var set struct {
		Tags []struct{ Key, Value string } `xml:"TagSet>Tag"`
	}
	if err := xml.Unmarshal(body, &set); err != nil {
		return ""
	}
	q := url.Values{}
	for _, tag := range set.Tags {
		q.Set(tag.Key, tag.Value)
	}
	return q.Encode()
}
