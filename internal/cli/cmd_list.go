package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/repository"
	"holdfast/repository/id"
)

// listKinds are what `holdfast list` lists.
var listKinds = []string{"blobs", "packs", "index", "snapshots", "keys", "locks"}

func newList(c *command) *cobra.Command {
	return &cobra.Command{
		Use:   "list {" + strings.Join(listKinds, " | ") + "}",
		Short: "List the IDs of the parts of the repository",
		Long: `List the IDs of one kind of the files that the repository is made of, or of all
blobs in its index, each with its type.`,
		Example: "  holdfast list packs\n  holdfast list blobs | grep -c ^tree",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && slices.Contains(listKinds, args[0]) {
				return nil
			}
			return fmt.Errorf("`%s` wants to know what to list: one of %s", cmd.CommandPath(), strings.Join(listKinds, ", "))
		},
		ValidArgs: listKinds,
		RunE:      func(cmd *cobra.Command, args []string) error { return c.runList(cmd.Context(), args[0]) },
	}
}

// listMessage is one line of list.
type listMessage struct {
	MessageType string `json:"message_type"` // "item"
	Kind        string `json:"kind"`
	ID          string `json:"id"`
	Size        *int64 `json:"size,omitempty"` // stored bytes, of files
}

func (c *command) runList(ctx context.Context, what string) error {
	if what == "locks" {
		return c.listLocks(ctx)
	}
	return c.work(ctx, repository.Shared, func(ctx context.Context, r *repository.Repository) error {
		out := c.lines()
		if what == "blobs" {
			return out.end(c.listBlobs(ctx, r, out))
		}
		kind := map[string]repository.FileKind{
			"packs": repository.PackFile, "index": repository.IndexFile,
			"snapshots": repository.SnapshotFile, "keys": repository.KeyFile,
		}[what]
		return out.end(c.listFiles(ctx, r, kind, out))
	})
}

// listLocks lists the locks without taking one, which would be among them.
func (c *command) listLocks(ctx context.Context) error {
	c.global.noLock = true
	return c.work(ctx, repository.Shared, func(ctx context.Context, r *repository.Repository) error {
		out := c.lines()
		return out.end(c.listFiles(ctx, r, repository.LockFile, out))
	})
}

func (c *command) listFiles(ctx context.Context, r *repository.Repository, kind repository.FileKind, out *lines) error {
	return r.ListFiles(ctx, kind, func(i id.ID, sizeBytes int64) error {
		if c.ui.json {
			return out.json(listMessage{"item", kind.String(), i.String(), &sizeBytes})
		}
		return out.printf("%s\n", i)
	})
}

func (c *command) listBlobs(ctx context.Context, r *repository.Repository, out *lines) error {
	if err := r.LoadIndex(ctx); err != nil {
		return err
	}
	for b := range r.Index().All() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var err error
		if c.ui.json {
			size := int64(b.Length)
			err = out.json(listMessage{"item", b.Type.String(), b.ID.String(), &size})
		} else {
			err = out.printf("%s %s\n", b.Type, b.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
