package cli

import (
	"time"

	"holdfast/internal/backup"
)

// verboseStatus tells of one file or folder that is done, with --verbose
// twice or --json --verbose, in restic's words.
type verboseStatus struct {
	MessageType  string  `json:"message_type"` // "verbose_status"
	Action       string  `json:"action"`
	Item         string  `json:"item"`
	DataSize     uint64  `json:"data_size"`
	SizeInRepo   uint64  `json:"data_size_in_repo"`
	TotalSeconds float64 `json:"duration,omitempty"`
}

// statusMessage tells how far a backup is, in restic's words.
type statusMessage struct {
	MessageType      string  `json:"message_type"` // "status"
	SecondsElapsed   uint64  `json:"seconds_elapsed,omitempty"`
	SecondsRemaining uint64  `json:"seconds_remaining,omitempty"`
	PercentDone      float64 `json:"percent_done"`
	TotalFiles       uint64  `json:"total_files,omitempty"`
	FilesDone        uint64  `json:"files_done,omitempty"`
	TotalBytes       uint64  `json:"total_bytes,omitempty"`
	BytesDone        uint64  `json:"bytes_done,omitempty"`
	ErrorCount       uint64  `json:"error_count,omitempty"`
}

// watchBackup connects a backup to the terminal: errors, items if asked for,
// and progress measured against what the newest snapshot of it held.
func (c *command) watchBackup(o *backup.Options) *progress {
	p := new(backup.Progress)
	o.Progress = p
	o.OnError = func(path string, err error) { c.ui.warn("archival", path, err) }
	if c.ui.verbose >= 2 || c.ui.verbose >= 1 && c.ui.json {
		o.OnItem = c.reportItem
	}
	var total work
	for _, s := range o.Snapshots {
		if o.GroupBy.Key(s).JSON() == o.GroupBy.Key(&o.Snapshot).JSON() && s.Summary != nil {
			total = work{items: s.Summary.TotalFilesProcessed, bytes: s.Summary.TotalBytesProcessed}
		}
	}
	return c.startProgress("backup", total, func() work {
		return work{items: p.Files(), bytes: p.Bytes.Load(), errors: p.Errors.Load()}
	})
}

func (c *command) reportItem(i backup.Item) {
	if c.ui.json {
		c.ui.message(verboseStatus{MessageType: "verbose_status", Action: string(i.State), Item: i.Path, DataSize: i.Size, SizeInRepo: i.Stored})
		return
	}
	c.ui.infof("%-9s %s", i.State, i.Path)
}

// status turns work done into restic's status message.
func (w work) status(total work, elapsed time.Duration) statusMessage {
	m := statusMessage{
		MessageType: "status", SecondsElapsed: uint64(elapsed.Seconds()),
		TotalFiles: total.items, FilesDone: w.items, TotalBytes: total.bytes, BytesDone: w.bytes, ErrorCount: w.errors,
	}
	if total.bytes > 0 {
		m.PercentDone = min(1, float64(w.bytes)/float64(total.bytes))
		if m.PercentDone > 0 {
			m.SecondsRemaining = uint64(elapsed.Seconds() * (1 - m.PercentDone) / m.PercentDone)
		}
	}
	return m
}
