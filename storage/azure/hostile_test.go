package azure_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/azure"
	"holdfast/storage/internal/httpx"
	"holdfast/storage/retry"
)

// hostile returns the options of a container on a server that does what do
// does, and a shared access signature that nobody may see.
func hostile(t *testing.T, do http.HandlerFunc) azure.Options {
	t.Helper()
	s := httptest.NewServer(do)
	t.Cleanup(s.Close)
	return azure.Options{
		Account: "account", SAS: "sv=2025&sp=rwdl&sig=TOPSECRETSIGNATURE", Endpoint: s.URL, Container: "container",
	}
}

func refusing(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, code) }
}

const impatient = 200 * time.Millisecond

func hostileStore(t *testing.T, do http.HandlerFunc) *azure.Store {
	t.Helper()
	s, err := azure.OpenTuned(hostile(t, do), azure.Tuning{Stall: impatient})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// wantClean checks that err says nothing secret, and that storage/retry does
// with it what is right.
func wantClean(t *testing.T, err error, permanent bool) {
	t.Helper()
	switch {
	case err == nil:
		t.Error("no error")
	case strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "sig="):
		t.Errorf("the error tells the signature: %v", err)
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
	for _, status := range []int{408, 429, 500, 502, 503, 504} {
		s := hostileStore(t, refusing(status, "ServerBusy"))
		for _, err := range everything(t.Context(), s) {
			wantClean(t, err, false)
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
	o := hostile(t, nil)
	o.Endpoint = "http://127.0.0.1:1"
	s, err := azure.Open(t.Context(), o)
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
	data := make([]byte, 2000)
	tests := []struct {
		name      string
		do        http.HandlerFunc
		truncated bool
	}{
		{"cut body", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 500-1499/2000")
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(206)
			w.Write(data[:300])
		}, true},
		{"less announced than asked for", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 500-999/2000")
			w.Header().Set("Content-Length", "500")
			w.WriteHeader(206)
			w.Write(data[:500])
		}, true},
		{"more than asked for", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 500-1999/2000")
			w.Header().Set("Content-Length", "1500")
			w.WriteHeader(206)
			w.Write(data[:1500])
		}, false},
		{"another range", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-999/2000")
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(206)
			w.Write(data[:1000])
		}, false},
		{"range ignored", func(w http.ResponseWriter, _ *http.Request) { w.Write(data[:1000]) }, false},
		{"no length", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 500-1499/2000")
			w.WriteHeader(206)
			w.(http.Flusher).Flush()
			w.Write(data[:1000])
		}, false},
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
// in another way, and must come out with everything right.
func TestBadServerGoodEnd(t *testing.T) {
	f, o := newFake(t)
	var n atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) % 12 {
		case 1:
			refuse(w, 503, "ServerBusy")
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
			w.WriteHeader(got.Code)
			w.Write(got.Body.Bytes()[:got.Body.Len()/2])
		default:
			f.ServeHTTP(w, r)
		}
	}))
	defer front.Close()
	o.Endpoint = front.URL + "/account"
	bare, err := azure.OpenTuned(o, azure.Tuning{Stall: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s := retry.New(bare, retry.Policy{FirstDelay: time.Millisecond, MaxDelay: 2 * time.Millisecond})
	for _, key := range []string{"data/a", "data/b", "data/c", "data/d", "data/e"} {
		content := strings.Repeat(key, 50_000)
		store(t, s, key, content, storage.PutOptions{})
		wantBytes(t, s, key, content)
	}
	if got := len(keysOf(t, s)); got != 5 {
		t.Errorf("there are %d objects, want 5", got)
	}
	if err := s.Delete(t.Context(), "data/c"); err != nil {
		t.Error(err)
	}
}
