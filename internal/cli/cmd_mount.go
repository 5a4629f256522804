package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/snapfs/mount"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// mountFlags are the flags of `holdfast mount`.
type mountFlags struct {
	chosen        selectFlags
	allowOther    bool
	noPermissions bool
	ownerRoot     bool
	paths         []string
	time          string
}

// mountRefresh is how old the list of snapshots may get: reading it is one
// request to the store.
const mountRefresh = 30 * time.Second

func newMount(c *command) *cobra.Command {
	var f mountFlags
	cmd := &cobra.Command{
		Use:   "mount [flags] FOLDER",
		Short: "Show the snapshots as folders, to browse and copy from",
		Long: `Show the snapshots as folders in FOLDER, which must exist and should be empty,
until it is interrupted (Ctrl-C) or FOLDER is unmounted. Nothing can be changed
there. New snapshots appear within half a minute.

  ids/<ID>              by the beginning of their IDs
  snapshots/<time>      by time
  hosts/<host>/<time>   by host
  tags/<tag>/<time>     by tag

and "latest" beside each <time> leads to the newest. --path-template gives other
places, in which %i stands for the short ID, %I for the ID, %u for the user, %h
for the host, %t for a tag and %T for the time in the form of --time-template,
which shows how to write 2 January 2006, 15:04:05.

A file with damaged content cannot be read (input/output error), and is named
here. Restoring many files is faster with ` + "`holdfast restore`" + `.`,
		Example: `  holdfast mount /mnt
  holdfast mount --allow-other --host www /mnt
  holdfast mount --path-template '%h/%T' --time-template 2006-01-02_15-04-05 /mnt`,
		Args: wantArgs(1, 1, "a folder to mount at"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.runMount(cmd.Context(), &f, args[0]) },
	}
	fl := cmd.Flags()
	c.registerAsOf(fl)
	c.registerFallback(fl)
	f.chosen.register(fl, "H")
	fl.BoolVar(&f.allowOther, "allow-other", false, "let other users in, as far as the modes of the files let them")
	fl.BoolVar(&f.noPermissions, "no-default-permissions", false, "with --allow-other: let them read everything")
	fl.BoolVar(&f.ownerRoot, "owner-root", false, "show root as the owner of everything")
	fl.StringArrayVar(&f.paths, "path-template", nil, "show snapshots at this `template` (may be repeated; default: as above)")
	fl.StringVar(&f.time, "time-template", mount.DefaultTime, "`form` of times in names")
	return cmd
}

func (c *command) runMount(ctx context.Context, f *mountFlags, dir string) error {
	o, err := f.options(c)
	if err != nil {
		return err
	}
	if dir, err = mountPoint(dir); err != nil {
		return err
	}
	o.Mounted = func() {
		c.ui.message(mountedMessage{"mounted", dir})
		c.ui.infof("the snapshots are at %s until you press Ctrl-C here, or run `umount %s`", dir, dir)
	}
	return c.reading(ctx, func(ctx context.Context, r *repository.Repository, _ []*snapshot.Snapshot) error {
		return mount.Run(ctx, r, dir, o)
	})
}

// mountedMessage tells that the snapshots can be seen.
type mountedMessage struct {
	MessageType string `json:"message_type"` // "mounted"
	Path        string `json:"path"`
}

// options turns the flags into options.
func (f *mountFlags) options(c *command) (mount.Options, error) {
	o := mount.Options{
		AllowOther: f.allowOther, NoPermissions: f.noPermissions, OwnerRoot: f.ownerRoot,
		Layout: mount.Layout{Paths: f.paths, Time: f.time}, Filter: f.chosen.filter(), Refresh: mountRefresh,
		Warn: func(item string, err error) { c.ui.warn("mount", printable(item), err) },
	}
	if len(f.paths) == 0 {
		o.Layout.Paths = mount.DefaultPaths
	}
	return o, o.Layout.Validate()
}

// mountPoint returns the absolute path of a folder that can be mounted at.
func mountPoint(dir string) (string, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("mount at %s: there is no such folder; make it with `mkdir -p %s`", dir, dir)
	case err != nil:
		return "", fmt.Errorf("mount at %s: %w; is it left from a mount that was killed? Then run `umount -l %s`", dir, err, dir)
	case !info.IsDir():
		return "", fmt.Errorf("mount at %s: it is not a folder", dir)
	}
	return filepath.Abs(dir)
}
