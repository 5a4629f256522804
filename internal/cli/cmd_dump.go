package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/spf13/cobra"

	"holdfast/internal/snapfs/archive"
	"holdfast/repository"
	"holdfast/repository/snapshot"
	"holdfast/repository/tree"
)

// dumpFlags are the flags of `holdfast dump`.
type dumpFlags struct {
	chosen  selectFlags
	archive string
	target  string
}

func newDump(c *command) *cobra.Command {
	var f dumpFlags
	cmd := &cobra.Command{
		Use:   "dump [flags] SNAPSHOT[:FOLDER] PATH",
		Short: "Write a file of a snapshot, or a folder as an archive, to standard output",
		Long: `Write the content of a file in a snapshot to standard output, or a folder as a
tar or zip archive. The same folder always gives the same archive.

A tar archive has all that GNU tar and bsdtar can restore: owners, times to the
nanosecond, hard links, devices, extended attributes (--xattrs) and access
control lists (--acls). A zip archive has no more than files, folders, symlinks,
modes and times.

Paths in the archive begin at the root of the snapshot or, with :FOLDER, at that
folder. If a file is damaged the output ends there and the exit code is 1; with
--target nothing is left of it.`,
		Example: `  holdfast dump latest /home/ann/letter.odt > letter.odt
  holdfast dump latest /var/www | tar -x --xattrs -C /tmp
  holdfast dump latest:/var/www / --archive zip --target www.zip
  holdfast dump latest /shop.sql | psql shop`,
		Args: wantArgs(2, 2, "a snapshot and a path in it"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.runDump(cmd.Context(), &f, args[0], args[1]) },
	}
	fl := cmd.Flags()
	c.registerAsOf(fl)
	c.registerFallback(fl)
	f.chosen.register(fl, "H")
	fl.StringVarP(&f.archive, "archive", "a", string(archive.Tar), "`format` of folders: tar or zip")
	fl.StringVarP(&f.target, "target", "t", "", "write to this `file` instead of standard output")
	return cmd
}

func (c *command) runDump(ctx context.Context, f *dumpFlags, ref, file string) error {
	format, err := archive.ParseFormat(f.archive)
	if err != nil {
		return err
	}
	return c.reading(ctx, func(ctx context.Context, r *repository.Repository, list []*snapshot.Snapshot) error {
		at, err := c.locate(ctx, r, list, f.chosen.filter(), ref)
		if err != nil {
			return err
		}
		file := path.Clean("/" + file)
		n, err := at.lookup(ctx, file)
		if err != nil {
			return err
		}
		if n.Type != tree.Dir && n.Type != tree.File {
			return fmt.Errorf("%s is neither a file nor a folder but of type %s: dump the folder it is in", printable(file), n.Type)
		}
		return c.dumpTo(f.target, n, func(w io.Writer) error {
			if n.Type == tree.File {
				return at.fs.WriteFile(ctx, n, w)
			}
			return archive.Write(ctx, format, at.fs, file, n, w, func(path string, err error) {
				c.ui.warn("dump", printable(path), err)
			})
		})
	})
}

// dumpTo opens what the dump is written to. A target that could not be
// written whole is removed: nothing must take it for a good one.
func (c *command) dumpTo(target string, n *tree.Node, write func(w io.Writer) error) error {
	if target == "" {
		if n.Type == tree.Dir && isTerminal(c.streams.Out) {
			return errors.New("an archive is nothing for a terminal: send it to a file or a program, or use --target")
		}
		return write(closedAware{c.streams.Out})
	}
	f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	isFile := err == nil && info.Mode().IsRegular() // and not a device or a pipe
	if err == nil {
		err = write(f)
	}
	if err == nil && isFile {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err != nil && isFile {
		err = errors.Join(err, os.Remove(target))
	}
	return err
}
