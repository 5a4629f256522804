package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// catKinds are what `holdfast cat` prints, and whether an ID tells which.
var catKinds = []string{"config", "index", "snapshot", "key", "masterkey", "lock", "pack", "blob", "tree"}

func newCat(c *command) *cobra.Command {
	var chosen selectFlags
	cmd := &cobra.Command{
		Use:   "cat {config | masterkey | index ID | snapshot ID | key ID | lock ID | pack ID | blob ID | tree SNAPSHOT[:FOLDER]}",
		Short: "Print a part of the repository as it is",
		Long: `Print a part of the repository, decrypted, as it is: for finding out what is
wrong with one, and for other programs. The beginning of an ID is enough where
only one fits.

A pack is printed as it is stored, encrypted. The master key opens everything in
the repository without a password, for ever: keep what is printed secret.`,
		Example: `  holdfast cat config
  holdfast cat snapshot latest
  holdfast cat tree latest:/home/ann
  holdfast cat blob 420f620f > piece`,
		Args:      catArgs,
		ValidArgs: catKinds,
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, which := args[0], strings.Join(args[1:], "")
			if kind == "blob" || kind == "tree" || kind == "snapshot" {
				return c.reading(cmd.Context(), func(ctx context.Context, r *repository.Repository, list []*snapshot.Snapshot) error {
					return c.catContent(ctx, r, list, chosen.filter(), kind, which)
				})
			}
			return c.work(cmd.Context(), repository.Shared, func(ctx context.Context, r *repository.Repository) error {
				return c.cat(ctx, r, kind, which)
			})
		},
	}
	c.registerAsOf(cmd.Flags())
	c.registerFallback(cmd.Flags())
	chosen.register(cmd.Flags(), "H")
	return cmd
}

// catArgs wants a kind and, for most, an ID.
func catArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 || !slices.Contains(catKinds, args[0]) {
		return fmt.Errorf("`%s` wants to know what to print: one of %s", cmd.CommandPath(), strings.Join(catKinds, ", "))
	}
	kind, want := args[0], 2
	if kind == "config" || kind == "masterkey" {
		want = 1
	}
	if len(args) < want {
		return fmt.Errorf("`%s %s` wants the ID of one; `holdfast list` lists them", cmd.CommandPath(), kind)
	}
	if len(args) > want {
		return fmt.Errorf("`%s %s` was given more arguments than it takes: %q", cmd.CommandPath(), kind, args[want:])
	}
	return nil
}

// cat prints one file of the repository, as it is there.
func (c *command) cat(ctx context.Context, r *repository.Repository, kind, which string) error {
	switch kind {
	case "config":
		return c.catPlain(ctx, r, repository.ConfigFile, id.ID{})
	case "masterkey":
		return c.catMasterKey(r)
	}
	file := map[string]repository.FileKind{
		"index": repository.IndexFile, "key": repository.KeyFile, "lock": repository.LockFile, "pack": repository.PackFile,
	}[kind]
	i, err := findFile(ctx, r, file, which)
	if err != nil {
		return err
	}
	if file == repository.KeyFile || file == repository.PackFile {
		return c.catStored(ctx, r, file, i)
	}
	return c.catPlain(ctx, r, file, i)
}

// findFile returns the ID of the only file of a kind that begins with prefix.
func findFile(ctx context.Context, r *repository.Repository, kind repository.FileKind, prefix string) (id.ID, error) {
	if i, err := id.Parse(prefix); err == nil {
		return i, nil
	}
	if err := checkPrefix(prefix); err != nil {
		return id.ID{}, err
	}
	var found []id.ID
	err := r.ListFiles(ctx, kind, func(i id.ID, _ int64) error {
		if strings.HasPrefix(i.String(), prefix) {
			found = append(found, i)
		}
		return nil
	})
	switch {
	case err != nil:
		return id.ID{}, err
	case len(found) == 0:
		return id.ID{}, fmt.Errorf("no %s has an ID that begins with %s; `holdfast list` lists them", kind, prefix)
	case len(found) > 1:
		return id.ID{}, fmt.Errorf("the IDs of %d %s files begin with %s; give more digits", len(found), kind, prefix)
	}
	return found[0], nil
}

// catPlain prints the JSON of a file, indented.
func (c *command) catPlain(ctx context.Context, r *repository.Repository, kind repository.FileKind, i id.ID) error {
	plain, err := r.LoadUnpacked(ctx, kind, i)
	if err != nil {
		return err
	}
	return c.printIndented(plain)
}

func (c *command) printIndented(plain []byte) error {
	var out bytes.Buffer
	if err := json.Indent(&out, plain, "", "  "); err != nil {
		return fmt.Errorf("it is no JSON: %w", err)
	}
	out.WriteByte('\n')
	return c.write(out.Bytes())
}

// write writes bytes to standard output as they are.
func (c *command) write(p []byte) error {
	_, err := closedAware{c.streams.Out}.Write(p)
	return err
}

// catStored prints a file as it is stored: keys are JSON, packs are not. A
// pack that is not what its name says is printed all the same.
func (c *command) catStored(ctx context.Context, r *repository.Repository, kind repository.FileKind, i id.ID) error {
	stream, err := r.Store().Get(ctx, kind.Key(i), 0, -1)
	if err != nil {
		return err
	}
	stored, err := io.ReadAll(stream)
	if err := errors.Join(err, stream.Close()); err != nil {
		return err
	}
	if sum := id.Hash(stored); sum != i {
		c.ui.warn("cat", i.Short(), fmt.Errorf("this %s is damaged: the hash of its content is %s", kind, sum))
	}
	if kind == repository.KeyFile {
		return c.printIndented(stored)
	}
	return c.write(stored)
}

// catMasterKey prints the key that everything is encrypted with.
func (c *command) catMasterKey(r *repository.Repository) error {
	plain, err := r.MasterKey()
	if err != nil {
		return err
	}
	return c.printIndented(plain)
}

// catContent prints a blob, a snapshot as it is stored, or a tree in one.
func (c *command) catContent(ctx context.Context, r *repository.Repository, list []*snapshot.Snapshot, filter snapshot.Filter, kind, which string) error {
	switch kind {
	case "blob":
		return c.catBlob(ctx, r, which)
	case "snapshot":
		s, err := findToRead(list, filter, which)
		if err != nil {
			return err
		}
		return c.catPlain(ctx, r, repository.SnapshotFile, s.ID)
	}
	at, err := c.locate(ctx, r, list, filter, which)
	if err != nil {
		return err
	}
	plain, err := r.LoadTree(ctx, *at.fs.Root().Subtree, nil)
	if err != nil {
		return err
	}
	return c.write(plain)
}

// catBlob prints the plaintext of a blob.
func (c *command) catBlob(ctx context.Context, r *repository.Repository, which string) error {
	if err := checkPrefix(which); err != nil {
		return err
	}
	h, err := findBlob(r, which)
	if err != nil {
		return err
	}
	plain, err := r.LoadBlob(ctx, h, nil)
	if err != nil {
		return err
	}
	return c.write(plain)
}

// findBlob returns the only blob whose ID begins with prefix; a data blob
// before the tree of the same ID.
func findBlob(r *repository.Repository, prefix string) (blob.Handle, error) {
	if i, err := id.Parse(prefix); err == nil {
		if h := (blob.Handle{ID: i, Type: blob.Data}); r.Index().Has(h) {
			return h, nil
		}
		return treeBlob(i), nil
	}
	var found *blob.Handle
	for b := range r.Index().All() {
		switch {
		case !strings.HasPrefix(b.ID.String(), prefix):
		case found == nil || found.ID == b.ID && b.Type == blob.Data:
			found = &b.Handle
		case found.ID != b.ID:
			return blob.Handle{}, fmt.Errorf("the IDs of several blobs begin with %s; give more digits", prefix)
		}
	}
	if found == nil {
		return blob.Handle{}, fmt.Errorf("no blob in the index has an ID that begins with %s; `holdfast list blobs` lists them", prefix)
	}
	return *found, nil
}
