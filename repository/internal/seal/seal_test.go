package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	//lint:ignore SA1019 see seal.go
	library "golang.org/x/crypto/poly1305"
	"pgregory.net/rapid"

	"holdfast/repository/internal/scrypt"
)

// cheap are parameters for tests that are not about their cost.
var cheap = Params{N: 16, R: 1, P: 1}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestOpensWhatResticSealed(t *testing.T) {
	f, err := ParseKeyFile(read(t, "restic-key.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open([]byte("y")); !errors.Is(err, ErrWrongPassword) {
		t.Errorf("wrong password: %v", err)
	}
	master, err := f.Open([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := master.Open(nil, read(t, "restic-config"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(config, []byte(`"chunker_polynomial":"31dfdea63f7d75"`)) {
		t.Errorf("config: %s", config)
	}
	text, err := json.Marshal(master)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"mac":{"k":"RbMaN4ReFVhgqzGrwLnqPQ==","r":"50z/J5iyWy2FrKpKSHYb9Q=="},` +
		`"encrypt":"pzu/+OYuMTptCN23Byf9eh0Wiv3luaVGQnCc1J+RgGc="}`
	if string(text) != want {
		t.Errorf("master key stored as %s, restic has %s", text, want)
	}
}

func TestOpenIsTheInverseOfSeal(t *testing.T) {
	k := NewKey()
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "plain")
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "prefix")
		sealed := k.Seal(bytes.Clone(prefix), plain)
		if !bytes.HasPrefix(sealed, prefix) || len(sealed) != len(prefix)+len(plain)+Overhead {
			t.Fatalf("sealed %d bytes to %d", len(plain), len(sealed))
		}
		sealed = sealed[len(prefix):]
		opened, err := k.Open(bytes.Clone(prefix), sealed)
		if err != nil || !bytes.Equal(opened, append(prefix, plain...)) {
			t.Fatalf("opened %x, %v", opened, err)
		}
		opened, err = k.OpenInPlace(sealed)
		if err != nil || !bytes.Equal(opened, plain) {
			t.Fatalf("opened in place %x, %v", opened, err)
		}
	})
}

// OpensTo works in pieces: lengths around their ends, and a difference in
// every one of them.
func TestOpensToKnowsItsPlaintext(t *testing.T) {
	k := NewKey()
	for _, n := range []int{0, 1, pieceSize - 1, pieceSize, pieceSize + 1, 3*pieceSize + 100} {
		plain := bytes.Repeat([]byte("0123456789abcde"), n/15+1)[:n]
		sealed := k.Seal(nil, plain)
		if err := k.OpensTo(sealed, plain); err != nil {
			t.Errorf("%d bytes do not open to themselves: %v", n, err)
		}
		if err := k.OpensTo(sealed, append(bytes.Clone(plain), 0)); !errors.Is(err, ErrDiffers) {
			t.Errorf("%d bytes and one more: %v", n, err)
		}
		for at := 0; at < n; at += pieceSize / 2 {
			other := bytes.Clone(plain)
			other[at] ^= 1
			if err := k.OpensTo(sealed, other); !errors.Is(err, ErrDiffers) {
				t.Errorf("%d bytes, other at %d: %v", n, at, err)
			}
		}
		sealed[len(sealed)-1] ^= 1
		if err := k.OpensTo(sealed, plain); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%d bytes, altered: %v", n, err)
		}
	}
}

// TestSumsThatOthersDoNotMake has the proof of what is stored find a tag that only
// a mistaken program of ours would take.
func TestSumsThatOthersDoNotMake(t *testing.T) {
	k, plain := NewKey(), make([]byte, 8<<10)
	mistaken := func(tag *[tagSize]byte, message []byte, key *[32]byte) {
		library.Sum(tag, message, key)
		tag[3] ^= 1
	}
	sealed := k.sealBy(mistaken, nil, plain)
	if _, _, err := k.verify(mistaken, sealed); err != nil {
		t.Fatal(err)
	}
	if err := k.OpensTo(sealed, plain); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("%v; want %v", err, ErrUnauthenticated)
	}
}

// TestSumsMadeWrong has what is intact opened although a program of ours cannot
// see that it is, and nothing else.
func TestSumsMadeWrong(t *testing.T) {
	k, plain := NewKey(), make([]byte, 8<<10)
	mistaken := func(tag *[tagSize]byte, _ []byte, _ *[32]byte) { clear(tag[:]) }
	sealed := k.Seal(nil, plain)
	if _, text, err := k.authentic(mistaken, sealed); err != nil || len(text) != len(plain) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	sealed[len(sealed)/2] ^= 1
	if _, _, err := k.authentic(mistaken, sealed); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("altered: %v; want %v", err, ErrUnauthenticated)
	}
}

func TestSealInPlace(t *testing.T) {
	k := NewKey()
	buf := make([]byte, 16, 100)
	buf = append(buf, "some plaintext"...)
	sealed := k.Seal(buf[:0], buf[16:])
	opened, err := k.Open(nil, sealed)
	if err != nil || string(opened) != "some plaintext" {
		t.Fatalf("%q, %v", opened, err)
	}
}

func TestEveryAlterationIsNoticed(t *testing.T) {
	k := NewKey()
	sealed := k.Seal(nil, []byte("twenty-four bytes of text"))
	for bit := range 8 * len(sealed) {
		altered := bytes.Clone(sealed)
		altered[bit/8] ^= 1 << (bit % 8)
		before := bytes.Clone(altered)
		if got, err := k.Open(nil, altered); !errors.Is(err, ErrUnauthenticated) || len(got) > 0 {
			t.Fatalf("bit %d: %q, %v", bit, got, err)
		}
		if _, err := k.OpenInPlace(altered); !errors.Is(err, ErrUnauthenticated) || !bytes.Equal(altered, before) {
			t.Fatalf("bit %d in place: %v", bit, err)
		}
	}
	for n := range sealed {
		if _, err := k.Open(nil, sealed[:n]); !errors.Is(err, ErrUnauthenticated) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if _, err := NewKey().Open(nil, sealed); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("other key: %v", err)
	}
}

func TestZeroIVIsRefused(t *testing.T) {
	k := NewKey()
	sealed := make([]byte, Overhead+4)
	var o oneTime
	iv, text, tag := split(sealed)
	k.sum(library.Sum, &o, iv, text)
	copy(tag, o.tag[:]) // valid but for the IV
	if _, err := k.Open(nil, sealed); !errors.Is(err, ErrUnauthenticated) {
		t.Error(err)
	}
}

func TestIVsDiffer(t *testing.T) {
	k := NewKey()
	seen := make(map[[ivSize]byte]bool)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				iv := [ivSize]byte(k.Seal(nil, nil))
				mu.Lock()
				if seen[iv] {
					t.Error("an IV was used twice")
				}
				seen[iv] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestKeysStayOutOfMessages(t *testing.T) {
	if got := fmt.Sprintf("%v %+v %#v %s", NewKey(), NewKey(), NewKey(), NewKey()); got != "*** *** *** ***" {
		t.Error(got)
	}
}

func TestInvalidKeysAreRefused(t *testing.T) {
	good, err := json.Marshal(NewKey())
	if err != nil {
		t.Fatal(err)
	}
	zero16, zero32 := strings.Repeat("A", 22)+"==", strings.Repeat("A", 43)+"="
	for _, text := range []string{
		`{}`, `[]`, `{"encrypt":"AAAA"}`, string(good[:len(good)-5]),
		`{"mac":{"k":"RbMaN4ReFVhgqzGrwLnqPQ==","r":"50z/J5iyWy2FrKpKSHYb9Q=="},"encrypt":"` + zero32 + `"}`,
		`{"mac":{"k":"` + zero16 + `","r":"50z/J5iyWy2FrKpKSHYb9Q=="},"encrypt":"pzu/+OYuMTptCN23Byf9eh0Wiv3luaVGQnCc1J+RgGc="}`,
	} {
		if err := new(Key).UnmarshalJSON([]byte(text)); !errors.Is(err, ErrInvalidKey) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestKeyFileRoundTrip(t *testing.T) {
	master := NewKey()
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	f, err := NewKeyFile([]byte("pässword"), master, cheap, Identity{User: "root", Host: "db1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), `{"created":"2026-01-02T03:04:05.000000006Z","username":"root","hostname":"db1","kdf":"scrypt","N":16,"r":1,"p":1,"salt":"`) {
		t.Errorf("stored as %s", text)
	}
	parsed, err := ParseKeyFile(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parsed.Open([]byte("pässword"))
	if err != nil || !got.Equal(master) {
		t.Errorf("opened: %v", err)
	}
	parsed.Data = mustUserKey(t, parsed, "pässword").Seal(nil, []byte("no key"))
	if _, err := parsed.Open([]byte("pässword")); !errors.Is(err, ErrDamagedKeyFile) {
		t.Errorf("right password, no key inside: %v", err)
	}
}

func mustUserKey(t *testing.T, f *KeyFile, password string) *Key {
	t.Helper()
	k, err := f.derive([]byte(password), scrypt.Key)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestHostileKeyFilesAreRefused(t *testing.T) {
	good := string(read(t, "restic-key.json"))
	for name, c := range map[string]struct {
		old, new string
		want     error
	}{
		"truncated":      {good[len(good)/2:], "", ErrDamagedKeyFile},
		"other function": {`"scrypt"`, `"argon2"`, ErrDamagedKeyFile},
		"short salt":     {`"salt":"y33l`, `"salt":"`, ErrDamagedKeyFile},
		"no data":        {`"data":"`, `"data":"","x":"`, ErrDamagedKeyFile},
		"much memory":    {`"N":16384`, `"N":1073741824`, ErrParams},
		"much time":      {`"p":2`, `"p":1000000`, ErrParams},
		"N not a power":  {`"N":16384`, `"N":16383`, ErrParams},
		"negative":       {`"r":8`, `"r":-8`, ErrParams},
		"overflow":       {`"r":8,"p":2`, `"r":1073741824,"p":1073741824`, ErrParams},
		"huge":           {`"r":8`, `"r":9223372036854775807`, ErrParams},
	} {
		if _, err := ParseKeyFile([]byte(strings.Replace(good, c.old, c.new, 1))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCalibrate(t *testing.T) {
	for _, c := range []struct {
		name   string
		ofN14  time.Duration // time that N=2^14, r=8, p=1 takes
		target time.Duration
		memory int
		want   Params
	}{
		{"usual", 40 * time.Millisecond, 500 * time.Millisecond, 60, Params{1 << 15, 8, 6}},
		{"slow machine: the least work", 2 * time.Second, 500 * time.Millisecond, 60, Params{1 << 14, 8, 6}},
		{"little time: the least work", 40 * time.Millisecond, 100 * time.Millisecond, 60, Params{1 << 15, 8, 3}},
		{"much memory", 40 * time.Millisecond, 500 * time.Millisecond, 1 << 20, Params{1 << 17, 8, 1}},
		{"coarse clock", 0, 500 * time.Millisecond, 60, Params{1 << 15, 8, 256}},
	} {
		got, err := calibrate(c.target, c.memory, func(Params) (time.Duration, error) { return c.ofN14, nil })
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
	if _, err := Calibrate(10*time.Millisecond, 60); err != nil {
		t.Error(err)
	}
}

func FuzzParseKeyFile(f *testing.F) {
	f.Add(read(f, "restic-key.json"))
	f.Add([]byte(`{"kdf":"scrypt","N":2,"r":1,"p":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := ParseKeyFile(text)
		if err != nil {
			return
		}
		if err := file.Params.Validate(); err != nil {
			t.Errorf("accepted: %v", err)
		}
		again, err := json.Marshal(file)
		if err != nil {
			return // a year that JSON cannot hold
		}
		if _, err := ParseKeyFile(again); err != nil {
			t.Errorf("its own form is refused: %v", err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for _, size := range []int{300, 4 << 10, 1 << 20} {
		k, plain := NewKey(), make([]byte, size)
		sealed := k.Seal(nil, plain)
		b.Run(fmt.Sprintf("seal/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			dst := make([]byte, 0, size+Overhead)
			for b.Loop() {
				dst = k.Seal(dst[:0], plain)
			}
		})
		b.Run(fmt.Sprintf("opens to/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				k.OpensTo(sealed, plain) //nolint:errcheck // it does
			}
		})
		b.Run(fmt.Sprintf("open/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			dst := make([]byte, 0, size)
			for b.Loop() {
				dst, _ = k.Open(dst[:0], sealed)
			}
		})
	}
}
