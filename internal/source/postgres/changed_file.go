package postgres

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"strings"

	"holdfast/internal/crc32c"
	"holdfast/internal/source"
)

const (
	// changedPrefix begins the names of files that have only what changed, and
	// changedMagic those files.
	changedPrefix = "INCREMENTAL."
	changedMagic  = 0xd3ae1f0d
	// labelName is the file that says where recovery begins.
	labelName = "backup_label"
	// labelOfChanges begins the lines of it that say that files are not whole.
	labelOfChanges = "INCREMENTAL FROM "
)

// changedArrival turns an arrival into what is to be stored when the server
// sends changes: whole files, and a label that does not speak of changes.
func (b *Backup) changedArrival(ctx context.Context, a *source.Arrival, h *tar.Header) error {
	folder, file := path.Split(b.last.path)
	whole, changed := strings.CutPrefix(file, changedPrefix)
	switch name := folder + whole; {
	case b.last.path == labelName:
		a.Known = true
		return b.changedLabel(a)
	case changed && isRelation(name):
		if err := b.composedArrival(ctx, a, name, h.Size); err != nil {
			return fmt.Errorf("base backup: %s: %w", b.last.path, err)
		}
	default:
		was, err := b.changes.file(ctx, b.last.path)
		if err != nil {
			return err
		}
		if was != nil {
			a.Known, a.Was = true, was.Content
		}
	}
	return nil
}

// composedArrival describes a file of which the server sends what changed.
func (b *Backup) composedArrival(ctx context.Context, a *source.Arrival, name string, sentBytes int64) error {
	c := b.changes
	head, err := c.readChangedHead(b.last, sentBytes)
	if err != nil {
		return err
	}
	was := c.files[name]
	earlier, err := c.file(ctx, name)
	switch {
	case err != nil:
		return err
	case earlier == nil || int64(earlier.Size) != was.Size: //nolint:gosec // no file is larger
		return fmt.Errorf("%w: it has no such file as its manifest has", source.ErrEarlier)
	}
	sum, err := parseCRC(was.Checksum)
	if err != nil {
		return fmt.Errorf("%w: its manifest has the checksum %q", source.ErrEarlier, was.Checksum)
	}
	size, sent := head.size()*c.blockBytes, b.last.path
	a.Path = path.Join(b.o.Root, name)
	a.Node.Size, a.CutBytes = uint64(size), cutOf(name, size) //nolint:gosec // never negative
	a.Changes = &source.Changes{
		Earlier: earlier, EarlierSum: sum, KeepBytes: head.keep * c.blockBytes,
		Blocks: head.blocks, BlockBytes: int(c.blockBytes),
		Composed: func(sum uint32) { c.note(sent, composedFile{name, fileSum{sum, size}}) },
	}
	return nil
}

// changedHead is what stands before the blocks of a file of changes.
type changedHead struct {
	// keep is how many blocks of the earlier file may still count: it was never
	// shorter since. It is also the least length that the file has now.
	keep   int64
	blocks []uint32
}

// size returns how many blocks the whole file has.
func (h *changedHead) size() int64 {
	if n := len(h.blocks); n > 0 {
		return max(h.keep, int64(h.blocks[n-1])+1)
	}
	return h.keep
}

// readChangedHead reads the head of a file of changes: the magic number, how many
// blocks it has, keep, and their numbers, each in four bytes as the server's
// processor has them. It fills whole blocks if any follow.
func (c *changes) readChangedHead(r io.Reader, sentBytes int64) (*changedHead, error) {
	var fixed [12]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return nil, fmt.Errorf("it is cut short: %w", err)
	}
	if magic := binary.LittleEndian.Uint32(fixed[:]); magic != changedMagic {
		return nil, fmt.Errorf("it begins with %08x, as no file of changes does", magic)
	}
	count := int64(binary.LittleEndian.Uint32(fixed[4:]))
	// Earlier releases of 17 may say more than a file can have.
	head := &changedHead{keep: min(int64(binary.LittleEndian.Uint32(fixed[8:])), c.segmentBlocks)}
	headBytes := int64(len(fixed)) + 4*count
	padding := int64(0)
	if count > 0 {
		padding = (c.blockBytes - headBytes%c.blockBytes) % c.blockBytes
	}
	if count > c.segmentBlocks || sentBytes != headBytes+padding+count*c.blockBytes {
		return nil, fmt.Errorf("%d bytes arrive for %d blocks", sentBytes, count)
	}
	numbers := make([]byte, 4*count+padding)
	if _, err := io.ReadFull(r, numbers); err != nil {
		return nil, fmt.Errorf("it is cut short: %w", err)
	}
	head.blocks = make([]uint32, count)
	for k := range head.blocks {
		number := binary.LittleEndian.Uint32(numbers[4*k:])
		if int64(number) >= c.segmentBlocks || k > 0 && number <= head.blocks[k-1] {
			return nil, fmt.Errorf("block %d comes out of order", number)
		}
		head.blocks[k] = number
	}
	return head, nil
}

// changedLabel takes out of the label that files are not whole, which they are:
// a server refuses to start with it.
func (b *Backup) changedLabel(a *source.Arrival) error {
	sent, err := io.ReadAll(a.Content)
	if err != nil {
		return fmt.Errorf("base backup: %s: %w", labelName, err)
	}
	var label bytes.Buffer
	for line := range bytes.Lines(sent) {
		if !bytes.HasPrefix(line, []byte(labelOfChanges)) {
			label.Write(line)
		}
	}
	b.changes.note(labelName, composedFile{labelName, fileSum{crc32c.Of(label.Bytes()), int64(label.Len())}})
	a.Content, a.Node.Size = &label, uint64(label.Len()) //nolint:gosec // never negative
	return nil
}

// parseCRC reads what manifestCRC writes.
func parseCRC(text string) (uint32, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 4 {
		return 0, fmt.Errorf("checksum %q", text)
	}
	return binary.LittleEndian.Uint32(raw), nil
}
