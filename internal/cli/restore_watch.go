package cli

import (
	"time"

	"holdfast/internal/restore"
	"holdfast/repository/snapshot"
)

// restoreStatus tells how far a restore is, in restic's words.
type restoreStatus struct {
	MessageType      string  `json:"message_type"` // "status"
	SecondsElapsed   uint64  `json:"seconds_elapsed,omitempty"`
	SecondsRemaining uint64  `json:"seconds_remaining,omitempty"`
	PercentDone      float64 `json:"percent_done"`
	restoreCounts
}

// restoreCounts are what status and summary have in common.
type restoreCounts struct {
	TotalFiles    uint64 `json:"total_files,omitempty"`
	FilesRestored uint64 `json:"files_restored,omitempty"`
	FilesSkipped  uint64 `json:"files_skipped,omitempty"`
	FilesDeleted  uint64 `json:"files_deleted,omitempty"`
	TotalBytes    uint64 `json:"total_bytes,omitempty"`
	BytesRestored uint64 `json:"bytes_restored,omitempty"`
	BytesSkipped  uint64 `json:"bytes_skipped,omitempty"`
}

// restoreSummary is the last message of a restore, with restic's names and
// what it does not tell.
type restoreSummary struct {
	MessageType    string  `json:"message_type"` // "summary"
	SecondsElapsed uint64  `json:"seconds_elapsed,omitempty"`
	TotalDuration  float64 `json:"total_duration"` // seconds
	restoreCounts
	DryRun         bool   `json:"dry_run,omitempty"`
	FilesVerified  uint64 `json:"files_verified,omitempty"`
	BytesVerified  uint64 `json:"bytes_verified,omitempty"`
	OwnersKept     uint64 `json:"owners_kept,omitempty"`
	PrivilegesLost uint64 `json:"privileges_lost,omitempty"`
	AttributesLost uint64 `json:"attributes_lost,omitempty"`
	Errors         uint64 `json:"errors"`
}

// restoredItem tells of one item that is done, in restic's words.
type restoredItem struct {
	MessageType string `json:"message_type"` // "verbose_status"
	Action      string `json:"action"`
	Item        string `json:"item"`
	Size        uint64 `json:"size"`
}

func restoreCountsOf(p *restore.Progress) restoreCounts {
	return restoreCounts{
		TotalFiles: p.ItemsTotal.Load(), FilesRestored: p.ItemsRestored.Load(),
		FilesSkipped: p.ItemsSkipped.Load(), FilesDeleted: p.ItemsDeleted.Load(),
		TotalBytes: p.BytesTotal.Load(), BytesRestored: p.BytesRestored.Load(), BytesSkipped: p.BytesSkipped.Load(),
	}
}

func newRestoreSummary(p *restore.Progress, r *restore.Receipt, dryRun bool) restoreSummary {
	return restoreSummary{
		MessageType: "summary", SecondsElapsed: uint64(r.Duration.Seconds()), TotalDuration: r.Duration.Seconds(),
		restoreCounts: restoreCountsOf(p), DryRun: dryRun,
		FilesVerified: r.Verified, BytesVerified: p.BytesVerified.Load(),
		OwnersKept: r.OwnersKept, PrivilegesLost: r.PrivilegesLost, AttributesLost: r.AttributesLost, Errors: r.Errors,
	}
}

// watchRestore connects a restore to the terminal: errors, items if asked
// for, and progress. When all of a snapshot is restored its own summary tells
// how much that is; otherwise the total grows while the snapshot is walked.
func (c *command) watchRestore(o *restore.Options, s *snapshot.Snapshot) *progress {
	p := new(restore.Progress)
	o.Progress = p
	o.OnError = func(path string, err error) { c.ui.warn("restore", path, err) }
	if c.ui.verbose >= 2 || c.ui.verbose >= 1 && c.ui.json {
		o.OnItem = c.reportRestored
	}
	var whole uint64
	if s.Summary != nil && o.Subfolder == "" && len(o.Filter.Include)+len(o.Filter.Exclude) == 0 {
		whole = s.Summary.TotalBytesProcessed
	}
	if o.Verify { // everything is read once more
		whole *= 2
	}
	done := func() work {
		return work{
			items:  p.ItemsRestored.Load() + p.ItemsSkipped.Load(),
			bytes:  p.BytesRestored.Load() + p.BytesSkipped.Load() + p.BytesVerified.Load(),
			errors: p.Errors.Load(),
		}
	}
	total := func() work { return work{items: p.ItemsTotal.Load(), bytes: max(whole, p.BytesTotal.Load())} }
	return c.startProgressOf("restore", total, done, func(elapsed time.Duration) any {
		m := done().status(total(), elapsed)
		status := restoreStatus{
			MessageType: m.MessageType, SecondsElapsed: m.SecondsElapsed,
			SecondsRemaining: m.SecondsRemaining, PercentDone: m.PercentDone, restoreCounts: restoreCountsOf(p),
		}
		status.TotalBytes = max(status.TotalBytes, m.TotalBytes)
		return status
	})
}

func (c *command) reportRestored(i restore.Item) {
	if c.ui.json {
		c.ui.message(restoredItem{MessageType: "verbose_status", Action: string(i.Action), Item: i.Path, Size: i.Size})
		return
	}
	c.ui.infof("%-9s %s", i.Action, i.Path)
}
