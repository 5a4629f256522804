package cli

import (
	"context"
	"sync/atomic"
	"time"

	"holdfast/internal/backup"
	"holdfast/internal/source"
)

// verboseStatus tells of one file or folder that is done, with --verbose
// twice or --json --verbose, in restic's words.
type verboseStatus struct {
	MessageType string `json:"message_type"` // "verbose_status"
	Action      string `json:"action"`       // "new", "modified" or "unchanged"
	Item        string `json:"item"`
	// DataSize counts the bytes that were new to the repository, SizeInRepo
	// what they take there.
	DataSize   uint64 `json:"data_size"`
	SizeInRepo uint64 `json:"data_size_in_repo"`
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
	// BytesRead is told where more was read than is done: the rest waits for
	// the store.
	BytesRead uint64 `json:"bytes_read,omitempty"`
}

// watchBackup connects a backup to the terminal: errors, items if asked for,
// and progress. What is to be done in all is what the newest snapshot of the
// source held; if there is none, scan is counted while the backup runs (it may
// be nil), but only where somebody watches: counting costs CPU time.
func (c *command) watchBackup(ctx context.Context, scan source.Source, o *backup.Options) *backupWatch {
	p := new(backup.Progress)
	o.Progress = p
	w := &backupWatch{}
	o.OnError = func(path string, err error) {
		w.progress.clear()
		c.ui.warn("archival", path, err)
	}
	if c.ui.verbose >= 2 || c.ui.verbose >= 1 && c.ui.json {
		o.OnItem = func(i backup.Item) {
			w.progress.clear()
			c.reportItem(i)
		}
	}
	total, known := earlierTotal(o)
	w.total.Store(&total)
	if !known && scan != nil && c.watched() {
		w.startScan(ctx, scan)
	}
	done := func() work {
		return work{items: p.Files(), bytes: p.Durable(), read: p.Done(), errors: p.Errors.Load()}
	}
	w.progress = c.startProgressOf("backup", func() work { return *w.total.Load() }, done, func(elapsed time.Duration) any {
		return done().status(*w.total.Load(), elapsed)
	})
	return w
}

// watched tells whether somebody looks at the progress as it goes.
func (c *command) watched() bool { return !c.ui.quiet && (c.ui.json || isTerminal(c.ui.err)) }

// backupWatch is the progress of a backup on display.
type backupWatch struct {
	progress *progress
	total    atomic.Pointer[work] // zero as long as it is not known
	stopScan func()
}

// startScan counts what the backup will go through. There is no total before
// the end of the scan.
func (w *backupWatch) startScan(ctx context.Context, src source.Source) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	w.stopScan = func() {
		cancel()
		<-ended
	}
	go func() {
		defer close(ended)
		var found work
		err := backup.Scan(ctx, src, func(sizeBytes int64) {
			found.items++
			found.bytes += uint64(max(0, sizeBytes))
		})
		if err == nil {
			w.total.Store(&found)
		}
	}()
}

// stop ends the display.
func (w *backupWatch) stop() {
	if w.stopScan != nil {
		w.stopScan()
	}
	w.progress.stop()
}

// earlierTotal returns what the newest snapshot of the source held.
func earlierTotal(o *backup.Options) (total work, known bool) {
	group := o.GroupBy.Key(&o.Snapshot).JSON()
	for _, s := range o.Snapshots { // oldest first
		if s.Summary != nil && o.GroupBy.Key(s).JSON() == group {
			total, known = work{items: s.Summary.TotalFilesProcessed, bytes: s.Summary.TotalBytesProcessed}, true
		}
	}
	return total, known
}

func (c *command) reportItem(i backup.Item) {
	if c.ui.json {
		m := verboseStatus{MessageType: "verbose_status", Action: string(i.State), Item: i.Path}
		switch i.State {
		case backup.Changed:
			m.Action = "modified"
			fallthrough
		case backup.New:
			m.DataSize, m.SizeInRepo = i.Added, i.Stored
		}
		c.ui.message(m)
		return
	}
	c.ui.infof("%-9s %s", i.State, i.Path)
}

// status turns work done into restic's status message.
func (w work) status(total work, elapsed time.Duration) statusMessage {
	if total.bytes > 0 { // it was as much the last time
		total.bytes = max(total.bytes, w.read)
	}
	m := statusMessage{
		MessageType: "status", SecondsElapsed: uint64(elapsed.Seconds()),
		TotalFiles: total.items, FilesDone: w.items, TotalBytes: total.bytes, BytesDone: w.bytes, ErrorCount: w.errors,
	}
	if w.read > w.bytes {
		m.BytesRead = w.read
	}
	if total.bytes > 0 {
		m.PercentDone = min(1, float64(w.bytes)/float64(total.bytes))
		if m.PercentDone > 0 {
			m.SecondsRemaining = uint64(elapsed.Seconds() * (1 - m.PercentDone) / m.PercentDone)
		}
	}
	return m
}
