package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/retry"
	"holdfast/storage/s3"
)

// lies are answers to a Get of the first 1000 bytes of an object that has more.
var lies = []struct {
	name string
	tell func(w http.ResponseWriter, data []byte)
}{
	{"the body is cut", func(w http.ResponseWriter, data []byte) {
		ranged(w, 0, 999, len(data), 1000)
		w.Write(data[:500])
		panic(http.ErrAbortHandler)
	}},
	{"the length is that of less", func(w http.ResponseWriter, data []byte) {
		ranged(w, 0, 999, len(data), 500)
		w.Write(data[:500])
	}},
	{"the length is that of more", func(w http.ResponseWriter, data []byte) {
		ranged(w, 0, 999, len(data), 1500)
		w.Write(data[:1500])
	}},
	{"another range", func(w http.ResponseWriter, data []byte) {
		ranged(w, 1, 1000, len(data), 1000)
		w.Write(data[1:1001])
	}},
	{"a longer range", func(w http.ResponseWriter, data []byte) {
		ranged(w, 0, 1999, len(data), 2000)
		w.Write(data[:2000])
	}},
	{"a range without a size", func(w http.ResponseWriter, data []byte) {
		w.Header().Set("Content-Range", "bytes 0-999/*")
		header(w, 206, 1000)
		w.Write(data[:1000])
	}},
	{"the whole object", func(w http.ResponseWriter, data []byte) {
		header(w, 200, len(data))
		w.Write(data)
	}},
	{"no length", func(w http.ResponseWriter, data []byte) {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-999/%d", len(data)))
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.WriteHeader(206)
		w.(http.Flusher).Flush()
		w.Write(data[:1000])
	}},
	{"a shorter object", func(w http.ResponseWriter, data []byte) {
		ranged(w, 0, 499, 500, 500)
		w.Write(data[:500])
	}},
	{"an error with status 200", func(w http.ResponseWriter, _ []byte) {
		text := "<Error><Code>InternalError</Code></Error>"
		header(w, 200, len(text))
		io.WriteString(w, text)
	}},
}

func ranged(w http.ResponseWriter, first, last, size, length int) {
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, size))
	header(w, 206, length)
}

func header(w http.ResponseWriter, status, length int) {
	w.Header().Set("Content-Length", fmt.Sprint(length))
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	w.WriteHeader(status)
}

func TestLiesAreNoticed(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 500)
	for _, lie := range lies {
		t.Run(lie.name, func(t *testing.T) {
			f := newFake(t)
			f.objects["data/1"] = object(data)
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodGet {
					return false
				}
				lie.tell(w, data)
				return true
			}
			err := storage.ReadRange(t.Context(), open(t, f.options()), "data/1", 0, make([]byte, 1000))
			if err == nil {
				t.Fatal("ReadRange = nil")
			}
			t.Log(err)
			if errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%v passes for the absence of the object", err)
			}
		})
	}
}

// TestLiesPass: each lie is told once, and a store that tries again gets the
// bytes, but for the two that no service takes back.
func TestLiesPass(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 500)
	for _, lie := range lies {
		if lie.name == "the whole object" || lie.name == "a range without a size" || lie.name == "an error with status 200" {
			continue
		}
		t.Run(lie.name, func(t *testing.T) {
			f := newFake(t)
			f.objects["data/1"] = object(data)
			told := false
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodGet || told {
					return false
				}
				told = true
				lie.tell(w, data)
				return true
			}
			buf := make([]byte, 1000)
			s := retry.New(open(t, f.options()), retry.Policy{FirstDelay: time.Millisecond})
			if err := storage.ReadRange(t.Context(), s, "data/1", 0, buf); err != nil || !bytes.Equal(buf, data[:1000]) {
				t.Errorf("ReadRange = %v", err)
			}
		})
	}
}

// TestTroubleThatPasses has each kind of request fail twice.
func TestTroubleThatPasses(t *testing.T) {
	troubles := map[string]func(http.ResponseWriter){
		"slow down":      func(w http.ResponseWriter) { fail(w, 503, "SlowDown") },
		"internal error": func(w http.ResponseWriter) { fail(w, 500, "InternalError") },
		"a gateway":      func(w http.ResponseWriter) { http.Error(w, "<html>Bad Gateway</html>", http.StatusBadGateway) },
		"too many":       func(w http.ResponseWriter) { fail(w, 429, "TooManyRequests") },
		"expired token":  func(w http.ResponseWriter) { fail(w, 400, "ExpiredToken") },
		"reset":          func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"damaged":        func(w http.ResponseWriter) { fail(w, 400, "BadDigest") },
		"half a page": func(w http.ResponseWriter) {
			io.WriteString(w, "<ListBucketResult><Contents><Key>data/")
		},
	}
	for name, trouble := range troubles {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			seen := map[string]int{}
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if name == "half a page" && (r.Method != http.MethodGet || r.URL.Path != "/bucket/") {
					return false
				}
				f.mu.Lock()
				seen[r.Method+r.URL.Path]++
				n := seen[r.Method+r.URL.Path]
				f.mu.Unlock()
				if n > 2 {
					return false
				}
				io.Copy(io.Discard, io.LimitReader(r.Body, 10))
				trouble(w)
				return true
			}
			o := f.options()
			o.ConditionalCreate = s3.Yes
			s := retry.New(open(t, o), retry.Policy{FirstDelay: time.Millisecond, MaxAttempts: 8})
			long := strings.Repeat("a body", 100_000)
			if name == "damaged" || name == "half a page" {
				long = "short, so that the connection lives"
			}
			put(t, s, "data/1", long)
			if got := read(t, s, "data/1"); got != long {
				t.Errorf("read %d bytes", len(got))
			}
			if got := keys(t, s, "data/"); len(got) != 1 {
				t.Errorf("List = %q", got)
			}
			if err := s.Delete(t.Context(), "data/1"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTroubleThatStays is not tried again.
func TestTroubleThatStays(t *testing.T) {
	troubles := []struct {
		status int
		code   string
		want   error
	}{
		{403, "AccessDenied", fs.ErrPermission},
		{403, "RequestTimeTooSkewed", fs.ErrPermission},
		{507, "InsufficientStorage", storage.ErrFull},
		{400, "XMinioAdminBucketQuotaExceeded", storage.ErrFull},
		{301, "PermanentRedirect", storage.ErrSetup},
		{404, "NoSuchBucket", storage.ErrSetup},
		{501, "NotImplemented", storage.ErrUnsupported},
	}
	for _, trouble := range troubles {
		t.Run(trouble.code, func(t *testing.T) {
			f := newFake(t)
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				io.Copy(io.Discard, r.Body)
				fail(w, trouble.status, trouble.code)
				return true
			}
			s := retry.New(open(t, f.options()), retry.Policy{FirstDelay: time.Millisecond, MaxAttempts: 3})
			_, getErr := s.Get(t.Context(), "data/1", 0, -1)
			listErr := s.List(t.Context(), "", func(storage.Info) error { return nil })
			putErr := s.Put(t.Context(), "data/1", storage.Bytes([]byte("x")), storage.PutOptions{})
			for op, err := range map[string]error{"Get": getErr, "List": listErr} {
				if !errors.Is(err, trouble.want) {
					t.Errorf("%s = %v, want %v", op, err, trouble.want)
				}
			}
			// Put looks first, and HEAD has no code, so the number has to do.
			if putErr == nil || !storage.IsPermanent(putErr) && trouble.status != 400 {
				t.Errorf("Put = %v", putErr)
			}
		})
	}
}

func TestStalledRequestIsGivenUp(t *testing.T) {
	f := newFake(t)
	f.objects["data/1"] = object(make([]byte, 1000))
	stalled := false
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if stalled {
			return false
		}
		stalled = true
		ranged(w, 0, 999, 1000, 1000)
		w.Write(make([]byte, 10))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	o := f.options()
	o.Stall = 200 * time.Millisecond
	s := retry.New(open(t, o), retry.Policy{FirstDelay: time.Millisecond})
	if err := storage.ReadRange(t.Context(), s, "data/1", 0, make([]byte, 1000)); err != nil {
		t.Error(err)
	}
}
