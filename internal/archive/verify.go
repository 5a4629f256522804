package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"holdfast/storage"
)

// Verified tells what Verify found good.
type Verified struct {
	// Opened tells that the archive was decrypted and unpacked to its end;
	// otherwise the parts were only held to their sums.
	Opened  bool
	Entries uint64
}

// Verify reads an archive back: every part against SHA256SUMS and, with keys,
// what is inside against the manifest. The error wraps ErrDamaged unless the
// store failed or no key fits.
func Verify(ctx context.Context, at Placed, ids Identities, watch *Progress) (Verified, error) {
	files, err := checkFiles(ctx, at)
	if err == nil {
		err = checkStrays(at, files)
	}
	if err != nil {
		return Verified{}, err
	}
	if ids.IsZero() {
		parts := &partReader{ctx: ctx, shelf: at.Shelf, m: at.Manifest, watch: watch}
		err := errors.Join(parts.drain(), parts.close())
		if err != nil {
			err = fmt.Errorf("archive %s: %w", at.Name, err)
		}
		return Verified{}, err
	}
	s, err := open(ctx, at, ids, watch)
	if err != nil {
		return Verified{}, err
	}
	defer s.close()
	entries, err := s.readAll()
	if errors.Is(err, ErrDamaged) {
		err = s.whichPart(err)
	}
	if err != nil {
		return Verified{}, fmt.Errorf("archive %s: %w", at.Name, err)
	}
	return Verified{Opened: true, Entries: entries}, nil
}

// readAll reads everything, and counts the entries.
func (s *stream) readAll() (entries uint64, err error) {
	for {
		h, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		if s.m.Parent == nil || h.Name != DeletionsName {
			entries++
		}
	}
	if err := s.finish(); err != nil {
		return 0, err
	}
	if entries != s.m.Entries {
		return 0, fmt.Errorf("%w: it has %d entries, and the manifest says %d", ErrDamaged, entries, s.m.Entries)
	}
	return entries, nil
}

// whichPart reads on after damage was met, to name the part that it is in.
func (s *stream) whichPart(damage error) error {
	s.packed.Close() // nothing else reads the parts from here on
	if err := s.parts.drain(); errors.Is(err, ErrDamaged) {
		return err
	}
	return damage
}

// checkStrays makes sure that nothing beside the parts has a name that the plain
// tools would take for one, as a copy of a part has.
func checkStrays(at Placed, files map[string]int64) error {
	others := maps.Clone(files)
	for _, p := range at.Parts {
		delete(others, p.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(others)) {
		if strings.HasPrefix(name, at.Name) && name != ManifestName && name != SumsName {
			return fmt.Errorf("archive %s: %w: %s is no part of it, and `cat %s*` would take it for one: move it away", at.Name, ErrDamaged, name, at.Name)
		}
	}
	return nil
}

// checkFiles holds the sizes of the parts to the manifest, before reading,
// and returns what lies in the folder.
func checkFiles(ctx context.Context, at Placed) (files map[string]int64, err error) {
	if files, err = at.Shelf.files(ctx, at.Name); err != nil {
		return nil, err
	}
	for _, p := range at.Parts {
		sizeBytes, listed := files[p.Name]
		if !listed { // by lists that come late
			i, err := at.Shelf.Store.Stat(ctx, at.Shelf.key(at.Name, p.Name))
			if errors.Is(err, storage.ErrNotFound) {
				return nil, fmt.Errorf("archive %s: %w: %s is missing", at.Name, ErrDamaged, p.Name)
			}
			if err != nil {
				return nil, fmt.Errorf("archive %s: %w", at.Name, err)
			}
			sizeBytes = i.SizeBytes
		}
		if sizeBytes != p.Bytes {
			return nil, fmt.Errorf("archive %s: %w: %s has %d bytes, and %s says %d", at.Name, ErrDamaged, p.Name, sizeBytes, SumsName, p.Bytes)
		}
	}
	return files, nil
}
