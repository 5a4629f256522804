package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast/repository/id"
	"holdfast/repository/internal/codec"
	"holdfast/repository/internal/seal"
	"holdfast/storage"
)

// maxUnpackedBytes bounds a file that is read into memory as a whole: index
// files of restic hold at most 50,000 blobs, about 8 MiB.
const maxUnpackedBytes = 512 << 20

func isNotFound(err error) bool { return errors.Is(err, storage.ErrNotFound) }

// readFile returns the stored bytes of a file after checking them against
// its name. With a *CorruptError it returns what it read, too.
func readFile(ctx context.Context, s storage.Store, k FileKind, i id.ID) ([]byte, error) {
	key := k.Key(i)
	rd, err := s.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", k, i.Short(), err)
	}
	data, err := io.ReadAll(io.LimitReader(rd, maxUnpackedBytes+1))
	if cerr := rd.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", k, i.Short(), err)
	}
	if len(data) > maxUnpackedBytes {
		return nil, &CorruptError{Kind: k, ID: i, Err: fmt.Errorf("it is larger than %d MiB", maxUnpackedBytes>>20)}
	}
	if k != ConfigFile && id.Hash(data) != i {
		return data, &CorruptError{Kind: k, ID: i, Err: errors.New("its content does not match its name")}
	}
	return data, nil
}

// sealedFiles reads and writes the sealed files of a repository.
type sealedFiles struct {
	store   storage.Store
	key     *seal.Key
	codec   *codec.Codec
	version uint
}

// files returns the sealed files behind the gate.
func (r *Repository) files() sealedFiles { return r.filesIn(r.store) }

func (r *Repository) filesIn(s storage.Store) sealedFiles {
	return sealedFiles{store: s, key: r.key, codec: r.codec, version: r.config.Version}
}

// LoadUnpacked returns the plaintext of an index, snapshot, lock or config
// file, read from the store.
func (r *Repository) LoadUnpacked(ctx context.Context, k FileKind, i id.ID) ([]byte, error) {
	return r.files().load(ctx, k, i)
}

func (f sealedFiles) load(ctx context.Context, k FileKind, i id.ID) ([]byte, error) {
	data, err := readFile(ctx, f.store, k, i)
	if err != nil {
		return nil, err
	}
	return f.open(k, i, data)
}

// open returns the plaintext of a file's stored bytes, which it overwrites.
func (f sealedFiles) open(k FileKind, i id.ID, data []byte) ([]byte, error) {
	plain, err := f.key.OpenInPlace(data)
	if err == nil && k != ConfigFile {
		plain, err = f.codec.DecodeUnpacked(plain, maxUnpackedBytes)
	}
	if err != nil {
		return nil, &CorruptError{Kind: k, ID: i, Err: err}
	}
	return plain, nil
}

// saveUnpacked seals and stores the plaintext of a file and returns its ID.
func (r *Repository) saveUnpacked(ctx context.Context, k FileKind, plain []byte) (id.ID, error) {
	i, err := r.files().save(ctx, k, plain)
	if err != nil {
		return id.ID{}, err
	}
	return i, nil
}

// save seals and stores the plaintext of a file and returns its ID, also when
// the store returns an error: the file may be there all the same.
func (f sealedFiles) save(ctx context.Context, k FileKind, plain []byte) (id.ID, error) {
	sealed, err := f.seal(k, plain)
	if err != nil {
		return id.ID{}, err
	}
	return f.put(ctx, k, sealed)
}

// put stores a sealed file; otherwise it is save.
func (f sealedFiles) put(ctx context.Context, k FileKind, sealed []byte) (id.ID, error) {
	i := id.Hash(sealed)
	if err := f.store.Put(ctx, k.Key(i), storage.Bytes(sealed), storage.PutOptions{SHA256: (*[32]byte)(&i)}); err != nil {
		return i, fmt.Errorf("save %s %s: %w", k, i.Short(), err)
	}
	return i, nil
}

// seal returns the stored form of a file. As with blobs, it is proven first
// that it opens to what was given.
func (f sealedFiles) seal(k FileKind, plain []byte) ([]byte, error) {
	encoded := plain
	if k != ConfigFile && f.version >= 2 {
		// Lists of hashes become a good third: room that grows would take
		// several times as much memory.
		encoded = f.codec.EncodeUnpacked(make([]byte, 0, len(plain)/2), plain)
	}
	sealed := f.key.Seal(nil, encoded)
	err := f.key.OpensTo(sealed, encoded)
	decoded := encoded
	if err == nil && k != ConfigFile {
		decoded, err = f.codec.DecodeUnpacked(encoded, maxUnpackedBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s file: %w", errVerify, k, err)
	}
	if !bytes.Equal(decoded, plain) {
		return nil, fmt.Errorf("%w: %s file", errVerify, k)
	}
	return sealed, nil
}
