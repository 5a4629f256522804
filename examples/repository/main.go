// Command letters keeps a letter in a holdfast repository and reads it back,
// with holdfast's public packages alone. What it writes, restic can read.
//
//	letters FOLDER
//
// makes a repository in FOLDER, or opens the one that is there.
package main

import (
	"context"
	"errors"
	"fmt"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
	"holdfast/storage/local"
	"log"
	"os"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: letters FOLDER")
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

// run opens the repository and works in it under a shared lock: others may
// read and add at the same time, and nobody removes.
func run(ctx context.Context, folder string) (err error) {
	r, err := open(ctx, folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	lock, ctx, err := r.Lock(ctx, repository.Shared, repository.LockOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if err := r.LoadIndex(ctx); err != nil {
		return err
	}
	saved, err := save(ctx, r, "letter.txt", []byte("Dear Ann,\nit comes back.\n"))
	if err != nil {
		return fmt.Errorf("save the letter: %w", err)
	}
	return show(ctx, r, saved)
}

// open opens the repository in a folder of this machine, and makes it if it
// is not there. Any storage.Store would do in place of the folder.
func open(ctx context.Context, folder string) (*repository.Repository, error) {
	store, err := local.Create(folder)
	if err != nil {
		return nil, err
	}
	password := []byte("an example, not a secret")
	options := repository.Options{Password: password}
	r, err := repository.Init(ctx, store, repository.InitOptions{Password: password}, options)
	if errors.Is(err, repository.ErrExists) {
		return repository.Open(ctx, store, options)
	}
	return r, err
}

// save stores a file as a snapshot, in the order that every backup follows:
// the content, the folder that names it, and the snapshot last, once all it
// needs is safe.
func save(ctx context.Context, r *repository.Repository, name string, content []byte) (id.ID, error) {
	w, err := r.NewWriter(ctx, repository.WriterOptions{})
	if err != nil {
		return id.ID{}, err
	}
	root, err := saveFolder(ctx, w, name, content)
	if err == nil {
		err = w.Flush(ctx)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return id.ID{}, err
	}
	s := &snapshot.Snapshot{
		Time: time.Now(), Tree: root, Hostname: "example", ProgramVersion: "letters",
		Paths: []string{"/" + name}, Tags: []string{"letters"},
	}
	err = r.SaveSnapshot(ctx, s)
	return s.ID, err
}

// saveFolder stores the content of a file as one blob, and the folder it is
// in as another. Large files are cut into several: see NewChunkReader.
func saveFolder(ctx context.Context, w *repository.Writer, name string, content []byte) (id.ID, error) {
	data, err := w.Save(ctx, blob.Data, content)
	if err != nil {
		return id.ID{}, err
	}
	folder := tree.NewBuilder()
	err = folder.Add(&tree.Node{
		Name: name, Type: tree.File, Mode: 0o644, ModTime: time.Now(),
		Size: uint64(len(content)), Content: []id.ID{data.ID},
	})
	if err != nil {
		return id.ID{}, err
	}
	saved, err := w.Save(ctx, blob.Tree, folder.Bytes())
	return saved.ID, err
}

// show prints the files of a snapshot. Whatever is read was authenticated and
// hashed on the way.
func show(ctx context.Context, r *repository.Repository, i id.ID) error {
	s, err := r.LoadSnapshot(ctx, i)
	if err != nil {
		return err
	}
	folder, err := r.LoadTree(ctx, s.Tree, nil)
	if err != nil {
		return err
	}
	for entry, err := range tree.Nodes(folder) {
		if err != nil {
			return err
		}
		fmt.Printf("%s, %d bytes:\n", entry.Node.Name, entry.Node.Size)
		for _, part := range entry.Node.Content {
			content, err := r.LoadBlob(ctx, blob.Handle{ID: part, Type: blob.Data}, nil)
			if err != nil {
				return err
			}
			fmt.Printf("%s", content)
		}
	}
	return nil
}
