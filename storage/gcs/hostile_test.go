package gcs_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/gcs"
	"holdfast/storage/internal/httpx"
	"holdfast/storage/retry"
)

const impatient = 200 * time.Millisecond

func hostileStore(t *testing.T, do http.HandlerFunc) *gcs.Store {
	t.Helper()
	server := httptest.NewServer(do)
	t.Cleanup(server.Close)
	s, err := gcs.OpenTuned(t.Context(), gcs.Options{Endpoint: server.URL, Anonymous: true, Bucket: "bucket"}, gcs.Tuning{Stall: impatient})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func refusing(status int, reason string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, reason, "no") }
}

// wantClean checks that err says nothing secret, and that storage/retry does
// with it what is right.
func wantClean(t *testing.T, err error, permanent bool) {
	t.Helper()
	switch {
	case err == nil:
		t.Error("no error")
	case strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "upload_id"):
		t.Errorf("the error tells a secret: %v", err)
	case storage.IsPermanent(err) != permanent:
		t.Errorf("%v is permanent: %v, want %v", err, !permanent, permanent)
	}
}

// everything runs each operation and returns how it went.
func everything(ctx context.Context, s storage.Store) map[string]error {
	_, statErr := s.Stat(ctx, "data/a")
	_, getErr := storage.ReadAll(ctx, s, "data/a")
	return map[string]error{
		"Stat":   statErr,
		"Get":    getErr,
		"Put":    s.Put(ctx, "data/a", storage.Bytes(make([]byte, 1<<20)), storage.PutOptions{}),
		"List":   s.List(ctx, "", func(storage.Info) error { return nil }),
		"Delete": s.Delete(ctx, "data/a"),
	}
}

func TestAnswersThatPass(t *testing.T) {
	for _, answer := range []http.HandlerFunc{
		refusing(408, "requestTimeout"), refusing(429, "rateLimitExceeded"), refusing(500, "backendError"),
		refusing(502, ""), refusing(503, "backendError"), refusing(504, ""), refusing(403, "rateLimitExceeded"),
		func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>a proxy</html>", http.StatusBadGateway)
		},
	} {
		s := hostileStore(t, answer)
		for _, err := range everything(t.Context(), s) {
			wantClean(t, err, false)
		}
	}
}

func TestAnswersThatStay(t *testing.T) {
	for want, answer := range map[error]http.HandlerFunc{
		fs.ErrPermission:       refusing(403, "forbidden"),
		storage.ErrImmutable:   refusing(403, "retentionPolicyNotMet"),
		storage.ErrNotFound:    refusing(404, "notFound"),
		storage.ErrUnsupported: refusing(400, "invalid"),
	} {
		s := hostileStore(t, answer)
		for op, err := range everything(t.Context(), s) {
			wantClean(t, err, true)
			if !errors.Is(err, want) {
				t.Errorf("%s = %v, want %v", op, err, want)
			}
		}
	}
}

func TestConnectionsThatBreak(t *testing.T) {
	s := hostileStore(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for _, err := range everything(t.Context(), s) {
		wantClean(t, err, false)
	}
}

func TestNobodyAnswers(t *testing.T) {
	s, err := gcs.Open(t.Context(), gcs.Options{Endpoint: "http://127.0.0.1:1", Anonymous: true, Bucket: "bucket"})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range everything(t.Context(), s) {
		wantClean(t, err, false)
	}
}

func TestStalls(t *testing.T) {
	s := hostileStore(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	for op, err := range everything(t.Context(), s) {
		wantClean(t, err, false)
		if !errors.Is(err, httpx.ErrStalled) {
			t.Errorf("%s = %v, want a stall", op, err)
		}
	}
}

// TestLyingAnswers asks for 1000 bytes from byte 500 on and gets something
// else.
func TestLyingAnswers(t *testing.T) {
	send := func(said, length string, status, bytes int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if said != "" {
				w.Header().Set("Content-Range", said)
			}
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			w.WriteHeader(status)
			w.(http.Flusher).Flush()
			w.Write(make([]byte, bytes))
		}
	}
	tests := []struct {
		name      string
		do        http.HandlerFunc
		truncated bool
	}{
		{"cut body", send("bytes 500-1499/2000", "1000", 206, 300), true},
		{"less announced than asked for", send("bytes 500-999/2000", "500", 206, 500), true},
		{"more than asked for", send("bytes 500-1999/2000", "1500", 206, 1500), false},
		{"another range", send("bytes 0-999/2000", "1000", 206, 1000), false},
		{"range ignored", send("", "1000", 200, 1000), false},
		{"no length", send("bytes 500-1499/2000", "", 206, 1000), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := hostileStore(t, test.do)
			err := storage.ReadRange(t.Context(), s, "data/a", 500, make([]byte, 1000))
			wantClean(t, err, false)
			if errors.Is(err, io.ErrUnexpectedEOF) != test.truncated {
				t.Errorf("ReadRange = %v, io.ErrUnexpectedEOF: %v", err, test.truncated)
			}
		})
	}
}

// TestBadServerGoodEnd goes through a server that fails every third request
// in another way, and must come out with everything right: whole objects and
// objects in parts.
func TestBadServerGoodEnd(t *testing.T) {
	for name, tuning := range map[string]gcs.Tuning{
		"whole":    {Stall: 10 * time.Second},
		"in parts": {Stall: 10 * time.Second, SingleBytes: 1000, PartBytes: 256 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			f, o := newFake(t)
			front := httptest.NewServer(badly(f))
			defer front.Close()
			o.Endpoint = front.URL
			bare, err := gcs.OpenTuned(t.Context(), o, tuning)
			if err != nil {
				t.Fatal(err)
			}
			s := retry.New(bare, retry.Policy{FirstDelay: time.Millisecond, MaxDelay: 2 * time.Millisecond})
			keys := []string{"data/a", "data/b", "data/c"}
			for _, key := range keys {
				content := strings.Repeat(key, 150_000)
				store(t, s, key, content, storage.PutOptions{})
				wantBytes(t, s, key, content)
			}
			if got := len(keysOf(t, s)); got != len(keys) {
				t.Errorf("there are %d objects, want %d", got, len(keys))
			}
			if err := s.Delete(t.Context(), "data/c"); err != nil {
				t.Error(err)
			}
		})
	}
}

func badly(f http.Handler) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) % 12 {
		case 1:
			refuse(w, 503, "backendError", "try again")
		case 4:
			panic(http.ErrAbortHandler)
		case 7: // done, and the answer is lost
			f.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case 10: // half an answer
			got := httptest.NewRecorder()
			f.ServeHTTP(got, r)
			for name, value := range got.Header() {
				w.Header()[name] = value
			}
			w.Header().Set("Content-Length", "1000000")
			w.WriteHeader(got.Code)
			w.Write(got.Body.Bytes()[:got.Body.Len()/2])
		default:
			f.ServeHTTP(w, r)
		}
	}
}

// A service that never takes more of an upload must not keep us for ever.
func TestUploadWithoutProgress(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Query().Get("upload_id") == "" {
			w.Header().Set("Location", "http://"+r.Host+r.URL.Path+"?upload_id=SECRET")
			return
		}
		w.WriteHeader(308)
	}))
	defer server.Close()
	s, err := gcs.OpenTuned(t.Context(), gcs.Options{Endpoint: server.URL, Anonymous: true, Bucket: "bucket"}, gcs.Tuning{SingleBytes: 1, PartBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	wantClean(t, s.Put(t.Context(), "data/a", storage.Bytes(make([]byte, 1<<20)), storage.PutOptions{}), false)
}
