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
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"holdfast/repository/tree"
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
// it obsolete. What is loaded is therefore no more than the finished entries
// of folders that were not finished.
type checkpoint struct {
	mu      sync.Mutex
	f       *os.File
	w       *bufio.Writer
	err     error
	next    uint64 // the next folder number
	folders map[uint64]*savedFolder
}

// rootNumber is the number of the top folder.
const rootNumber = 1

const (
	recordStart  = 's'
	recordFolder = 'f'
	recordNode   = 'n'
	// maxRecordBytes bounds a record that is read back.
	maxRecordBytes = 64 << 20
)

// savedFolder is what a checkpoint knows of a folder that was not finished.
type savedFolder struct {
	number   uint64
	parent   *savedFolder
	name     string
	nodes    map[string]*earlierNode
	children map[string]*savedFolder
}

func newSavedFolder(number uint64, parent *savedFolder, name string) *savedFolder {
	return &savedFolder{
		number: number, parent: parent, name: name,
		nodes: make(map[string]*earlierNode), children: make(map[string]*savedFolder),
	}
}

// node returns what was stored under a name, or nil.
func (s *savedFolder) node(name string) *earlierNode {
	if s == nil {
		return nil
	}
	return s.nodes[name]
}

// openCheckpoint takes up the checkpoint of an earlier, interrupted run of
// the same backup, or starts one. A checkpoint only saves work: where there
// is no cache, or another process backs up the same, there is none.
func (a *archiver) openCheckpoint(receipt *Receipt) (*checkpoint, error) {
	if a.options.DryRun {
		return nil, nil //nolint:nilnil // a nil checkpoint does nothing
	}
	name, err := a.checkpointName(receipt)
	if err != nil {
		return nil, err
	}
	f, err := a.repo.OpenWorkFile(name)
	if err != nil || f == nil {
		return nil, err
	}
	c := &checkpoint{f: f, w: bufio.NewWriterSize(f, 64<<10), next: rootNumber + 1}
	if err := c.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("read checkpoint: %w", err), f.Close())
	}
	receipt.Resumed = len(c.folders) > 1 || len(c.folders[rootNumber].nodes) > 0
	return c, c.startRun(time.Now())
}

// checkpointName is the same for backups of the same source and type.
func (a *archiver) checkpointName(receipt *Receipt) (string, error) {
	key, err := json.Marshal([]any{a.options.Snapshot.Hostname, a.options.Snapshot.Paths, receipt.Type, a.options.Snapshot.Excludes})
	if err != nil {
		return "", fmt.Errorf("name checkpoint: %w", err)
	}
	sum := sha256.Sum256(key)
	return "checkpoint-" + hex.EncodeToString(sum[:8]), nil
}

// root returns what is known of the top folder; nil without a checkpoint.
func (c *checkpoint) root() *savedFolder {
	if c == nil {
		return nil
	}
	return c.folders[rootNumber]
}

// folder returns what is known of a subfolder of f, or nil.
func (c *checkpoint) folder(f *folder, name string) *savedFolder {
	if c == nil || f.number == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	parent := c.folders[f.number]
	if parent == nil {
		return nil
	}
	return parent.children[name]
}

// add records a node of f that has been stored.
func (c *checkpoint) add(f *folder, raw []byte) error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number(f)
	c.write(recordNode, binary.AppendUvarint(nil, f.number), raw)
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
	if parent := c.folders[f.parent.number]; parent != nil {
		if known := parent.children[f.name]; known != nil {
			f.number = known.number
			return
		}
	}
	f.number = c.next
	c.next++
	head := binary.AppendUvarint(nil, f.number)
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
	var prefix [9]byte
	prefix[0] = kind
	binary.LittleEndian.PutUint32(prefix[1:], uint32(len(head)+len(tail))) //nolint:gosec // bounded by a tree node
	sum := crc32.Update(crc32.ChecksumIEEE(head), crc32.IEEETable, tail)
	binary.LittleEndian.PutUint32(prefix[5:], sum)
	for _, part := range [][]byte{prefix[:], head, tail} {
		if _, c.err = c.w.Write(part); c.err != nil {
			return
		}
	}
}

// load reads all records that are whole, and cuts off what follows.
func (c *checkpoint) load() error {
	c.folders = map[uint64]*savedFolder{rootNumber: newSavedFolder(rootNumber, nil, "")}
	r := bufio.NewReaderSize(c.f, 256<<10)
	var (
		good  int64
		start time.Time
	)
	for {
		kind, payload, err := readRecord(r)
		if err != nil || !c.apply(kind, payload, &start) {
			break
		}
		good += int64(9 + len(payload))
	}
	if err := c.f.Truncate(good); err != nil {
		return err
	}
	_, err := c.f.Seek(good, io.SeekStart)
	return err
}

var errRecord = errors.New("damaged record")

func readRecord(r io.Reader) (kind byte, payload []byte, err error) {
	var prefix [9]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(prefix[1:])
	if n > maxRecordBytes {
		return 0, nil, errRecord
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	if crc32.ChecksumIEEE(payload) != binary.LittleEndian.Uint32(prefix[5:]) {
		return 0, nil, errRecord
	}
	return prefix[0], payload, nil
}

// apply takes a record in; false means that it makes no sense.
func (c *checkpoint) apply(kind byte, payload []byte, start *time.Time) bool {
	if kind == recordStart {
		return start.UnmarshalBinary(payload) == nil
	}
	number, n := binary.Uvarint(payload)
	if n <= 0 {
		return false
	}
	payload = payload[n:]
	switch kind {
	case recordFolder:
		return c.applyFolder(number, payload)
	case recordNode:
		return c.applyNode(number, payload, *start)
	}
	return false
}

func (c *checkpoint) applyFolder(number uint64, payload []byte) bool {
	above, n := binary.Uvarint(payload)
	if n <= 0 {
		return false
	}
	c.next = max(c.next, number+1)
	if parent := c.folders[above]; parent != nil {
		f := newSavedFolder(number, parent, string(payload[n:]))
		parent.children[f.name] = f
		c.folders[number] = f
	}
	return true
}

func (c *checkpoint) applyNode(number uint64, raw []byte, start time.Time) bool {
	f := c.folders[number]
	if f == nil {
		return true // its folder has finished since
	}
	s := tree.NewLightScanner(treeOf(raw))
	if !s.Next() {
		return false
	}
	n := &earlierNode{recorded: true}
	n.set(s.Node(), raw, start)
	f.nodes[n.Name] = n
	c.forget(f.children[n.Name])
	delete(f.children, n.Name)
	return true
}

// treeOf returns a tree of one node.
func treeOf(raw []byte) []byte {
	return slices.Concat([]byte(`{"nodes":[`), raw, []byte(`]}`))
}

// forget drops a folder that has finished.
func (c *checkpoint) forget(f *savedFolder) {
	if f == nil {
		return
	}
	for _, child := range f.children {
		c.forget(child)
	}
	delete(c.folders, f.number)
}

// close keeps the checkpoint for the next run. Its loss costs only time, so
// errors are not worth failing for.
func (c *checkpoint) close() {
	if c == nil || c.f == nil {
		return
	}
	c.w.Flush() //nolint:errcheck // see above
	c.f.Close() //nolint:errcheck // see above
}

// remove deletes the checkpoint of a backup that is complete.
func (c *checkpoint) remove() error {
	if c == nil {
		return nil
	}
	if err := os.Remove(c.f.Name()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove checkpoint: %w", err)
	}
	return nil
}
