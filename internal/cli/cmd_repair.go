package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/repair"
	"holdfast/repository"
	"holdfast/repository/blob"
	"holdfast/repository/id"
)

func newRepair(c *command) *cobra.Command {
	var f healFlags
	cmd := &cobra.Command{
		Use:   "repair [flags]",
		Short: "Heal a damaged repository from a copy, or save what can be saved of it",
		Long: `Save what can be saved of a damaged repository. ` + "`holdfast check`" + ` tells which
of these commands helps, and in which order: index, packs, snapshots.

With --from the repository is healed from its copies, and nothing is given up:
it is checked, everything damaged or missing that a copy has is brought back,
read back, and the repository is checked again. A mirror gives whole files byte
for byte; any other copy gives pieces of content, which are hashed and stored
again. With --read-data all data is read to find damage; without, only what is
missing, of a wrong size, or concerns folders is found. What no copy has is
named and stays as it is.

The log archives beside the snapshots are healed, too: segments that are damaged,
and those that are missing between the oldest one here and the newest one of a
copy.

Before you repair anything, save a copy of the repository if you can, and see
to it that the storage itself is sound.`,
		Example: "  holdfast repair --from /mnt/usb/backup --read-data\n  holdfast repair -r offsite --from local",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(f.from) == 0 && f.readData {
				return errors.New("--read-data is for healing from copies: name one with --from")
			}
			if len(f.from) == 0 {
				return cmd.Help()
			}
			return c.runHeal(cmd.Context(), &f)
		},
	}
	f.register(cmd.Flags())
	cmd.AddCommand(newRepairIndex(c), newRepairPacks(c), newRepairSnapshots(c))
	return cmd
}

func newRepairIndex(c *command) *cobra.Command {
	var o repair.IndexOptions
	cmd := &cobra.Command{
		Use:   "index [flags]",
		Short: "Make the index say what the packs hold",
		Long: `Make the index list the packs that are there, each once and as its own header
says. Packs that are gone are no longer listed; nothing but index files is
deleted, and those only when new ones are stored.`,
		Example: "  holdfast repair index",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runRepairIndex(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.ReadAllPacks, "read-all-packs", false, "compare the index with the header of every pack")
	cmd.Flags().BoolVarP(&o.DryRun, "dry-run", "n", false, "change nothing, only tell what would be changed")
	return cmd
}

// repairIndexMessage is the result of `repair index`.
type repairIndexMessage struct {
	MessageType string   `json:"message_type"` // "summary"
	DryRun      bool     `json:"dry_run,omitempty"`
	Damaged     []string `json:"damaged_index_files"`
	Missing     []string `json:"missing_packs"`
	Added       []string `json:"added_packs"`
	Corrected   []string `json:"corrected_packs"`
	Broken      []string `json:"broken_packs"`
	Replaced    int      `json:"replaced_index_files"`
}

func (c *command) runRepairIndex(ctx context.Context, o repair.IndexOptions) error {
	if c.global.noLock && !o.DryRun {
		return errNeedsLock
	}
	return c.opened(ctx, func(ctx context.Context, r *repository.Repository) error {
		o.Locked = c.lockedBy(r)
		report, err := repair.Index(ctx, r, o)
		if err != nil {
			return err
		}
		c.ui.message(repairIndexMessage{
			MessageType: "summary", DryRun: o.DryRun, Damaged: idStrings(report.Damaged), Missing: idStrings(report.Missing),
			Added: idStrings(report.Added), Corrected: idStrings(report.Corrected), Broken: idStrings(report.Broken), Replaced: report.Replaced,
		})
		c.listIDs("damaged index files, replaced", report.Damaged)
		c.listIDs("packs that do not exist, listed no more", report.Missing)
		c.listIDs("packs that were not listed, added", report.Added)
		c.listIDs("packs that were listed wrongly, corrected", report.Corrected)
		c.listIDs("packs that are damaged: run `holdfast repair packs` with them", report.Broken)
		if report.Replaced == 0 && len(report.Added) == 0 {
			c.ui.infof("the index is as it should be")
		}
		return nil
	})
}

// lockedBy takes the locks of a repository one after the other.
func (c *command) lockedBy(r *repository.Repository) repair.Locked {
	return func(ctx context.Context, mode repository.LockMode, do func(ctx context.Context) error) error {
		return c.locked(ctx, r, mode, func(ctx context.Context, _ *repository.Repository) error { return do(ctx) })
	}
}

func (c *command) listIDs(title string, ids []id.ID) {
	if len(ids) == 0 {
		return
	}
	c.ui.infof("%s:\n  %s", title, strings.Join(idStrings(ids), "\n  "))
}

func newRepairPacks(c *command) *cobra.Command {
	var noBackup bool
	var f healFlags
	cmd := &cobra.Command{
		Use:   "packs [flags] ID...",
		Short: "Move what is whole in damaged packs to new ones",
		Long: `Store again what can still be read of damaged packs, take them out of the index
and delete them. A copy of each is kept in the current folder, as pack-ID.

What cannot be read is taken from the copies named with --from. What is lost for
good is told; run ` + "`holdfast repair snapshots`" + ` then.`,
		Example: "  holdfast repair packs 0c1f2e3d…",
		RunE: func(cmd *cobra.Command, args []string) error {
			o := repair.PacksOptions{BackupDir: "."}
			if noBackup {
				o.BackupDir = ""
			}
			var err error
			if o.Packs, err = parsePackIDs(args); err != nil {
				return err
			}
			return c.runRepairPacks(cmd.Context(), &f, o)
		},
	}
	f.registerFrom(cmd.Flags())
	cmd.Flags().BoolVar(&noBackup, "no-backup", false, "keep no copies of the damaged packs")
	return cmd
}

// parsePackIDs wants whole IDs: what they name is deleted.
func parsePackIDs(args []string) ([]id.ID, error) {
	if len(args) == 0 {
		return nil, errors.New("no packs given: `holdfast check --read-data` tells which are damaged")
	}
	seen := make(id.Set)
	var packs []id.ID
	for _, arg := range args {
		i, err := id.Parse(arg)
		if err != nil {
			return nil, err
		}
		if !seen.Has(i) {
			packs = append(packs, i)
		}
		seen.Add(i)
	}
	return packs, nil
}

// repairPacksMessage is the result of `repair packs`.
type repairPacksMessage struct {
	MessageType string   `json:"message_type"` // "summary"
	Salvaged    int      `json:"salvaged_blobs"`
	Healed      int      `json:"healed_blobs"`
	Lost        []string `json:"lost_blobs"`
	Copies      []string `json:"copies"`
	Removed     int      `json:"removed_packs"`
}

func (c *command) runRepairPacks(ctx context.Context, f *healFlags, o repair.PacksOptions) error {
	if c.global.noLock {
		return errNeedsLock
	}
	o.Lost = func(_ blob.Blob, err error) { c.ui.warn("repair packs", "", err) }
	return c.healing(ctx, f, func(ctx context.Context, r *repository.Repository, from []openedCopy) error {
		o.From, o.Locked = repositoriesOf(from), c.lockedBy(r)
		report, err := repair.Packs(ctx, r, o)
		if err != nil {
			return err
		}
		m := repairPacksMessage{
			MessageType: "summary", Salvaged: report.Salvaged, Healed: report.Healed, Lost: []string{}, Removed: len(report.Removed),
			Copies: append([]string{}, report.Copies...),
		}
		for _, h := range report.Lost {
			m.Lost = append(m.Lost, h.Type.String()+"/"+h.ID.String())
		}
		c.ui.message(m)
		for _, name := range report.Copies {
			c.ui.infof("kept a copy: %s", name)
		}
		c.ui.infof("moved %s out of %s; lost %s", countOf(report.Salvaged, "blob"), countOf(len(o.Packs), "pack"), countOf(len(report.Lost), "blob"))
		if report.Healed > 0 {
			c.ui.infof("%s of these came from copies", countOf(report.Healed, "blob"))
		}
		if len(report.Lost) > 0 {
			c.ui.infof("next: `holdfast backup` of the same paths stores again what is still there,\n" +
				"`holdfast repair snapshots --forget` leaves out of the snapshots what is not")
		}
		return nil
	})
}
