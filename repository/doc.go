// Package repository reads and writes restic repositories (format v2, and v1
// for reading): encrypted, deduplicated, verifiable stores of snapshots.
//
// # Words
//
// A repository lives in a storage.Store. It holds files of six kinds
// (FileKind): one config, keys, locks, snapshots, indexes and packs. A file's
// name is the SHA-256 of its stored bytes; the config alone has a fixed name.
// Packs hold blobs: pieces of files (data) and directory listings (trees),
// each named by the SHA-256 of its plaintext. Index files tell which pack
// holds which blob. A snapshot names one tree.
//
// # Guarantees
//
//   - A blob is verified before it is uploaded: what was sealed is opened,
//     decompressed and compared with what was given.
//   - Files appear in an order that a crash cannot hurt: packs, then the index
//     that lists them, then the snapshot that needs them. Writer.Flush returns
//     only when packs and index are durable.
//   - Nothing is returned that was not authenticated, decompressed within its
//     recorded length and hashed to its name. What fails is a *CorruptError.
//   - Locks are restic's: restic and holdfast may work on one repository at
//     the same time. After a lock is lost nothing more is begun under it.
//   - The cache (Options.CacheDir) only saves work: nothing in it is believed
//     without proof, and without it everything works.
//
// # Use
//
//	r, err := repository.Open(ctx, store, repository.Options{Password: pw})
//	lock, ctx, err := r.Lock(ctx, repository.Shared, repository.LockOptions{})
//	defer lock.Unlock()
//	snapshots, err := r.Snapshots(ctx) // before the index, see LoadIndex
//	err = r.LoadIndex(ctx)
//	w, err := r.NewWriter(ctx, repository.WriterOptions{})
//	saved, err := w.Save(ctx, blob.Data, content)
//	err = w.Flush(ctx)
//
// The format is described by restic's doc/design.rst; docs/format says where
// this package adds to it.
package repository
