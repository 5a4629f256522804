package cli

import (
	"holdfast/internal/app/console"
	"holdfast/internal/app/service"
)

// The figures that tell how large a repository is, by those who counted it
// anyway; see internal/app/console.
const (
	figureSize      = console.FigureSize
	figureSnapshots = console.FigureSnapshots
)

// reported is a message that is part of what a run did. The service that
// started this process learns of it from the report; see docs/format.
type reported interface{ addTo(r *service.Report) }

func (m backupSummary) addTo(r *service.Report) {
	r.Bytes += m.TotalBytesProcessed
	r.Added += m.DataAddedPacked
	r.Files += m.TotalFilesProcessed
	if m.SnapshotID != "" {
		r.Snapshots = append(r.Snapshots, m.SnapshotID)
	}
	r.AddFigure("files_new", float64(m.FilesNew))
	r.AddFigure("files_changed", float64(m.FilesChanged))
	r.AddFigure("data_added_bytes", float64(m.DataAdded))
	r.AddFigure("errors", float64(m.Errors))
}

func (m copyMessage) addTo(r *service.Report) {
	if m.MessageType == "copied" && m.To != "" {
		r.Snapshots = append(r.Snapshots, m.To)
	}
}

func (m copySummary) addTo(r *service.Report) {
	r.Bytes += m.Bytes
	r.Added += m.Bytes
	r.AddFigure("snapshots_copied", float64(m.Copied))
	r.AddFigure("read_back_bytes", float64(m.BytesReadBack))
}

func (m prunePlanMessage) addTo(r *service.Report) {
	r.Bytes += m.Repack.Bytes
	r.More = m.Limited && m.PacksRepack > 0 // without progress there is no end
	r.AddFigure("freed_bytes", float64(m.FreedBytes))
	r.AddFigure("unused_bytes", float64(m.UnusedAfterBytes))
	r.AddFigure("packs_removed", float64(m.PacksRemove))
	if all := m.Used.Bytes + m.Duplicate.Bytes + m.Unused.Bytes + m.Unindexed.Bytes; all >= m.FreedBytes {
		r.AddFigure(figureSize, float64(all-m.FreedBytes))
	}
}

func (m pruneSummary) addTo(r *service.Report) { r.More = r.More || m.Cut }

func (m checkSummary) addTo(r *service.Report) {
	r.Bytes += m.BytesRead
	r.AddFigure("problems", float64(m.NumErrors))
	r.AddFigure("packs_read", float64(m.PacksRead))
	r.AddFigure("snapshots", float64(m.Snapshots))
	r.AddFigure(figureSize, float64(m.PackBytes))
	r.AddFigure(figureSnapshots, float64(m.Snapshots))
}

func (m logPrunedMessage) addTo(r *service.Report) {
	r.Bytes += uint64(max(m.RemovedBytes, 0)) //nolint:gosec // not negative
	r.AddFigure("segments_removed", float64(len(m.Segments)))
}

func (m protectResult) addTo(r *service.Report) {
	r.Plan, r.Source, r.Repository = m.Plan, m.Source, m.Repository.Name
	r.Bytes, r.Files, r.Added = m.Bytes, m.Files, m.BytesStored
	if m.RepositoryMade {
		r.AddFigure(figureSize, float64(m.BytesStored))
		r.AddFigure(figureSnapshots, 1)
	}
	if m.SnapshotID != "" {
		r.Snapshots = append(r.Snapshots, m.SnapshotID)
	}
}

func (m restoreSummary) addTo(r *service.Report) {
	r.Bytes, r.Files = m.BytesRestored+m.BytesSkipped, m.FilesRestored+m.FilesSkipped
	r.AddFigure("restored_bytes", float64(m.BytesRestored))
	r.AddFigure("errors", float64(m.Errors))
}

func (m *verifyMessage) addTo(r *service.Report) {
	if m.Snapshot != "" {
		r.Snapshots = append(r.Snapshots, m.Snapshot)
	}
	if e, judged := m.event(); judged {
		r.Events = append(r.Events, e)
	}
	r.AddFigure("rto_seconds", m.RTO)
	r.AddFigure("rpo_seconds", m.RPO)
}
