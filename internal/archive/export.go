package archive

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"holdfast/internal/snapfs"
	tarfile "holdfast/internal/snapfs/archive"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage"
)

// Options tell how a snapshot is exported.
type Options struct {
	// Name is that of the archive; see CheckName and DefaultName.
	Name string
	// Kind is Full, or says what Parent is.
	Kind Kind
	// Parent is the archive that the new one is relative to. Its snapshot, or
	// one with the same tree, must still be in the repository.
	Parent *Manifest
	Keys   Keys
	// SplitBytes is the size of parts; 0 means DefaultSplit, or parts that grow
	// up to FarSplit.
	SplitBytes int64
	// Expires goes into the manifest; zero for none.
	Expires time.Time
	// Program goes into the manifest.
	Program string
	// Restart removes what an earlier export of the name left behind, which
	// must not go on any more.
	Restart  bool
	Progress *Progress
	// Warn is told of what a tar cannot hold, such as sockets.
	Warn func(path string, err error)
}

// Progress counts what is done, while it is done.
type Progress struct {
	Entries, Bytes atomic.Uint64
}

// DefaultName makes a name that sorts by time and tells nothing of what is in
// the archive: names are seen by whoever sees the place.
func DefaultName(s *snapshot.Snapshot, kind Kind) string {
	return fmt.Sprintf("%s-%s-%s", s.Time.UTC().Format("20060102-150405"), s.ID.Short(), kind)
}

// Export writes a snapshot as an archive. The caller holds a shared lock and
// has loaded the snapshots, then the index. The first file that cannot be
// read ends it with an error; nothing is then left that looks complete, and
// as little as the store permits.
func Export(ctx context.Context, r *repository.Repository, s *snapshot.Snapshot, shelf Shelf, o Options) (*Manifest, error) {
	split := splitFor(shelf.Store, o.SplitBytes)
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := claim(ctx, shelf, o.Name, o.Restart); err != nil {
		return nil, err
	}
	if err := checkRoom(shelf.Store, roomNeeded(s, split.most)); err != nil {
		return nil, err
	}
	f, err := snapfs.Open(ctx, r, s.Tree)
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", s.ID.Short(), err)
	}
	e := &export{repo: r, snapshot: s, fs: f, options: o}
	parts := newPartWriter(ctx, shelf, o.Name, split)
	m, err := e.write(ctx, parts)
	if err == nil {
		err = store(ctx, shelf, m, parts)
	}
	if err != nil {
		parts.abandon(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("export %s: %w", o.Name, err)
	}
	return m, nil
}

func (o *Options) validate() error {
	switch {
	case o.Keys.IsZero():
		return errors.New("export: nobody could open the archive: name a recipient or give a passphrase")
	case o.SplitBytes != 0 && o.SplitBytes < MinSplit:
		return fmt.Errorf("export: parts of %d bytes are too small: the least is %d", o.SplitBytes, MinSplit)
	case (o.Kind == Full) != (o.Parent == nil):
		return fmt.Errorf("export: an archive of kind %s, and its parent says otherwise", o.Kind)
	case strings.HasPrefix(ManifestName, o.Name), strings.HasPrefix(SumsName, o.Name):
		return fmt.Errorf("export: name %q: `cat %s*` would take another file of the archive for a part; choose a longer name", o.Name, o.Name)
	}
	return CheckName(o.Name)
}

// MayExport tells what would be in the way of an export: it writes nothing.
func MayExport(ctx context.Context, s *snapshot.Snapshot, shelf Shelf, o Options) error {
	if err := o.validate(); err != nil {
		return err
	}
	if _, err := leftOf(ctx, shelf, o.Name, o.Restart); err != nil {
		return err
	}
	return checkRoom(shelf.Store, roomNeeded(s, splitFor(shelf.Store, o.SplitBytes).most))
}

// claim makes sure that nothing is stored under a name, and that the place is
// not a repository.
func claim(ctx context.Context, shelf Shelf, name string, restart bool) error {
	files, err := leftOf(ctx, shelf, name, restart)
	if err != nil {
		return err
	}
	for file := range files {
		if err := shelf.Store.Delete(ctx, shelf.key(name, file)); err != nil && !errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("remove what is left of an earlier export of %s: %w; choose another name", name, err)
		}
	}
	return nil
}

// leftOf returns what an interrupted export left under a name: an error unless
// that may go, and nothing else is there.
func leftOf(ctx context.Context, shelf Shelf, name string, restart bool) (files map[string]int64, err error) {
	place := shelf.Store.Location()
	if _, err := shelf.Store.Stat(ctx, "config"); err == nil {
		return nil, fmt.Errorf("%s is a repository: archives must not lie in it; name a place of their own", place)
	} else if !errors.Is(err, storage.ErrNotFound) {
		return nil, fmt.Errorf("look at %s: %w", place, err)
	}
	if files, err = shelf.files(ctx, name); err != nil || len(files) == 0 {
		return nil, err
	}
	if _, ok := files[SumsName]; ok {
		return nil, fmt.Errorf("%s has an archive %s already: %w; choose another name", place, name, storage.ErrExists)
	}
	if !restart {
		return nil, fmt.Errorf("%w: an export of %s to %s was interrupted, or goes on at this moment; if it does not, say --restart to begin again, or choose another name",
			ErrIncomplete, name, place)
	}
	return files, nil
}

// store stores the manifest, and last what makes the archive complete.
func store(ctx context.Context, shelf Shelf, m *Manifest, parts *partWriter) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	for _, f := range []struct {
		name string
		data []byte
	}{{ManifestName, data}, {SumsName, m.sums(sum)}} {
		key, hash := shelf.key(m.Name, f.name), sha256.Sum256(f.data)
		if err := shelf.Store.Put(ctx, key, storage.Bytes(f.data), storage.PutOptions{SHA256: &hash}); err != nil {
			return fmt.Errorf("store %s: %w", f.name, err)
		}
		parts.put = append(parts.put, key)
	}
	return nil
}

// export is an export under way.
type export struct {
	repo     *repository.Repository
	snapshot *snapshot.Snapshot
	fs       *snapfs.FS
	options  Options
	headers  *tarfile.TarHeaders
	deleted  uint64
}

// encoderOptions are those of the zstd stream. They decide its bytes, and so
// never depend on the machine. The window is what `zstd -d` takes without
// being asked.
func encoderOptions() []zstd.EOption {
	return []zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(8 << 20), zstd.WithEncoderCRC(true),
		zstd.WithEncoderConcurrency(2), // blocks are packed while the next is read
	}
}

// write writes the parts, through age, zstd and tar.
func (e *export) write(ctx context.Context, parts *partWriter) (*Manifest, error) {
	o := &e.options
	sealed, err := age.Encrypt(parts, o.Keys.recipients...)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	inner := &counted{w: sealed, hash: sha256.New()}
	packed, err := zstd.NewWriter(inner, encoderOptions()...)
	if err != nil {
		return nil, err
	}
	plain := &counted{w: packed}
	if err := e.writeTar(ctx, plain); err != nil {
		packed.Close() //nolint:errcheck // it ends its goroutines; the error above counts
		return nil, err
	}
	for _, end := range []func() error{packed.Close, sealed.Close, parts.finish} {
		if err := end(); err != nil {
			return nil, err
		}
	}
	m := &Manifest{
		Format: formatVersion, Name: o.Name, Kind: o.Kind, Repository: e.repo.ID(),
		Snapshot: Recorded{e.snapshot.ID, e.snapshot.Time, e.snapshot.Tree},
		Created:  time.Now().UTC().Truncate(time.Second), Program: o.Program,
		Recipients: o.Keys.public, Passphrase: o.Keys.passphrase,
		Inner: inner.digest(), TarBytes: plain.n, Entries: o.Progress.Entries.Load(), Parts: parts.parts,
	}
	if o.Parent != nil {
		link := o.Parent.Link()
		m.Parent, m.Deletions, m.Deleted = &link, DeletionsName, e.deleted
	}
	if !o.Expires.IsZero() {
		at := o.Expires.UTC().Truncate(time.Second)
		m.Expires = &at
	}
	return m, nil
}

// counted counts and hashes what goes through it.
type counted struct {
	w    io.Writer
	n    int64
	hash interface {
		io.Writer
		Sum([]byte) []byte
	}
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if c.hash != nil {
		c.hash.Write(p[:n]) //nolint:errcheck // a hash takes everything
	}
	return n, err
}

func (c *counted) digest() Digest { return Digest{c.n, Sum(c.hash.Sum(nil))} }

// writeTar writes the tar: the label, the deletions, the entries.
func (e *export) writeTar(ctx context.Context, w io.Writer) error {
	o := &e.options
	e.headers = tarfile.NewTarHeaders(e.fs, o.Warn)
	walk := &changes{fs: e.fs}
	var deletions []byte
	if o.Parent != nil {
		var err error
		if deletions, e.deleted, walk, err = survey(ctx, e.fs, o.Parent.Snapshot.Tree); err != nil {
			return fmt.Errorf("compare with the snapshot of %s: %w", o.Parent.Name, err)
		}
	}
	walk.deleted = func(string) error { return nil }
	tw := tar.NewWriter(w)
	if err := e.writeLabel(tw); err != nil {
		return err
	}
	if o.Parent != nil {
		if err := e.writeDeletions(tw, deletions); err != nil {
			return err
		}
	}
	err := runPipeline(ctx, e.repo, tw, func(ctx context.Context, p *pipeline) error {
		walk.entry = func(path string, n *tree.Node) error {
			if err := e.add(ctx, p, path, n); err != nil {
				return fmt.Errorf("%q: %w", "/"+path, err)
			}
			return nil
		}
		return walk.walk(ctx)
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

// DeletionsName is the member of an incremental archive that lists what went
// away. It is the first.
const DeletionsName = ".holdfast-deleted"

// errReserved refuses a file that would be taken for the list of deletions.
var errReserved = fmt.Errorf("incremental archives keep their list of deletions under this name; rename the file, or make a full archive")

func (e *export) writeDeletions(tw *tar.Writer, list []byte) error {
	h := &tar.Header{
		Format: tar.FormatPAX, Typeflag: tar.TypeReg, Name: DeletionsName, Mode: 0o600,
		Size: int64(len(list)), ModTime: e.snapshot.Time.UTC().Truncate(time.Second),
	}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err := tw.Write(list)
	return err
}

// add sends one entry, and with it, for holdfast, its node without content.
func (e *export) add(ctx context.Context, p *pipeline, path string, n *tree.Node) error {
	if path == DeletionsName && e.options.Parent != nil {
		return errReserved
	}
	node := *n
	h, err := e.headers.Of(path, &node)
	if err != nil || h == nil {
		return err
	}
	h.PAXRecords[nodeRecord] = nodeText(&node)
	if recordsSize(h) > maxRecords {
		// More than the 64 KiB a file system keeps for a file: nobody's data.
		e.options.Warn(path, errors.New("its extended attributes are too large for an archive; left out"))
		node.ExtendedAttributes = nil
		if h, err = e.headers.Of(path, &node); err != nil {
			return err
		}
		h.PAXRecords[nodeRecord] = nodeText(&node)
	}
	if err := p.send(ctx, piece{header: h}); err != nil {
		return err
	}
	e.options.Progress.Entries.Add(1)
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	e.options.Progress.Bytes.Add(uint64(h.Size)) //nolint:gosec // never negative
	return p.content(ctx, n.Content)
}

// nodeRecord is the pax record that the node stands in. POSIX has readers
// ignore it.
const nodeRecord = "comment"

// maxRecords bounds the records of an entry: readers take a mebibyte.
const maxRecords = 900 << 10

func recordsSize(h *tar.Header) int {
	n := len(h.Name) + len(h.Linkname)
	for k, v := range h.PAXRecords {
		n += len(k) + len(v) + 16
	}
	return n
}

// nodeText returns the JSON of a node without what names blobs.
func nodeText(n *tree.Node) string {
	bare := *n
	bare.Content, bare.Subtree = nil, nil
	return string(tree.AppendNode(nil, &bare))
}

// label is what the archive says of itself inside, where nobody without the
// key reads or changes it: the comment of the global pax headers in front.
type label struct {
	Format   int             `json:"format"`
	Kind     Kind            `json:"kind"`
	Parent   *Sum            `json:"parent,omitempty"`
	ID       id.ID           `json:"id"`
	Snapshot json.RawMessage `json:"snapshot"`
}

// labelChunk bounds the comment of one header; readers take a mebibyte.
const labelChunk = 512 << 10

func (e *export) writeLabel(tw *tar.Writer) error {
	stored, err := e.snapshot.Encode()
	if err != nil {
		return err
	}
	l := label{Format: formatVersion, Kind: e.options.Kind, ID: e.snapshot.ID, Snapshot: stored}
	if p := e.options.Parent; p != nil {
		l.Parent = &p.Inner.SHA256
	}
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode label: %w", err)
	}
	for len(text) > 0 {
		n := min(len(text), labelChunk)
		h := &tar.Header{
			Format: tar.FormatPAX, Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header",
			PAXRecords: map[string]string{nodeRecord: labelMark + string(text[:n])},
		}
		if err := tw.WriteHeader(h); err != nil {
			return fmt.Errorf("write label: %w", err)
		}
		text = text[n:]
	}
	return nil
}

// labelMark begins the comments that are a label.
const labelMark = "holdfast-archive "
