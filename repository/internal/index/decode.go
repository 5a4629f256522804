package index

import (
	"errors"
	"fmt"
	"math"

	"holdfast/repository/blob"
	"holdfast/repository/id"
)

// ErrDamaged says that the plaintext of an index file is not one.
var ErrDamaged = errors.New("damaged index")

// errDuplicateKey refuses a member that is given twice: readers disagree
// about which of the two counts.
var errDuplicateKey = errors.New("duplicate key")

// Decode reads the plaintext of an index file and calls visit for each pack it
// lists. The slice of blobs is valid during the call only. An error of visit
// ends decoding and is returned as it is.
//
// Members may come in any order and unknown ones are skipped, so that index
// files of later versions and other programs are read ("supersedes" of old
// restic, "packs_to_delete" of rustic); so is the bare list of packs which the
// oldest versions wrote. What is there must make sense, for a blob that
// is overlooked here is one that prune deletes: other errors wrap ErrDamaged.
func Decode(data []byte, visit func(pack id.ID, blobs []blob.Blob) error) error {
	d := decoder{scanner: scanner{data: data}, visit: visit}
	err := d.file()
	if err == nil || err == d.visitErr {
		return err
	}
	return fmt.Errorf("%w: at byte %d: %w", ErrDamaged, d.pos, err)
}

type decoder struct {
	scanner
	visit    func(id.ID, []blob.Blob) error
	visitErr error
	// blobs is the list handed to visit, reused for every pack.
	blobs []blob.Blob
}

// file reads a whole index file.
func (d *decoder) file() error {
	var err error
	if d.peek() == '[' {
		err = d.packs()
	} else {
		err = d.object()
	}
	if err != nil {
		return err
	}
	if d.peek() != 0 || d.pos < len(d.data) {
		return errors.New("data after the end")
	}
	return nil
}

// object reads the outermost object.
func (d *decoder) object() error {
	found := false
	if err := d.open('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		key, more, err := d.nextKey(first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if string(key) != "packs" {
			err = d.skip(0)
		} else if found {
			err = errDuplicateKey
		} else {
			found = true
			err = d.packs()
		}
		if err != nil {
			return err
		}
	}
	if !found {
		return errors.New(`no "packs"`)
	}
	return nil
}

func (d *decoder) packs() error {
	if d.null() {
		return nil // how Go encodes an empty list
	}
	if err := d.open('['); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := d.nextItem(first)
		if err != nil || !more {
			return err
		}
		if err := d.pack(); err != nil {
			return err
		}
	}
}

// pack reads one pack and hands it to visit.
func (d *decoder) pack() error {
	var pack id.ID
	hasID, hasBlobs := false, false
	d.blobs = d.blobs[:0]
	if err := d.open('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		key, more, err := d.nextKey(first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		switch {
		case string(key) == "id" && !hasID:
			hasID = true
			err = d.id(&pack)
		case string(key) == "blobs" && !hasBlobs:
			hasBlobs = true
			err = d.blobList()
		case string(key) == "id" || string(key) == "blobs":
			err = errDuplicateKey
		default:
			err = d.skip(0)
		}
		if err != nil {
			return err
		}
	}
	if !hasID || !hasBlobs {
		return errors.New("pack without ID or blobs")
	}
	for i := range d.blobs {
		d.blobs[i].Pack = pack
	}
	d.visitErr = d.visit(pack, d.blobs)
	return d.visitErr
}

func (d *decoder) blobList() error {
	if d.null() {
		return nil
	}
	if err := d.open('['); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := d.nextItem(first)
		if err != nil || !more {
			return err
		}
		d.blobs = append(d.blobs, blob.Blob{})
		if err := d.blob(&d.blobs[len(d.blobs)-1]); err != nil {
			return err
		}
	}
}

// The members of a blob, as bits of the set of those seen.
const (
	seenID = 1 << iota
	seenType
	seenOffset
	seenLength
	seenPlainLength

	seenRequired = seenID | seenType | seenOffset | seenLength
)

func (d *decoder) blob(b *blob.Blob) error {
	seen := 0
	if err := d.open('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		key, more, err := d.nextKey(first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		member := 0
		switch string(key) {
		case "id":
			member = seenID
			err = d.id(&b.ID)
		case "type":
			member = seenType
			err = d.blobType(&b.Type)
		case "offset":
			member = seenOffset
			b.Offset, err = d.uint32()
		case "length":
			member = seenLength
			b.Length, err = d.uint32()
		case "uncompressed_length":
			member = seenPlainLength
			b.PlainLength, err = d.uint32()
		default:
			err = d.skip(0)
		}
		if err != nil {
			return err
		}
		if seen&member != 0 {
			return errDuplicateKey
		}
		seen |= member
	}
	if seen&seenRequired != seenRequired {
		return errors.New("blob without ID, type, offset or length")
	}
	return checkRange(b)
}

// checkRange refuses blobs that no pack can hold.
func checkRange(b *blob.Blob) error {
	if b.Length < blob.Overhead {
		return fmt.Errorf("blob of %d bytes is shorter than its seal", b.Length)
	}
	if uint64(b.Offset)+uint64(b.Length) > math.MaxUint32 {
		return errors.New("blob ends beyond 4 GiB")
	}
	return nil
}

func (d *decoder) blobType(t *blob.Type) error {
	s, err := d.str()
	if err != nil {
		return err
	}
	return t.UnmarshalText(s)
}

func (d *decoder) id(i *id.ID) error {
	if d.hexID(i) {
		return nil
	}
	s, err := d.str()
	if err != nil {
		return err
	}
	return i.UnmarshalText(s)
}
