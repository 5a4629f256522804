package s3_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/retry"
	"holdfast/storage/s3"
	"holdfast/storage/storagetest"
)

var conditionsThereAre = map[string]struct {
	conditions conditions
	found      s3.Answer
}{
	"heeded":  {heeded, s3.Yes},
	"ignored": {ignored, s3.No},
	"refused": {refused, s3.No},
}

// TestContractOnServices that take conditional writes in every way there is.
func TestContractOnServices(t *testing.T) {
	for name, test := range conditionsThereAre {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storage.Store {
				f := newFake(t)
				f.conditions = test.conditions
				return open(t, f.options())
			})
		})
	}
}

// TestRequestsOfPuts counts them: they cost money.
func TestRequestsOfPuts(t *testing.T) {
	for name, test := range conditionsThereAre {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.conditions = test.conditions
			s := open(t, f.options())
			refusals := 0
			if test.conditions == refused {
				refusals = 1 // of the first one, which is then sent again
			}
			for i := range 10 {
				putHashed(t, s, fmt.Sprint("a pack", i))
			}
			if n := f.count("PUT"); n != 10+refusals {
				t.Errorf("10 Puts of objects that are named by their hash were %d requests to put", n)
			}
			if n := f.count("HEAD"); n != 0 {
				t.Errorf("and %d to look", n)
			}
			for i := range 10 {
				put(t, s, fmt.Sprint("holdfast/", i), "content that the name does not tell")
			}
			if n := f.count("PUT"); n != 20+refusals {
				t.Errorf("20 Puts were %d requests to put", n)
			}
			if n := f.count("HEAD"); n != 10 {
				t.Errorf("10 Puts under other names were %d requests to look, want one each", n)
			}

			p, err := s.Probe(t.Context())
			if err != nil || (p.ConditionalCreate == nil) != (test.found == s3.Yes) || p.ChecksumsVerified != nil {
				t.Errorf("Probe = %+v, %v", p, err)
			}
			if got := s.Creating(); got != test.found {
				t.Errorf("after a probe the store believes %q, want %q", got, test.found)
			}
		})
	}
}

// putHashed puts an object under the hash of its bytes.
func putHashed(t *testing.T, s storage.Store, data string) (key string) {
	t.Helper()
	sum := sha256.Sum256([]byte(data))
	key = fmt.Sprintf("data/%x", sum)
	if err := s.Put(t.Context(), key, storage.Bytes([]byte(data)), storage.PutOptions{SHA256: &sum}); err != nil {
		t.Fatal(err)
	}
	return key
}

// TestHashedAgain puts what is there already. A service that heeds conditions
// says so; one that does not is left with the same bytes.
func TestHashedAgain(t *testing.T) {
	for name, test := range conditionsThereAre {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.conditions = test.conditions
			s := open(t, f.options())
			data := []byte("a pack")
			sum := sha256.Sum256(data)
			key := putHashed(t, s, string(data))
			err := s.Put(t.Context(), key, storage.Bytes(data), storage.PutOptions{SHA256: &sum})
			if test.conditions == heeded && !errors.Is(err, storage.ErrExists) || test.conditions != heeded && err != nil {
				t.Errorf("Put = %v", err)
			}
			if got := read(t, s, key); got != "a pack" {
				t.Errorf("read %q", got)
			}
		})
	}
}

// TestProbeSeesSkewAndNoVerification has a service whose clock is an hour
// ahead, and which stores whatever arrives.
func TestProbeSeesSkewAndNoVerification(t *testing.T) {
	f := newFake(t)
	stored := map[string]bool{}
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.Header().Set("Server", "Some Service")
		if r.Method != http.MethodPut {
			return false
		}
		io.Copy(io.Discard, r.Body)
		if stored[r.URL.Path] {
			fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
		}
		stored[r.URL.Path] = true
		return true
	}
	p, err := open(t, f.options()).Probe(t.Context())
	if err != nil || p.Service != "Some Service" || p.ChecksumsVerified == nil || p.ConditionalCreate != nil {
		t.Errorf("Probe = %+v, %v", p, err)
	}
	if skew := p.ClockSkew.Round(time.Minute); skew != time.Hour {
		t.Errorf("the clock is said to be %v ahead, want 1h", p.ClockSkew)
	}
}

// TestPutWithLostAnswer: the service has stored what it was sent, and the
// connection broke before it could say so.
func TestPutWithLostAnswer(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	sum := sha256.Sum256(data)
	for name, there := range map[string][]byte{"ours": data, "other bytes": bytes.ToUpper(data), "other length": data[1:]} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			lost := false
			f.before = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPut || lost {
					return false
				}
				lost = true
				io.Copy(io.Discard, r.Body)
				f.mu.Lock()
				f.objects["data/1"] = object(there)
				f.mu.Unlock()
				panic(http.ErrAbortHandler)
			}
			o := f.options()
			o.ConditionalCreate = s3.Yes
			s := retry.New(open(t, o), retry.Policy{FirstDelay: time.Millisecond})
			err := s.Put(t.Context(), "data/1", storage.Bytes(data), storage.PutOptions{SHA256: &sum})
			if name == "ours" && err != nil || name != "ours" && !errors.Is(err, storage.ErrConflict) {
				t.Errorf("Put = %v", err)
			}
			if n := f.count("GET"); n != 0 {
				t.Errorf("the object was read back %d times; its hash is known", n)
			}
			if n := f.count("PUT"); n != 1 {
				t.Errorf("the body was sent %d times", n)
			}
		})
	}
}

func object(data []byte) *fakeObject {
	sum := sha256.Sum256(data)
	return &fakeObject{data: data, checksum: checksumOf(sum), lastModifiedTime: time.Now()}
}

// TestPutOnLargeExistingObject: MinIO refuses before it has read the body.
func TestPutOnLargeExistingObject(t *testing.T) {
	data := make([]byte, 20<<20)
	for _, wrapped := range []bool{false, true} {
		var s storage.Store = open(t, place(t))
		putHashed(t, s, "so that conditional writes are known")
		if err := s.Put(t.Context(), "data/1", storage.Bytes(data), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if wrapped {
			s = retry.New(s, retry.Policy{FirstDelay: time.Millisecond})
		}
		for range 5 {
			if err := s.Put(t.Context(), "data/1", storage.Bytes(data), storage.PutOptions{}); !errors.Is(err, storage.ErrExists) {
				t.Errorf("Put = %v, want ErrExists", err)
			}
			put(t, s, fmt.Sprint("data/after/", time.Now().UnixNano()), "the next request works")
		}
	}
}

// TestDamagedBodyIsNotStored, nor sent again and again.
func TestDamagedBodyIsNotStored(t *testing.T) {
	s := open(t, place(t))
	s.SetParts(6<<20, 5<<20)
	for _, size := range []int{1000, 7 << 20} {
		data := make([]byte, size)
		sum := sha256.Sum256(data)
		data[size/2] ^= 1
		key := fmt.Sprint("data/", size)
		err := s.Put(t.Context(), key, storage.Bytes(data), storage.PutOptions{SHA256: &sum})
		if !errors.Is(err, storage.ErrBody) || !storage.IsPermanent(err) {
			t.Errorf("Put of a damaged body = %v, want ErrBody", err)
		}
		if _, err := s.Stat(t.Context(), key); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Stat of it = %v", err)
		}
	}
}
