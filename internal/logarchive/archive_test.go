package logarchive_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"holdfast/internal/logarchive"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/local"
	"holdfast/storage/mem"
)

const segmentBytes = 64 << 10

// keys are what a repository's log archive is opened with.
type keys struct {
	identity *age.X25519Identity
	signing  ed25519.PrivateKey
}

func newKeys(t testing.TB) keys {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	_, signing, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return keys{identity, signing}
}

// writer is what the database host has, reader what a restore has.
func (k keys) writer(t testing.TB, s storage.Store) *logarchive.Archive {
	return open(t, s, logarchive.Options{Source: "shop", Recipients: []age.Recipient{k.identity.Recipient()}, Signing: k.signing})
}

func (k keys) reader(t testing.TB, s storage.Store) *logarchive.Archive {
	return open(t, s, logarchive.Options{
		Source: "shop", Identities: []age.Identity{k.identity},
		Trusted: []ed25519.PublicKey{k.signing.Public().(ed25519.PublicKey)},
	})
}

func open(t testing.TB, s storage.Store, o logarchive.Options) *logarchive.Archive {
	t.Helper()
	a, err := logarchive.New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// segment is the n-th segment of a line, and content its bytes.
func segment(line uint32, n int) logarchive.Segment {
	return logarchive.Segment{
		Stream: "7300000000000000001", Line: line, Kind: logarchive.Whole, Name: fmt.Sprintf("%08X%016X", line, n),
		Start: logarchive.Position(n * segmentBytes), End: logarchive.Position((n + 1) * segmentBytes),
	}
}

func content(n int) []byte {
	b := make([]byte, segmentBytes)
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	for k := range b {
		b[k] = byte(rng.IntN(8))
	}
	return b
}

func appendAll(t testing.TB, a *logarchive.Archive, line uint32, from, to int) {
	t.Helper()
	if err := tryAppend(t.Context(), a, line, from, to); err != nil {
		t.Fatal(err)
	}
}

func tryAppend(ctx context.Context, a *logarchive.Archive, line uint32, from, to int) error {
	ap, err := a.NewAppender(4)
	if err != nil {
		return err
	}
	var tickets []*logarchive.Ticket
	for n := from; n < to; n++ {
		ticket, err := ap.Append(ctx, segment(line, n), storage.Bytes(content(n)))
		if err != nil {
			return errors.Join(err, waitAll(ctx, tickets))
		}
		tickets = append(tickets, ticket)
	}
	return waitAll(ctx, tickets)
}

func waitAll(ctx context.Context, tickets []*logarchive.Ticket) (err error) {
	for _, ticket := range tickets {
		_, e := ticket.Wait(ctx)
		err = errors.Join(err, e)
	}
	return err
}

func wantContent(t testing.TB, a *logarchive.Archive, line uint32, n int) {
	t.Helper()
	var got bytes.Buffer
	if _, err := a.Fetch(t.Context(), segment(line, n), &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), content(n)) {
		t.Fatalf("segment %d comes back with other bytes", n)
	}
}

func TestRoundTrip(t *testing.T) {
	k, store := newKeys(t), mem.New()
	appendAll(t, k.writer(t, store), 1, 3, 12)
	appendAll(t, k.writer(t, store), 1, 12, 14) // a new process goes on
	reader := k.reader(t, store)
	for n := 3; n < 14; n++ {
		wantContent(t, reader, 1, n)
	}
	found, err := reader.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	covered := logarchive.Coverage(found)
	want := logarchive.Range{Stream: segment(1, 0).Stream, Line: 1, Start: 3 * segmentBytes, End: 14 * segmentBytes}
	if len(covered) != 1 || covered[0] != want {
		t.Errorf("coverage %+v, want %+v", covered, want)
	}
	if _, err := reader.Fetch(t.Context(), segment(1, 14), io.Discard); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a segment that was never archived gives %v", err)
	}
}

func TestAppendAgain(t *testing.T) {
	k, store := newKeys(t), mem.New()
	a := k.writer(t, store)
	appendAll(t, a, 1, 1, 3)
	before := objects(t, store)
	appendAll(t, a, 1, 1, 3)
	if after := objects(t, store); after != before {
		t.Errorf("the same segments again: %d objects instead of %d", after, before)
	}
	ap, err := a.NewAppender(1)
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := ap.Append(t.Context(), segment(1, 1), storage.Bytes(content(99)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ticket.Wait(t.Context()); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("other bytes under an archived name give %v", err)
	}
	wantContent(t, k.reader(t, store), 1, 1)
}

func objects(t testing.TB, s storage.Store) (n int) {
	t.Helper()
	err := s.List(t.Context(), "", func(i storage.Info) error {
		if !logarchive.IsMark(i.Key) {
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Two archivers of one log, such as a receiver and an archive_command, agree.
func TestTwoArchivers(t *testing.T) {
	k, store := newKeys(t), mem.New()
	results := make(chan error, 2)
	for range 2 {
		a := k.writer(t, store)
		go func() { results <- tryAppend(t.Context(), a, 1, 1, 20) }()
	}
	if err := errors.Join(<-results, <-results); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 20; n++ {
		wantContent(t, k.reader(t, store), 1, n)
	}
}

func TestForged(t *testing.T) {
	k, other, store := newKeys(t), newKeys(t), mem.New()
	appendAll(t, k.writer(t, store), 1, 1, 2)
	forger := open(t, store, logarchive.Options{Source: "shop", Recipients: []age.Recipient{k.identity.Recipient()}, Signing: other.signing})
	ap, err := forger.NewAppender(1)
	if err != nil {
		t.Fatal(err)
	}
	s := segment(1, 2)
	s.Line = 2 // a line of its own: the forger need not know what is archived
	ticket, err := ap.Append(t.Context(), s, storage.Bytes(content(2)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ticket.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := k.reader(t, store).Fetch(t.Context(), s, io.Discard); !errors.Is(err, logarchive.ErrForged) {
		t.Errorf("a forged segment gives %v", err)
	}
}

// A segment that was taken out and put back with other content, by somebody
// who has a trusted key, does not fit to the one after it.
func TestOutOfChain(t *testing.T) {
	k, store := newKeys(t), mem.New()
	appendAll(t, k.writer(t, store), 1, 1, 4)
	removeAll(t, store, segment(1, 2).Name)
	ap, err := k.writer(t, store).NewAppender(1)
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := ap.Append(t.Context(), segment(1, 2), storage.Bytes(content(50)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ticket.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := k.reader(t, store)
	if _, err := r.Fetch(t.Context(), segment(1, 3), io.Discard); !errors.Is(err, logarchive.ErrOutOfChain) {
		t.Errorf("the segment after a replaced one gives %v", err)
	}
	group, err := r.Group(t.Context(), segment(1, 3).Stream, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.FetchListed(t.Context(), group, segment(1, 3), io.Discard); !errors.Is(err, logarchive.ErrOutOfChain) {
		t.Errorf("the segment after a replaced one, listed before, gives %v", err)
	}
	if _, err := r.FetchListed(t.Context(), group, segment(1, 2), io.Discard); err != nil {
		t.Errorf("the segment that replaces one gives %v", err)
	}
}

func TestGap(t *testing.T) {
	k, store := newKeys(t), mem.New()
	appendAll(t, k.writer(t, store), 1, 1, 6)
	removeAll(t, store, segment(1, 3).Name)
	found, err := k.reader(t, store).List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	gaps := logarchive.Gaps(logarchive.Coverage(found))
	if len(gaps) != 1 || gaps[0].Start != 3*segmentBytes || gaps[0].End != 4*segmentBytes {
		t.Fatalf("gaps %v", gaps)
	}
	if got, want := gaps[0].String(), "timeline 1: 0/30000 to 0/40000 is missing"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// removeAll removes all objects of one segment.
func removeAll(t testing.TB, s storage.Store, name string) {
	t.Helper()
	for _, key := range keysOf(t, s, name) {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
}

func keysOf(t testing.TB, s storage.Store, part string) (keys []string) {
	t.Helper()
	err := s.List(t.Context(), "", func(i storage.Info) error {
		if strings.Contains(i.Key, part) {
			keys = append(keys, i.Key)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// One flipped bit anywhere in what is stored is found.
func TestDamage(t *testing.T) {
	k := newKeys(t)
	store := mem.New()
	appendAll(t, k.writer(t, store), 1, 1, 2)
	for _, key := range keysOf(t, store, "") {
		for at := range 40 {
			damaged := mem.New()
			for _, other := range keysOf(t, store, "") {
				data, err := storage.ReadAll(t.Context(), store, other)
				if err != nil {
					t.Fatal(err)
				}
				if other == key {
					data[at*(len(data)-1)/39] ^= 1 << (at % 8)
				}
				if err := damaged.Put(t.Context(), other, storage.Bytes(data), storage.PutOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			_, err := k.reader(t, damaged).Fetch(t.Context(), segment(1, 1), io.Discard)
			if strings.HasSuffix(key, ".mark") {
				var e *logarchive.Extent
				if e, err = k.reader(t, damaged).Extent(t.Context(), ""); err == nil {
					err = errors.Join(e.Unproven...)
				}
			}
			if !errors.Is(err, logarchive.ErrCorrupt) && !errors.Is(err, logarchive.ErrForged) {
				t.Errorf("bit flip %d in %s gives %v", at, key, err)
			}
		}
	}
}

// However the process dies, what was acknowledged is there, there is no hole,
// and the next process goes on.
func TestCrash(t *testing.T) {
	k := newKeys(t)
	for _, mode := range []fault.Crash{fault.CrashBefore, fault.CrashAfter} {
		for n := 1; ; n++ {
			inner := mem.New()
			store := fault.New(inner, uint64(n))
			store.CrashAt(n, mode)
			a := k.writer(t, store)
			acknowledged := 0
			ap, err := a.NewAppender(3)
			if err != nil {
				t.Fatal(err)
			}
			var tickets []*logarchive.Ticket
			for s := 1; s < 6; s++ {
				ticket, err := ap.Append(t.Context(), segment(1, s), storage.Bytes(content(s)))
				if err != nil {
					break
				}
				tickets = append(tickets, ticket)
			}
			for k, ticket := range tickets {
				if _, err := ticket.Wait(t.Context()); err == nil {
					acknowledged = k + 1
				}
			}
			reader := k.reader(t, inner)
			for s := 1; s <= acknowledged; s++ {
				wantContent(t, reader, 1, s)
			}
			extent, err := reader.Extent(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			if len(extent.Gaps) > 0 || len(extent.Ranges) > 1 {
				t.Fatalf("crash %v at operation %d leaves %+v", mode, n, extent)
			}
			confirmed := logarchive.Range{Stream: segment(1, 1).Stream, Line: 1, Start: segmentBytes, End: logarchive.Position((acknowledged + 1) * segmentBytes)}
			if acknowledged > 0 && !logarchive.Covers(extent.Ranges, confirmed) {
				t.Fatalf("crash %v at operation %d: %d were acknowledged, archived are %+v", mode, n, acknowledged, extent)
			}
			appendAll(t, k.writer(t, inner), 1, 1, 6)
			for s := 1; s < 6; s++ {
				wantContent(t, reader, 1, s)
			}
			if !store.Crashed() {
				break
			}
		}
	}
}

// A segment that is lost is a gap, also when it is one of the newest: what came
// after it was archived when it was there.
func TestLostIsNoLooseEnd(t *testing.T) {
	k, store := newKeys(t), mem.New()
	a := k.writer(t, store)
	for n := 1; n < 4; n++ {
		appendAll(t, a, 1, n, n+1)
	}
	removeAll(t, store, segment(1, 2).Name)
	extent, err := a.Extent(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(extent.Gaps) != 1 || len(extent.Ranges) != 2 || len(extent.Loose) != 0 {
		t.Errorf("a segment was lost, and the archive has %+v", extent)
	}
}

// Segments that arrive after those that follow them, as when a receiver was
// quicker than the archive_command, do not break the chain.
func TestOlderArriveLater(t *testing.T) {
	k, store := newKeys(t), mem.New()
	appendAll(t, k.writer(t, store), 1, 5, 8)
	appendAll(t, k.writer(t, store), 1, 2, 10)
	for n := 2; n < 10; n++ {
		wantContent(t, k.reader(t, store), 1, n)
	}
}

// How long the way to the store is bounds the wait for one segment, and not
// how many are archived in a second.
func TestAppendOverDistance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const trip, n = 50 * time.Millisecond, 160
		k := newKeys(t)
		store := fault.New(mem.New(), 1, fault.Rule{Fault: fault.Delay(trip)})
		ap, err := k.writer(t, store).NewAppender(16)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var tickets []*logarchive.Ticket
		for s := range n {
			ticket, err := ap.Append(t.Context(), segment(1, s), storage.Bytes(content(s)))
			if err != nil {
				t.Fatal(err)
			}
			tickets = append(tickets, ticket)
		}
		if err := waitAll(t.Context(), tickets); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > n*trip/4 {
			t.Errorf("%d segments took %v over a way of %v", n, took, trip)
		}
	})
}

// A store that is down for a while does not end the archiving for ever.
func TestOutage(t *testing.T) {
	k, inner := newKeys(t), mem.New()
	down := errors.New("store is down")
	store := fault.New(inner, 1, fault.Rule{Op: fault.OpPut, Times: 3, Fault: fault.Before(down)})
	ap, err := k.writer(t, store).NewAppender(1)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for n := 1; n < 5; {
		ticket, err := ap.Append(t.Context(), segment(1, n), storage.Bytes(content(n)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ticket.Wait(t.Context()); err == nil {
			n++
		} else if !errors.Is(err, down) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	for n := 1; n < 5; n++ {
		wantContent(t, k.reader(t, inner), 1, n)
	}
}

// Nothing but age and zstd is needed to read a segment.
func TestPlainTools(t *testing.T) {
	for _, tool := range []string{"age", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v: install it with tools/deps.sh test", err)
		}
	}
	k, dir := newKeys(t), t.TempDir()
	store, err := local.Create(filepath.Join(dir, "repository"))
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, k.writer(t, store), 1, 1, 2)
	identity := filepath.Join(dir, "identity")
	if err := os.WriteFile(identity, []byte(k.identity.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	payload := keysOf(t, store, ".zst.age")
	if len(payload) != 1 {
		t.Fatalf("payloads %q", payload)
	}
	cmd := exec.Command("sh", "-c", `age -d -i "$1" "$2" | zstd -d`, "sh", identity, filepath.Join(dir, "repository", payload[0]))
	got, err := cmd.Output()
	if err != nil || !bytes.Equal(got, content(1)) {
		t.Fatalf("age -d | zstd -d gives %d bytes, %v", len(got), err)
	}
}

func FuzzParseRecord(f *testing.F) {
	k, store := newKeys(f), mem.New()
	appendAll(f, k.writer(f, store), 1, 1, 2)
	for _, key := range keysOf(f, store, ".record") {
		stored, err := storage.ReadAll(f.Context(), store, key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(stored)
		f.Add(bytes.Replace(stored, []byte(`"line":1`), []byte(`"line":2`), 1))
	}
	trusted := []ed25519.PublicKey{k.signing.Public().(ed25519.PublicKey)}
	f.Fuzz(func(t *testing.T, stored []byte) {
		if r, err := logarchive.ParseRecord(stored, trusted); err == nil && r.Segment != segment(1, 1) {
			t.Fatalf("a record that was never signed is believed: %+v", r)
		}
	})
}

// answersExists stores every record, and says that it was there already: as
// when something below sends a request again whose answer was lost.
type answersExists struct{ storage.Store }

func (s answersExists) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	err := s.Store.Put(ctx, key, body, o)
	if err == nil && strings.HasSuffix(key, ".record") {
		return fmt.Errorf("put %s: %w", key, storage.ErrExists)
	}
	return err
}

func TestOwnRecordIsNoTwin(t *testing.T) {
	k, store := newKeys(t), mem.New()
	appendAll(t, k.writer(t, answersExists{store}), 1, 3, 6)
	reader := k.reader(t, store)
	for n := 3; n < 6; n++ {
		wantContent(t, reader, 1, n)
	}
}

// forgetsOnce stores a record, says that it was there already, and does not
// give it back at once: a connection that breaks and breaks again.
type forgetsOnce struct {
	answersExists
	breaks *atomic.Bool
}

func (s forgetsOnce) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	err := s.answersExists.Put(ctx, key, body, o)
	s.breaks.Store(errors.Is(err, storage.ErrExists))
	return err
}

func (s forgetsOnce) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if s.breaks.CompareAndSwap(true, false) {
		return nil, errors.New("the connection is reset")
	}
	return s.Store.Get(ctx, key, offset, length)
}

func TestPayloadStaysWhereItsRecordCannotBeRead(t *testing.T) {
	k, store := newKeys(t), mem.New()
	if err := tryAppend(t.Context(), k.writer(t, forgetsOnce{answersExists{store}, new(atomic.Bool)}), 1, 3, 4); err == nil {
		t.Fatal("nobody knows whose the record is, and it counts as archived")
	}
	appendAll(t, k.writer(t, store), 1, 3, 4)
	wantContent(t, k.reader(t, store), 1, 3)
}
