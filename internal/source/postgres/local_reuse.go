package postgres

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"holdfast/internal/source"
	"holdfast/repository/tree"
)

// Earlier is what an earlier backup of the same source recorded.
type Earlier interface {
	// Start is when it began.
	Start() time.Time
	// Folder returns what is in a folder of the data directory, by name, as
	// far as the repository still holds it. One that is not there has nothing.
	Folder(ctx context.Context, name string) (map[string]*tree.Node, error)
	// Read returns the content of a file; fs.ErrNotExist if there is none.
	Read(ctx context.Context, name string) ([]byte, error)
}

// reuse decides which files are as an earlier backup found them.
type reuse struct {
	source.Reuse
	earlier Earlier
	sums    map[string]listedFile
}

// listedFile is a file as an earlier manifest lists it.
type listedFile struct {
	size int64
	sum  uint32
}

// maxClockApart is how far the clock of the file system may be from that of
// this host for the times of files to mean something: half of what they must
// be older than the earlier backup.
const maxClockApart = time.Second

// CompareWith has files taken over that are as an earlier backup found them:
// if size, inode and the times of modification and change are the same, and
// older than its beginning. It is called before Next. If that backup cannot be
// relied on, everything is read, and why says so.
func (l *Local) CompareWith(ctx context.Context, earlier Earlier) (why string, err error) {
	if l.session.clockApart > maxClockApart {
		return fmt.Sprintf("the clock of the file system is %v away from that of this host, so the times of files say nothing", l.session.clockApart.Round(time.Millisecond)), nil
	}
	top, err := earlier.Folder(ctx, "")
	if err != nil {
		return "", err
	}
	if version := top["PG_VERSION"]; version == nil || version.Inode == 0 {
		return "the earlier backup was taken through the server, which does not tell how files were on disk", nil
	}
	r := &reuse{earlier: earlier, Reuse: source.Reuse{PreviousStart: earlier.Start()}}
	content, err := earlier.Read(ctx, manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return "the earlier backup has no manifest", nil
	}
	if err != nil {
		return "", err
	}
	if r.sums, err = listManifest(content); err != nil {
		return fmt.Sprintf("the manifest of the earlier backup is of no use: %v", err), nil
	}
	l.reuse = r
	return "", nil
}

// listManifest reads the checksums of a manifest.
func listManifest(content []byte) (map[string]listedFile, error) {
	m, err := parseManifest(content)
	if err != nil {
		return nil, err
	}
	sums := make(map[string]listedFile, len(m.Files))
	for _, f := range m.Files {
		name, err := f.name()
		if err != nil {
			return nil, err
		}
		sum, err := hex.DecodeString(f.Checksum)
		if f.Algorithm == checksumAlgorithm && err == nil && len(sum) == 4 {
			sums[name] = listedFile{f.Size, binary.LittleEndian.Uint32(sum)}
		}
	}
	return sums, nil
}

// held returns what is listed of a file that is as it was, or nil.
func (r *reuse) held(name string, e *source.Entry, was *tree.Node) *listedFile {
	if r == nil || was == nil || was.Type != tree.File {
		return nil
	}
	seen := source.Seen{
		Size: int64(was.Size), Inode: was.Inode, DeviceID: was.DeviceID, //nolint:gosec // no file is larger
		ModTime: source.TimeOf(was.ModTime), ChangeTime: source.TimeOf(was.ChangeTime),
	}
	listed, ok := r.sums[name]
	if !ok || listed.size != e.Size || !r.Content(e, &seen) {
		return nil
	}
	return &listed
}

func (f listedFile) summed(name string, e *source.Entry) summedFile {
	return summedFile{name: name, size: f.size, sum: f.sum, modified: e.ModTime.Time()}
}
