package repair_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"

	"filippo.io/age"

	"holdfast/internal/logarchive"
	"holdfast/internal/repair"
	"holdfast/storage"
	"holdfast/storage/mem"
)

const logSegmentBytes = 4 << 10

// logs are the archives of one log in two places, each with keys of its own,
// as a receiver writes them.
type logs struct {
	identities [2]*age.X25519Identity
	signing    [2]ed25519.PrivateKey
	stores     [2]*mem.Store
}

func newLogs(t *testing.T) *logs {
	t.Helper()
	l := &logs{}
	for n := range l.stores {
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		_, l.signing[n], err = ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		l.identities[n], l.stores[n] = identity, mem.New()
	}
	return l
}

// writer is the archive in a place as its receiver has it, reader as somebody
// who knows the keys of both.
func (l *logs) writer(t *testing.T, n int) *logarchive.Archive {
	return l.open(t, n, logarchive.Options{Recipients: []age.Recipient{l.identities[n].Recipient()}, Signing: l.signing[n]})
}

func (l *logs) reader(t *testing.T, n int) *logarchive.Archive {
	o := logarchive.Options{}
	for n := range l.stores {
		o.Identities = append(o.Identities, l.identities[n])
		o.Trusted = append(o.Trusted, l.signing[n].Public().(ed25519.PublicKey))
	}
	return l.open(t, n, o)
}

func (l *logs) open(t *testing.T, n int, o logarchive.Options) *logarchive.Archive {
	t.Helper()
	o.Source = "shop"
	a, err := logarchive.New(l.stores[n], o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func logSegment(n int) logarchive.Segment {
	return logarchive.Segment{
		Stream: "7300000000000000001", Line: 1, Kind: logarchive.Whole, Name: fmt.Sprintf("%08X%016X", 1, n),
		Start: logarchive.Position(n * logSegmentBytes), End: logarchive.Position((n + 1) * logSegmentBytes),
	}
}

func logContent(n int) []byte { return bytes.Repeat([]byte{byte(n)}, logSegmentBytes) }

func (l *logs) archive(t *testing.T, n, from, to int) {
	t.Helper()
	l.archiveContent(t, n, from, to, logContent)
}

// archiveOther archives a log that is not the same.
func (l *logs) archiveOther(t *testing.T, n, from, to int) {
	t.Helper()
	l.archiveContent(t, n, from, to, func(s int) []byte { return bytes.Repeat([]byte{byte(s), 0}, logSegmentBytes/2) })
}

func (l *logs) archiveContent(t *testing.T, n, from, to int, content func(int) []byte) {
	t.Helper()
	ap, err := l.writer(t, n).NewAppender(1)
	if err != nil {
		t.Fatal(err)
	}
	for s := from; s < to; s++ {
		ticket, err := ap.Append(t.Context(), logSegment(s), storage.Bytes(content(s)))
		if err == nil {
			_, err = ticket.Wait(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// objects are the keys of a segment's record and payload.
func (l *logs) objects(t *testing.T, n, segment int) (record, payload string) {
	t.Helper()
	err := l.stores[n].List(t.Context(), "", func(i storage.Info) error {
		switch {
		case !strings.Contains(i.Key, "."+logSegment(segment).Name+"."):
		case strings.HasSuffix(i.Key, ".record"):
			record = i.Key
		default:
			payload = i.Key
		}
		return nil
	})
	if err != nil || record == "" || payload == "" {
		t.Fatalf("segment %d in place %d: record %q, payload %q, %v", segment, n, record, payload, err)
	}
	return record, payload
}

// flip damages one byte of an object.
func (l *logs) flip(t *testing.T, n int, key string) {
	t.Helper()
	data, err := storage.ReadAll(t.Context(), l.stores[n], key)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	l.remove(t, n, key)
	if err := l.stores[n].Put(t.Context(), key, storage.Bytes(data), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (l *logs) remove(t *testing.T, n int, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := l.stores[n].Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
}

func (l *logs) wantWhole(t *testing.T, n, from, to int) {
	t.Helper()
	for s := from; s < to; s++ {
		var got bytes.Buffer
		if _, err := l.reader(t, n).Fetch(t.Context(), logSegment(s), &got); err != nil {
			t.Errorf("segment %d: %v", s, err)
		} else if !bytes.Equal(got.Bytes(), logContent(s)) {
			t.Errorf("segment %d comes back with other bytes", s)
		}
	}
}

func (l *logs) heal(t *testing.T, readData bool) (*repair.LogReport, []string) {
	t.Helper()
	var lost []string
	report, err := repair.HealLog(t.Context(), l.reader(t, 0), repair.LogOptions{
		From: []*logarchive.Archive{l.reader(t, 1)}, ReadData: readData,
		Lost: func(what string, err error) { lost = append(lost, what+": "+err.Error()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return report, lost
}

func TestHealLog(t *testing.T) {
	l := newLogs(t)
	l.archive(t, 0, 1, 12)
	l.archive(t, 1, 1, 15)
	record, payload := l.objects(t, 0, 3) // a hole
	l.remove(t, 0, record, payload)
	record, _ = l.objects(t, 0, 4)
	l.flip(t, 0, record)
	_, payload = l.objects(t, 0, 5)
	l.remove(t, 0, payload)
	_, payload = l.objects(t, 0, 7)
	l.flip(t, 0, payload)
	record, payload = l.objects(t, 0, 9)
	l.flip(t, 0, record)
	l.flip(t, 0, payload)

	report, lost := l.heal(t, true)
	if len(lost) > 0 || report.Damaged != 4 || report.Missing != 4 || len(report.Healed) != 8 || len(report.Gaps) > 0 {
		t.Errorf("report %+v, lost %q", report, lost)
	}
	l.wantWhole(t, 0, 1, 15)
	again, lost := l.heal(t, true)
	if len(lost) > 0 || again.Damaged+again.Missing > 0 {
		t.Errorf("healed again: %+v, %q", again, lost)
	}
}

// Without reading all data, only damage that records and a listing show is
// found; what was pruned is not brought back.
func TestHealLogQuickly(t *testing.T) {
	l := newLogs(t)
	l.archive(t, 0, 5, 9)
	l.archive(t, 1, 1, 9)
	_, payload := l.objects(t, 0, 6)
	l.flip(t, 0, payload)
	if report, _ := l.heal(t, false); report.Damaged+report.Missing > 0 {
		t.Errorf("without reading: %+v", report)
	}
	if report, lost := l.heal(t, true); len(report.Healed) != 1 || len(lost) > 0 {
		t.Errorf("with reading: %+v, %q", report, lost)
	}
	l.wantWhole(t, 0, 5, 9)
}

// A segment of another course of events does not come in.
func TestHealLogOutOfChain(t *testing.T) {
	l := newLogs(t)
	l.archive(t, 0, 1, 5)
	l.archiveOther(t, 1, 1, 5)
	record, payload := l.objects(t, 0, 2)
	l.remove(t, 0, record, payload)
	report, lost := l.heal(t, true)
	if len(report.Healed) > 0 || len(lost) != 1 || !strings.Contains(lost[0], "out of chain") || len(report.Gaps) != 1 {
		t.Errorf("report %+v, lost %q", report, lost)
	}
}

// What the copy has damaged, too, stays as it is and is named.
func TestHealLogLost(t *testing.T) {
	l := newLogs(t)
	for n := range l.stores {
		l.archive(t, n, 1, 5)
		_, payload := l.objects(t, n, 2)
		l.flip(t, n, payload)
	}
	report, lost := l.heal(t, true)
	if len(report.Healed) > 0 || report.Lost != 1 || len(lost) != 1 || !strings.Contains(lost[0], logSegment(2).Name) {
		t.Errorf("report %+v, lost %q", report, lost)
	}
	record, payload := l.objects(t, 0, 2)
	if record == "" || payload == "" {
		t.Error("what no copy has was removed")
	}
}

// Cut off at any operation, and run again.
func TestHealLogInterrupted(t *testing.T) {
	for n := 1; ; n++ {
		l := newLogs(t)
		l.archive(t, 0, 1, 6)
		l.archive(t, 1, 1, 6)
		_, payload := l.objects(t, 0, 2)
		l.flip(t, 0, payload)
		record, payload := l.objects(t, 0, 4)
		l.remove(t, 0, record, payload)

		ctx, cancel := context.WithCancel(t.Context())
		left := n
		to, err := logarchive.New(cutOff{l.stores[0], cancel, &left}, logarchive.Options{
			Source: "shop", Identities: []age.Identity{l.identities[0], l.identities[1]},
			Trusted: []ed25519.PublicKey{l.signing[0].Public().(ed25519.PublicKey), l.signing[1].Public().(ed25519.PublicKey)},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = repair.HealLog(ctx, to, repair.LogOptions{From: []*logarchive.Archive{l.reader(t, 1)}, ReadData: true})
		cancel()
		l.heal(t, true)
		l.wantWhole(t, 0, 1, 6)
		if err == nil {
			return
		}
	}
}

// cutOff ends everything after so many changes.
type cutOff struct {
	storage.Store
	cancel func()
	left   *int
}

func (c cutOff) count() {
	if *c.left--; *c.left == 0 {
		c.cancel()
	}
}

func (c cutOff) Put(ctx context.Context, key string, body storage.Body, o storage.PutOptions) error {
	defer c.count()
	return c.Store.Put(ctx, key, body, o)
}

func (c cutOff) Delete(ctx context.Context, key string) error {
	defer c.count()
	return c.Store.Delete(ctx, key)
}
