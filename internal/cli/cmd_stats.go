package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/internal/size"
	"holdfast/internal/snapfs/usage"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

func newStats(c *command) *cobra.Command {
	var chosen selectFlags
	var mode, prices string
	var costs bool
	cmd := &cobra.Command{
		Use:   "stats [flags] [SNAPSHOT...]",
		Short: "Measure what snapshots take up",
		Long: `Measure what snapshots take up: all of them, those named, or those that --host,
--tag and --path choose. The modes are

  restore-size       the size of everything when it is restored, each snapshot
                     by itself
  files-by-contents  the size of the files that differ in content, each once
  blobs-per-file     the size of the blobs of these files, each once for every
                     path it is in
  raw-data           what the repository stores for these snapshots: each blob
                     once, compressed

With --cost it tells instead what the repository and its copies in holdfast.yaml
cost in a month at an object store, what another storage class would save, and
what restoring all of it costs. The prices are list prices of the date shown;
--prices names a table of your own, in the same form as the built-in one
(docs/format/prices.md).`,
		Example: `  holdfast stats latest
  holdfast stats --mode raw-data
  holdfast stats --mode raw-data --host www --json
  holdfast stats --cost`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if costs {
				return c.runCost(cmd.Context(), prices)
			}
			m, err := usage.ParseMode(mode)
			if err != nil {
				return err
			}
			return c.runStats(cmd.Context(), &chosen, m, args)
		},
	}
	c.registerAsOf(cmd.Flags())
	chosen.register(cmd.Flags(), "H")
	cmd.Flags().StringVar(&mode, "mode", string(usage.RestoreSize), "what to count: `mode` restore-size, files-by-contents, blobs-per-file or raw-data")
	cmd.Flags().BoolVar(&costs, "cost", false, "estimate what the copies cost at object stores")
	cmd.Flags().StringVar(&prices, "prices", "", "`file` with a table of prices, for --cost")
	modes := []cobra.Completion{string(usage.RestoreSize), string(usage.FilesByContents), string(usage.BlobsPerFile), string(usage.RawData)}
	if err := cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions(modes, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is there
	}
	return cmd
}

func (c *command) runStats(ctx context.Context, chosen *selectFlags, mode usage.Mode, args []string) error {
	return c.loadedWork(ctx, func(ctx context.Context, r *repository.Repository, all []*snapshot.Snapshot) error {
		list, err := chosen.choose(all, args)
		if err != nil {
			return err
		}
		u, err := c.measure(ctx, r, list, mode)
		if err != nil {
			return err
		}
		c.showUsage(mode, u)
		return nil
	})
}

// measure counts the snapshots and shows how far it is.
func (c *command) measure(ctx context.Context, r *repository.Repository, list []*snapshot.Snapshot, mode usage.Mode) (usage.Usage, error) {
	counter := usage.NewCounter(r, mode)
	for n, s := range list {
		if err := counter.Add(ctx, s.Tree); err != nil {
			return usage.Usage{}, fmt.Errorf("snapshot %s, number %d of %d: %w; `holdfast check` tells more", s.ID.Short(), n+1, len(list), err)
		}
	}
	return counter.Usage(), nil
}

// usageMessage is the result of stats, in restic's words.
type usageMessage struct {
	TotalSize              uint64  `json:"total_size"`
	TotalUncompressedSize  uint64  `json:"total_uncompressed_size,omitempty"`
	CompressionRatio       float64 `json:"compression_ratio,omitempty"`
	CompressionProgress    float64 `json:"compression_progress,omitempty"`     // percent
	CompressionSpaceSaving float64 `json:"compression_space_saving,omitempty"` // percent
	TotalFileCount         uint64  `json:"total_file_count,omitempty"`
	TotalBlobCount         uint64  `json:"total_blob_count,omitempty"`
	SnapshotsCount         int     `json:"snapshots_count"`
}

func newUsageMessage(u usage.Usage) usageMessage {
	m := usageMessage{
		TotalSize: u.Size, TotalUncompressedSize: u.UncompressedSize,
		TotalFileCount: u.Files, TotalBlobCount: u.Blobs, SnapshotsCount: u.Snapshots,
	}
	if u.CompressedBlobsSize > 0 {
		m.CompressionRatio = float64(u.CompressedBlobsUncompressed) / float64(u.CompressedBlobsSize)
	}
	if u.UncompressedSize > 0 {
		m.CompressionProgress = float64(u.CompressedBlobsUncompressed) / float64(u.UncompressedSize) * 100
		m.CompressionSpaceSaving = (1 - float64(u.Size)/float64(u.UncompressedSize)) * 100
	}
	return m
}

func (c *command) showUsage(mode usage.Mode, u usage.Usage) {
	m := newUsageMessage(u)
	c.ui.message(m)
	c.ui.printf("%s of %s:\n", mode, countOf(u.Snapshots, "snapshot"))
	if m.TotalFileCount > 0 {
		c.ui.printf("  files and folders:   %d\n", m.TotalFileCount)
	}
	if m.TotalBlobCount > 0 {
		c.ui.printf("  blobs:               %d\n", m.TotalBlobCount)
	}
	c.ui.printf("  size:                %s\n", size.FormatBytes(m.TotalSize))
	if m.TotalUncompressedSize > 0 {
		c.ui.printf("  without compression: %s\n", size.FormatBytes(m.TotalUncompressedSize))
		c.ui.printf("  saved:               %.1f%%\n", m.CompressionSpaceSaving)
	}
	if m.CompressionRatio > 0 {
		c.ui.printf("  compressed:          %.1f%% of the data, to 1/%.1f of its size\n", m.CompressionProgress, m.CompressionRatio)
	}
}
