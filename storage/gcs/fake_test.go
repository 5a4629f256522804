package gcs_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/storage/gcs"
)

// fakeService is an honest stand-in for what fake-gcs-server takes and
// forgets: it keeps settings and rules of the bucket as they were written,
// retentions of objects, versions, and what was deleted softly; and it
// refuses what the service refuses. It knows one bucket, and has a clock that
// tests move.
type fakeService struct {
	mu      sync.Mutex
	now     time.Time
	bucket  map[string]any // its settings, in the service's words
	meta    int64          // the metageneration of the bucket
	objects map[string][]*fakeObject
	last    int64 // generation
	uploads map[string]*fakeUpload
	// token is what requests must come with; "" is nothing.
	token string
	// meddle, if set, is called once before the next change of the bucket.
	meddle func()
	// forgets retentions that come with a Put.
	forgets bool
}

type fakeObject struct {
	data                 []byte
	about                map[string]any
	generation, meta     int64
	created, deleted     time.Time
	softDeleted, current bool
}

type fakeUpload struct {
	about map[string]any
	query map[string][]string
	data  []byte
}

// noon is when the clock of every fake begins.
var noon = time.Now().UTC().Truncate(time.Second)

func newFake(t *testing.T) (*fakeService, gcs.Options) {
	t.Helper()
	f := &fakeService{now: noon, bucket: map[string]any{}, meta: 1, objects: map[string][]*fakeObject{}, uploads: map[string]*fakeUpload{}}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return f, gcs.Options{Endpoint: s.URL, Anonymous: true, Bucket: "bucket", Prefix: "root"}
}

func (f *fakeService) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func (f *fakeService) pass(d time.Duration) { f.change(func() { f.now = f.now.Add(d) }) }

func (f *fakeService) enabled(setting string) bool {
	s, _ := f.bucket[setting].(map[string]any)
	return s["enabled"] == true || s["mode"] == "Enabled"
}

func refuse(w http.ResponseWriter, status int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"code": status, "message": message, "errors": []any{map[string]any{"reason": reason, "message": message}},
	}})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func (f *fakeService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client gave up: nothing was put
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Date", f.now.Format(http.TimeFormat))
	if f.token != "" && r.Header.Get("Authorization") != "Bearer "+f.token {
		refuse(w, 401, "authError", "Invalid Credentials")
		return
	}
	path := r.URL.EscapedPath()
	switch {
	case strings.HasPrefix(path, "/upload/storage/v1/b/bucket/o"):
		f.upload(w, r, body)
	case path == "/storage/v1/b/bucket" && r.Method == "GET":
		answer(w, f.withMeta(f.bucket, f.meta))
	case path == "/storage/v1/b/bucket" && r.Method == "PATCH":
		f.patchBucket(w, r, body)
	case path == "/storage/v1/b/bucket/o":
		f.list(w, r)
	case strings.HasPrefix(path, "/storage/v1/b/bucket/o/"):
		f.object(w, r, strings.TrimPrefix(path, "/storage/v1/b/bucket/o/"), body)
	default:
		refuse(w, 404, "notFound", "The specified bucket does not exist.")
	}
}

func (f *fakeService) withMeta(of map[string]any, meta int64) map[string]any {
	out := maps.Clone(of)
	out["metageneration"] = strconv.FormatInt(meta, 10)
	return out
}

func (f *fakeService) patchBucket(w http.ResponseWriter, r *http.Request, body []byte) {
	if f.meddle != nil {
		f.meddle()
		f.meddle = nil
		f.meta++
	}
	if r.URL.Query().Get("ifMetagenerationMatch") != strconv.FormatInt(f.meta, 10) {
		refuse(w, 412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
		return
	}
	var changes map[string]any
	if err := json.Unmarshal(body, &changes); err != nil {
		refuse(w, 400, "parseError", "Parse Error")
		return
	}
	maps.Copy(f.bucket, changes)
	f.meta++
	answer(w, f.withMeta(f.bucket, f.meta))
}

// find returns the object of a name, or its version of a generation.
func (f *fakeService) find(name, generation string) *fakeObject {
	for _, o := range f.objects[name] {
		if !o.softDeleted && (generation == "" && o.current || generation != "" && strconv.FormatInt(o.generation, 10) == generation) {
			return o
		}
	}
	return nil
}

func (f *fakeService) describe(name string, o *fakeObject) map[string]any {
	out := f.withMeta(o.about, o.meta)
	out["name"] = name
	out["size"] = strconv.Itoa(len(o.data))
	out["generation"] = strconv.FormatInt(o.generation, 10)
	out["timeCreated"] = o.created.Format(time.RFC3339Nano)
	if out["storageClass"] == nil {
		out["storageClass"] = "STANDARD"
	}
	if !o.deleted.IsZero() {
		out["timeDeleted"] = o.deleted.Format(time.RFC3339Nano)
	}
	return out
}

func (f *fakeService) object(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	q := r.URL.Query()
	name, op, _ := strings.Cut(path, "/")
	name = unescape(name)
	o := f.find(name, q.Get("generation"))
	switch {
	case op == "restore":
		f.restore(w, name, q.Get("generation"))
		return
	case strings.HasPrefix(op, "rewriteTo/"):
		f.rewrite(w, name, q.Get("sourceGeneration"))
		return
	case o == nil:
		refuse(w, 404, "notFound", "No such object: bucket/"+name)
		return
	}
	switch {
	case r.Method == "GET" && q.Get("alt") == "media":
		var from uint64
		if fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); from > 0 && from >= uint64(len(o.data)) {
			refuse(w, 416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(o.data))
	case r.Method == "GET":
		answer(w, f.describe(name, o))
	case r.Method == "DELETE":
		f.delete(w, name, o, q.Get("generation") != "")
	case r.Method == "PATCH":
		f.patch(w, r, name, o, body)
	default:
		refuse(w, 405, "methodNotAllowed", "no")
	}
}

func unescape(text string) string {
	plain, err := url.PathUnescape(text)
	if err != nil {
		return text
	}
	return plain
}

// until returns the end of the retention that is in force.
func (f *fakeService) until(o *fakeObject) (time.Time, string) {
	r, _ := o.about["retention"].(map[string]any)
	mode, _ := r["mode"].(string)
	text, _ := r["retainUntilTime"].(string)
	until, _ := time.Parse(time.RFC3339Nano, text)
	if !until.After(f.now) {
		return time.Time{}, ""
	}
	return until, mode
}

func (f *fakeService) delete(w http.ResponseWriter, name string, o *fakeObject, oneVersion bool) {
	until, _ := f.until(o)
	versioned := f.enabled("versioning") && !oneVersion
	switch {
	case o.about["temporaryHold"] == true && !versioned:
		refuse(w, 403, "objectUnderActiveHold", "Object 'bucket/"+name+"' is under active Temporary hold and cannot be deleted, overwritten or archived until hold is removed.")
		return
	case !until.IsZero() && !versioned:
		refuse(w, 403, "retentionPolicyNotMet", "Object 'bucket/"+name+"' is subject to object retention and cannot be deleted or overwritten until "+until.String())
		return
	}
	o.current, o.deleted = false, f.now
	_, soft := f.bucket["softDeletePolicy"]
	switch {
	case versioned:
	case soft:
		o.softDeleted = true
	default:
		f.objects[name] = slices.DeleteFunc(f.objects[name], func(x *fakeObject) bool { return x == o })
	}
	w.WriteHeader(http.StatusNoContent)
}

// patch holds to the service's rules for retentions.
func (f *fakeService) patch(w http.ResponseWriter, r *http.Request, name string, o *fakeObject, body []byte) {
	q := r.URL.Query()
	if m := q.Get("ifMetagenerationMatch"); m != "" && m != strconv.FormatInt(o.meta, 10) {
		refuse(w, 412, "conditionNotMet", "no")
		return
	}
	var changes map[string]any
	if err := json.Unmarshal(body, &changes); err != nil {
		refuse(w, 400, "parseError", "Parse Error")
		return
	}
	if wanted, ok := changes["retention"].(map[string]any); ok {
		if !f.enabled("objectRetention") {
			refuse(w, 400, "invalid", "Object retention is not enabled on this bucket.")
			return
		}
		until, mode := f.until(o)
		to, _ := time.Parse(time.RFC3339Nano, wanted["retainUntilTime"].(string))
		shorter := to.Before(until)
		switch {
		case mode == "Locked" && (shorter || wanted["mode"] != "Locked"):
			refuse(w, 403, "forbidden", "The retention configuration is locked.")
			return
		case mode == "Unlocked" && (shorter || wanted["mode"] != mode) && q.Get("overrideUnlockedRetention") != "true":
			refuse(w, 403, "forbidden", "overrideUnlockedRetention is needed.")
			return
		}
	}
	maps.Copy(o.about, changes)
	o.meta++
	answer(w, f.describe(name, o))
}

func (f *fakeService) rewrite(w http.ResponseWriter, name, generation string) {
	from := f.find(name, generation)
	switch {
	case from == nil:
		refuse(w, 404, "notFound", "No such object: bucket/"+name)
	case f.find(name, "") != nil:
		refuse(w, 412, "conditionNotMet", "no")
	default:
		f.put(name, from.data, maps.Clone(from.about))
		answer(w, map[string]any{"done": true})
	}
}

func (f *fakeService) restore(w http.ResponseWriter, name, generation string) {
	for _, o := range f.objects[name] {
		if o.softDeleted && strconv.FormatInt(o.generation, 10) == generation {
			f.last++
			o.softDeleted, o.current, o.deleted, o.generation = false, true, time.Time{}, f.last
			answer(w, f.describe(name, o))
			return
		}
	}
	refuse(w, 404, "notFound", "No such object: bucket/"+name)
}

func (f *fakeService) put(name string, data []byte, about map[string]any) *fakeObject {
	f.last++
	o := &fakeObject{data: data, about: about, generation: f.last, meta: 1, created: f.now, current: true}
	if f.enabled("versioning") {
		if was := f.find(name, ""); was != nil {
			was.current, was.deleted = false, f.now
		}
		f.objects[name] = append(f.objects[name], o)
	} else {
		f.objects[name] = []*fakeObject{o}
	}
	return o
}

func (f *fakeService) upload(w http.ResponseWriter, r *http.Request, body []byte) {
	q := r.URL.Query()
	switch {
	case q.Get("upload_id") != "":
		f.uploadPart(w, r, f.uploads[q.Get("upload_id")], body)
	case q.Get("uploadType") == "resumable":
		u := &fakeUpload{query: q}
		if err := json.Unmarshal(body, &u.about); err != nil {
			refuse(w, 400, "parseError", "Parse Error")
			return
		}
		id := strconv.Itoa(len(f.uploads) + 1)
		f.uploads[id] = u
		w.Header().Set("Location", "http://"+r.Host+r.URL.Path+"?uploadType=resumable&upload_id="+id)
	default:
		_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
		first, err := parts.NextRawPart()
		var about map[string]any
		if err == nil {
			err = json.NewDecoder(first).Decode(&about)
		}
		var data []byte
		if err == nil {
			var second *multipart.Part
			if second, err = parts.NextRawPart(); err == nil {
				data, err = io.ReadAll(second)
			}
		}
		if err != nil {
			refuse(w, 400, "badContent", "Malformed multipart body.")
			return
		}
		f.finish(w, q.Get("ifGenerationMatch"), about, data)
	}
}

func (f *fakeService) uploadPart(w http.ResponseWriter, r *http.Request, u *fakeUpload, body []byte) {
	if u == nil {
		refuse(w, 410, "gone", "no such upload")
		return
	}
	said := strings.TrimPrefix(r.Header.Get("Content-Range"), "bytes ")
	span, all, _ := strings.Cut(said, "/")
	total, _ := strconv.Atoi(all)
	if span != "*" {
		var from int
		fmt.Sscanf(span, "%d-", &from)
		if from > len(u.data) {
			refuse(w, 400, "invalid", "a gap")
			return
		}
		u.data = append(u.data[:from], body...)
	}
	if len(u.data) < total {
		if len(u.data) > 0 {
			w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", len(u.data)-1))
		}
		w.WriteHeader(308)
		return
	}
	f.finish(w, u.query["ifGenerationMatch"][0], u.about, u.data)
}

func (f *fakeService) finish(w http.ResponseWriter, ifGeneration string, about map[string]any, data []byte) {
	name, _ := about["name"].(string)
	if f.forgets {
		delete(about, "retention")
	}
	sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	is := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
	switch {
	case about["crc32c"] != nil && about["crc32c"] != is:
		refuse(w, 400, "invalid", "Provided CRC32C \""+about["crc32c"].(string)+"\" doesn't match calculated CRC32C \""+is+"\".")
	case about["retention"] != nil && !f.enabled("objectRetention"):
		refuse(w, 400, "invalid", "Object retention is not enabled on this bucket.")
	case ifGeneration == "0" && f.find(name, "") != nil:
		refuse(w, 412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
	default:
		answer(w, f.describe(name, f.put(name, data, about)))
	}
}

// list shows two names on a page, so that names and pages do not end together.
func (f *fakeService) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var names []string
	for name := range f.objects {
		if strings.HasPrefix(name, q.Get("prefix")) && name >= q.Get("pageToken") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	page := map[string]any{}
	if len(names) > 2 {
		page["nextPageToken"], names = names[2], names[:2]
	}
	items := []any{}
	for _, name := range names {
		for _, o := range f.objects[name] {
			wanted := o.current || q.Get("versions") == "true" && !o.softDeleted
			if q.Get("softDeleted") == "true" {
				wanted = o.softDeleted
			}
			if wanted {
				items = append(items, f.describe(name, o))
			}
		}
	}
	page["items"] = items
	answer(w, page)
}
