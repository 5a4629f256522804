package backup

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"holdfast/repository/blob"
	"holdfast/repository/tree"
)

// savedFolder is what a checkpoint knows of a folder that was not finished,
// or whose trees did not become durable. It does not change once loaded.
type savedFolder struct {
	number   uint64
	parent   *savedFolder
	name     string
	nodes    []savedNode
	children map[string]*savedFolder
	// lacking tells that the tree of some folder in it is not stored.
	lacking bool
}

// savedNode says where the record of a node is. Nodes are decoded when their
// folder is walked, so that those of millions of files cost little memory.
type savedNode struct {
	at   int64 // where the payload begins
	size uint32
	run  uint32 // index into checkpoint.runs
}

// child returns what is known of a subfolder, or nil.
func (s *savedFolder) child(name string) *savedFolder {
	if s == nil {
		return nil
	}
	return s.children[name]
}

// loader reads a checkpoint.
type loader struct {
	c       *checkpoint
	now     time.Time
	holds   func(blob.Handle) bool
	folders map[uint64]*savedFolder
	scanner *tree.Scanner
}

// load reads all records that are whole, and cuts off what follows.
func (c *checkpoint) load(now time.Time, holds func(blob.Handle) bool) error {
	c.root = &savedFolder{number: rootNumber}
	l := &loader{
		c: c, now: now, holds: holds, scanner: tree.NewLightScanner(nil),
		folders: map[uint64]*savedFolder{rootNumber: c.root},
	}
	good, err := l.records(bufio.NewReaderSize(c.f, 256<<10))
	if err != nil {
		return err
	}
	if err := c.f.Truncate(good); err != nil {
		return err
	}
	_, err = c.f.Seek(good, io.SeekStart)
	return err
}

// records takes in one record after the other and returns where the first
// that is damaged begins.
func (l *loader) records(r io.Reader) (good int64, err error) {
	var payload []byte
	for {
		var kind byte
		kind, payload, err = readRecord(r, payload)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errRecord):
			return good, nil
		case err != nil:
			return good, err
		case !l.apply(kind, payload, good+recordHead):
			return good, nil
		}
		good += int64(recordHead + len(payload))
	}
}

var errRecord = errors.New("damaged record")

// readRecord reads one record; payload is reused if it is large enough.
func readRecord(r io.Reader, payload []byte) (kind byte, _ []byte, err error) {
	var prefix [recordHead]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return 0, payload, err
	}
	n := binary.LittleEndian.Uint32(prefix[1:])
	if n > maxRecordBytes {
		return 0, payload, errRecord
	}
	payload = slices.Grow(payload[:0], int(n))[:n]
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, payload, err
	}
	if recordSum(prefix[0], payload) != binary.LittleEndian.Uint32(prefix[5:]) {
		return 0, payload, errRecord
	}
	return prefix[0], payload, nil
}

// apply takes a record in whose payload is at the given place; false means
// that it makes no sense.
func (l *loader) apply(kind byte, payload []byte, at int64) bool {
	if kind == recordStart {
		var start time.Time
		l.c.runs = append(l.c.runs, start)
		return l.c.runs[len(l.c.runs)-1].UnmarshalBinary(payload) == nil
	}
	number, n := binary.Uvarint(payload)
	if n <= 0 || len(l.c.runs) == 0 {
		return false
	}
	switch kind {
	case recordFolder:
		return l.folder(number, payload[n:])
	case recordNode:
		return l.node(number, payload[n:], at+int64(n))
	}
	return false
}

func (l *loader) folder(number uint64, payload []byte) bool {
	above, n := binary.Uvarint(payload)
	if n <= 0 {
		return false
	}
	l.c.next = max(l.c.next, number+1)
	parent := l.folders[above]
	if parent == nil {
		return true // it has finished since
	}
	f := &savedFolder{number: number, parent: parent, name: string(payload[n:])}
	if parent.children == nil {
		parent.children = make(map[string]*savedFolder)
	}
	parent.children[f.name] = f
	l.folders[number] = f
	return true
}

func (l *loader) node(number uint64, raw []byte, at int64) bool {
	run := len(l.c.runs) - 1
	f := l.folders[number]
	if f == nil || l.now.Sub(l.c.runs[run]) > checkpointLife {
		return true // the folder has finished since, or it is too long ago
	}
	l.scanner.Reset(treeOf(raw))
	if !l.scanner.Next() {
		return false
	}
	n := l.scanner.Node()
	f.nodes = append(f.nodes, savedNode{at: at, size: uint32(len(raw)), run: uint32(run)}) //nolint:gosec // both are small
	if n.Type == tree.Dir {
		l.finished(f, n)
	}
	return true
}

// finished deals with the node of a folder in f: what is below it is not
// needed any more if all its trees are stored.
func (l *loader) finished(f *savedFolder, n *tree.Node) {
	if n.Subtree == nil || !l.holds(blob.Handle{ID: *n.Subtree, Type: blob.Tree}) {
		f.lacking = true
		return
	}
	child := f.children[n.Name]
	switch {
	case child == nil:
	case child.lacking || len(child.children) > 0:
		f.lacking = true
	default:
		delete(f.children, n.Name)
		delete(l.folders, child.number)
	}
}

// treeOf returns a tree of one node.
func treeOf(raw []byte) []byte {
	return slices.Concat([]byte(`{"nodes":[`), raw, []byte(`]}`))
}

// savedNodes finds the nodes of one folder in a checkpoint.
type savedNodes struct {
	c       *checkpoint
	holds   func(blob.Handle) bool
	byName  map[string]savedNode
	scanner *tree.Scanner
	node    earlierNode
}

// nodesOf reads the names of all nodes of a folder. It returns nil if there
// are none; a nil savedNodes holds nothing.
func (c *checkpoint) nodesOf(f *savedFolder, holds func(blob.Handle) bool) (*savedNodes, error) {
	if f == nil || len(f.nodes) == 0 {
		return nil, nil //nolint:nilnil // see above
	}
	s := &savedNodes{c: c, holds: holds, byName: make(map[string]savedNode, len(f.nodes)), scanner: tree.NewLightScanner(nil)}
	for _, at := range f.nodes {
		n, _, err := s.read(at)
		if err != nil {
			return nil, err
		}
		s.byName[n.Name] = at // the last one counts
	}
	return s, nil
}

// find returns the node of a name if the repository holds all it needs, or
// nil. It is valid until the next call.
func (s *savedNodes) find(name string) *earlierNode {
	if s == nil {
		return nil
	}
	at, ok := s.byName[name]
	if !ok {
		return nil
	}
	n, raw, err := s.read(at)
	if err != nil || !s.holdsAll(n) {
		return nil
	}
	s.node = earlierNode{interrupted: true, recorded: true}
	s.node.set(n, raw, s.c.runs[at.run])
	return &s.node
}

func (s *savedNodes) read(at savedNode) (*tree.Node, []byte, error) {
	raw := make([]byte, at.size)
	if _, err := s.c.f.ReadAt(raw, at.at); err != nil {
		return nil, nil, fmt.Errorf("read checkpoint: %w", err)
	}
	s.scanner.Reset(treeOf(raw))
	if !s.scanner.Next() {
		return nil, nil, fmt.Errorf("read checkpoint: %w", errRecord)
	}
	return s.scanner.Node(), raw, nil
}

// holdsAll tells whether the repository has the blobs a node names.
func (s *savedNodes) holdsAll(n *tree.Node) bool {
	if n.Subtree != nil && !s.holds(blob.Handle{ID: *n.Subtree, Type: blob.Tree}) {
		return false
	}
	for _, i := range n.Content {
		if !s.holds(blob.Handle{ID: i, Type: blob.Data}) {
			return false
		}
	}
	return true
}
