package logarchive

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/storage"
)

// A mark says up to where a line is archived, when no record of a later
// segment says so: it is how the loss of the newest segments is noticed. It is
// stored once all before it is archived, and before anybody is told of that.
// So what an archive lacks of the log before a mark was lost, and what it has
// after it nobody was told of.
type mark struct {
	stream string
	line   uint32
	at     Position
}

// markPreamble begins every mark; see preamble.
const markPreamble = "holdfast log mark 1"

// wireMark is a mark as it is stored.
type wireMark struct {
	Stream  string    `json:"stream"`
	Line    uint32    `json:"line"`
	Durable Position  `json:"durable"`
	Time    time.Time `json:"time"`
	Key     []byte    `json:"key"`
}

// sign returns the stored form of the mark, made as that of a record is.
func (m mark) sign(key ed25519.PrivateKey) ([]byte, error) {
	line, err := json.Marshal(wireMark{
		Stream: m.stream, Line: m.line, Durable: m.at, Time: time.Now().UTC().Truncate(time.Millisecond),
		Key: key.Public().(ed25519.PublicKey), //nolint:errcheck // an ed25519 key has no other
	})
	if err != nil {
		return nil, fmt.Errorf("encode a mark: %w", err)
	}
	return sealText(markPreamble, line, key), nil
}

// prove makes sure that a stored mark is what its key says.
func (m mark) prove(stored []byte, trusted []ed25519.PublicKey) error {
	var w wireMark
	if err := openText(markPreamble, stored, &w, func() []byte { return w.Key }, trusted); err != nil {
		return err
	}
	if (mark{w.Stream, w.Line, w.Durable}) != m {
		return fmt.Errorf("it says %s of timeline %d: %w", w.Durable.LSN(), w.Line, ErrOutOfChain)
	}
	return nil
}

// putMark stores a mark and returns its key.
func (a *Archive) putMark(ctx context.Context, m mark) (key string, err error) {
	stored, err := m.sign(a.o.Signing)
	if err != nil {
		return "", err
	}
	key = newMarkKey(a.o.Source, m)
	if err := a.store.Put(ctx, key, storage.Bytes(stored), storage.PutOptions{}); err != nil {
		return "", fmt.Errorf("mark how far the log is archived: %w", err)
	}
	return key, nil
}

// storedMark is a mark and where it lies.
type storedMark struct {
	mark
	key string
}

// compareMarks sorts by line, and the farthest of each first.
func compareMarks(a, b storedMark) int {
	return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.line, b.line), cmp.Compare(b.at, a.at), cmp.Compare(a.key, b.key))
}

// marks returns the marks of a line, the farthest first.
func (a *Archive) marks(ctx context.Context, stream string, line uint32) ([]storedMark, error) {
	var found []storedMark
	err := a.store.List(ctx, markFolder(a.o.Source, stream, line), func(info storage.Info) error {
		if m, ok := parseMarkKey(a.o.Source, info.Key); ok {
			found = append(found, storedMark{m, info.Key})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list log archive: %w", err)
	}
	slices.SortFunc(found, compareMarks)
	return found, nil
}

// prove makes sure that somebody who is trusted has set a mark.
func (a *Archive) prove(ctx context.Context, m storedMark) error {
	stored, err := storage.ReadAll(ctx, a.store, m.key)
	if err == nil {
		err = m.prove(stored, a.o.Trusted)
	}
	if err != nil {
		return fmt.Errorf("the mark that timeline %d is archived up to %s: %w", m.line, m.at.LSN(), err)
	}
	return nil
}

// Told tells whether a mark says that the log is archived up to the end of a
// segment. A file beside the log needs none.
func (a *Archive) Told(ctx context.Context, s Segment) (bool, error) {
	if !s.Kind.covers() {
		return true, nil
	}
	marks, err := a.marks(ctx, s.Stream, s.Line)
	if err != nil || len(marks) == 0 || marks[0].at < s.End {
		return false, err
	}
	err = a.prove(ctx, marks[0])
	if errors.Is(err, storage.ErrNotFound) || IsDamage(err) {
		return false, nil // another one is set, then
	}
	return err == nil, err
}

// Unmark removes the marks of a line that say more than that it is archived up
// to a position: before what is after that is removed on purpose. One that is
// locked is a storage.ErrImmutable.
func (a *Archive) Unmark(ctx context.Context, stream string, line uint32, upTo Position) error {
	marks, err := a.marks(ctx, stream, line)
	if err != nil {
		return err
	}
	for _, m := range marks {
		if m.at <= upTo {
			break
		}
		if err := a.store.Delete(ctx, m.key); err != nil && !errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("remove a mark from the log archive: %w", err)
		}
	}
	return nil
}

// TidyMarks removes the marks of a line but the farthest that can be proven,
// which says all that those before it do. What is locked stays.
func (a *Archive) TidyMarks(ctx context.Context, stream string, line uint32) error {
	marks, err := a.marks(ctx, stream, line)
	if err != nil {
		return err
	}
	for k, m := range marks {
		switch err := a.prove(ctx, m); {
		case err == nil:
			a.removeMarks(ctx, marks[k+1:])
			return nil
		case !errors.Is(err, storage.ErrNotFound) && !IsDamage(err):
			return err
		}
	}
	return nil
}

// removeMarks removes what it can: who may only add has others prune.
func (a *Archive) removeMarks(ctx context.Context, marks []storedMark) {
	for _, m := range marks {
		if !a.removeMark(ctx, m.key) {
			return
		}
	}
}

// removeMark tells whether a mark is gone.
func (a *Archive) removeMark(ctx context.Context, key string) bool {
	err := a.store.Delete(ctx, key)
	return err == nil || errors.Is(err, storage.ErrNotFound)
}

// RemoveUnproven removes the marks of a line that cannot be proven, so that it
// can be said again where the line ends. It returns why they could not.
func (a *Archive) RemoveUnproven(ctx context.Context, stream string, line uint32) (removed []error, err error) {
	marks, err := a.marks(ctx, stream, line)
	if err != nil {
		return nil, err
	}
	for _, m := range marks {
		damage := a.prove(ctx, m)
		if !IsDamage(damage) {
			continue
		}
		if err := a.store.Delete(ctx, m.key); err != nil && !errors.Is(err, storage.ErrNotFound) {
			return removed, fmt.Errorf("remove a damaged mark: %w", err)
		}
		removed = append(removed, damage)
	}
	return removed, nil
}

const (
	markSuffix = ".mark"
	// marksFolder is where the marks of a line lie, beside its groups.
	marksFolder = "durable/"
)

func markFolder(source, stream string, line uint32) string {
	return lineFolder(source, stream, line) + marksFolder
}

// newMarkKey returns a key that no other mark has: two archivers may be as far
// as one another.
func newMarkKey(source string, m mark) string {
	return markFolder(source, m.stream, m.line) + fmt.Sprintf("%016X.%s%s", uint64(m.at), newNonce(), markSuffix)
}

// IsMark tells whether a key is that of a mark of any archive.
func IsMark(key string) bool {
	return strings.HasPrefix(key, Root) && strings.HasSuffix(key, markSuffix)
}

// parseMarkKey reads what a key says of a mark; false means that the object is
// none.
func parseMarkKey(source, key string) (mark, bool) {
	rest, ok := strings.CutPrefix(key, Root+source+"/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 4 || parts[2]+"/" != marksFolder || !validName(parts[0]) || !strings.HasSuffix(parts[3], markSuffix) {
		return mark{}, false
	}
	m := mark{stream: parts[0]}
	at, _, _ := strings.Cut(parts[3], ".")
	if !parseLine(parts[1], &m.line) || !parsePosition(at, &m.at) {
		return mark{}, false
	}
	return m, strings.HasPrefix(key, markFolder(source, m.stream, m.line)+fmt.Sprintf("%016X.", uint64(m.at)))
}
