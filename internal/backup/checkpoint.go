package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"sync"
	"time"
)

// A checkpoint records the nodes a backup has stored so far, in a file in the
// cache folder. When the backup is cut off, the next one of the same source
// uses them as it uses those of a parent snapshot: a file that is unchanged
// since, and whose blobs the repository holds, is not read again.
//
// The file is a sequence of records, each with its length and checksum; the
// first that is damaged ends it. A record is one of
//
//	start   the time at which a run began
//	folder  number, number of the parent, name
//	node    number of the folder, the node's JSON
//
// A folder's node, written when the folder is done, makes the records below
// it obsolete once the repository holds the folder's trees: a killed process
// leaves nodes whose trees and data never became durable. What is loaded
// (checkpoint_load.go) is where the other nodes are in the file.
//
// A checkpoint only saves work: whatever goes wrong with it is reported, and
// the backup goes on without it.
type checkpoint struct {
	mu      sync.Mutex
	f       *os.File
	w       *bufio.Writer
	err     error // the first error of writing; nothing is recorded after it
	next    uint64
	scratch [2 * binary.MaxVarintLen64]byte

	root *savedFolder
	runs []time.Time // when the runs on record began
}

// rootNumber is the number of the top folder.
const rootNumber = 1

const (
	recordStart  = 's'
	recordFolder = 'f'
	recordNode   = 'n'
	// recordHead is the size of what precedes each payload: kind, length and
	// checksum.
	recordHead = 1 + 4 + 4
	// maxRecordBytes bounds a record: the node of a file of a terabyte.
	maxRecordBytes = 64 << 20
	// checkpointLife is how long a run's records are used: a full backup must
	// not rest on what was read long ago.
	checkpointLife = 30 * 24 * time.Hour
)

// openCheckpoint takes up the checkpoint of an earlier, interrupted run of
// the same backup, or starts one. It returns nil where there is no cache, or
// while another process backs up the same.
func (a *archiver) openCheckpoint(receipt *Receipt) (*checkpoint, error) {
	if a.options.DryRun {
		return nil, nil //nolint:nilnil // a nil checkpoint does nothing
	}
	f, err := a.repo.OpenWorkFile(a.checkpointName(receipt))
	if err != nil || f == nil {
		return nil, err
	}
	c := &checkpoint{f: f, next: rootNumber + 1}
	now := time.Now()
	if err := c.load(now, a.target.holds); err != nil {
		return nil, errors.Join(fmt.Errorf("read checkpoint: %w", err), f.Close())
	}
	c.w = bufio.NewWriterSize(f, 64<<10)
	receipt.Resumed = len(c.root.nodes) > 0 || len(c.root.children) > 0
	return c, c.startRun(now)
}

// checkpointName is the same for backups that may go on with one another's
// work: of the same source, of the same type, proving as much.
func (a *archiver) checkpointName(receipt *Receipt) string {
	s := &a.options.Snapshot
	key, err := json.Marshal([]any{s.Hostname, s.Paths, s.Excludes, receipt.Type, a.options.ReadBack})
	if err != nil {
		panic("backup: name of a checkpoint: " + err.Error()) // strings always marshal
	}
	sum := sha256.Sum256(key)
	return "checkpoint-" + hex.EncodeToString(sum[:8])
}

// savedRoot returns what is known of the top folder; nil without a checkpoint.
func (c *checkpoint) savedRoot() *savedFolder {
	if c == nil {
		return nil
	}
	return c.root
}

// add records a node of f that has been stored. It returns the error that
// ends the recording, once.
func (c *checkpoint) add(f *folder, raw []byte) error {
	if c == nil || len(raw) > maxRecordBytes-binary.MaxVarintLen64 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil
	}
	c.number(f)
	c.write(recordNode, binary.AppendUvarint(c.scratch[:0], f.number), raw)
	if c.err != nil {
		return fmt.Errorf("write checkpoint: %w", c.err)
	}
	return nil
}

// number gives f, and the folders above it, a number.
func (c *checkpoint) number(f *folder) {
	if f.number != 0 {
		return
	}
	c.number(f.parent)
	f.number = c.next
	c.next++
	head := binary.AppendUvarint(c.scratch[:0], f.number)
	c.write(recordFolder, binary.AppendUvarint(head, f.parent.number), []byte(f.name))
}

// startRun notes when the records that follow began to be made.
func (c *checkpoint) startRun(now time.Time) error {
	stamp, err := now.Round(0).MarshalBinary()
	if err != nil {
		return err
	}
	c.write(recordStart, stamp, nil)
	return c.err
}

// write appends a record: kind, length, checksum, payload.
func (c *checkpoint) write(kind byte, head, tail []byte) {
	if c.err != nil {
		return
	}
	var prefix [recordHead]byte
	prefix[0] = kind
	binary.LittleEndian.PutUint32(prefix[1:], uint32(len(head)+len(tail))) //nolint:gosec // at most maxRecordBytes
	binary.LittleEndian.PutUint32(prefix[5:], recordSum(kind, head, tail))
	for _, part := range [...][]byte{prefix[:], head, tail} {
		if _, c.err = c.w.Write(part); c.err != nil {
			return
		}
	}
}

func recordSum(kind byte, parts ...[]byte) uint32 {
	sum := crc32.ChecksumIEEE([]byte{kind})
	for _, p := range parts {
		sum = crc32.Update(sum, crc32.IEEETable, p)
	}
	return sum
}

// close keeps the checkpoint for the next run.
func (c *checkpoint) close() {
	if c == nil || c.f == nil {
		return
	}
	c.w.Flush() //nolint:errcheck // its loss costs only time
	c.f.Close() //nolint:errcheck // as above
	c.f = nil
}

// remove deletes the checkpoint of a backup that is complete. One that stays
// does no harm.
func (c *checkpoint) remove() {
	if c == nil || c.f == nil {
		return
	}
	os.Remove(c.f.Name()) //nolint:errcheck // see above
	c.f.Close()           //nolint:errcheck // see above
	c.f = nil
}
