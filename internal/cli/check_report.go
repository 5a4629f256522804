package cli

import (
	"errors"
	"fmt"
	"strings"

	"holdfast/internal/size"
	"holdfast/internal/verify"
	"holdfast/repository"
	"holdfast/repository/id"
)

// problemMessage is one thing that is wrong.
type problemMessage struct {
	MessageType   string        `json:"message_type"` // "problem" or "hint"
	Kind          verify.Kind   `json:"kind"`
	File          string        `json:"file"`
	ID            string        `json:"id,omitempty"`
	Message       string        `json:"message"`
	Blobs         []string      `json:"blobs,omitempty"`
	BlobCount     int           `json:"blob_count,omitempty"`
	Snapshots     []string      `json:"snapshots,omitempty"`
	SnapshotCount int           `json:"snapshot_count,omitempty"`
	Paths         []verify.Path `json:"paths,omitempty"`
	PathCount     int           `json:"path_count,omitempty"`
	Shared        bool          `json:"shared,omitempty"`
}

// checkSummary is the last message of a check; the first fields are restic's.
type checkSummary struct {
	MessageType            string   `json:"message_type"` // "summary"
	NumErrors              int      `json:"num_errors"`
	BrokenPacks            []string `json:"broken_packs"`
	SuggestRepairIndex     bool     `json:"suggest_repair_index"`
	SuggestPrune           bool     `json:"suggest_prune"`
	SuggestRepairSnapshots bool     `json:"suggest_repair_snapshots"`
	DamagedSnapshots       []string `json:"damaged_snapshots"`
	NumHints               int      `json:"num_hints"`
	Snapshots              int      `json:"snapshots"`
	Packs                  int      `json:"packs"`
	PackBytes              uint64   `json:"pack_bytes"`
	PacksRead              uint64   `json:"packs_read"`
	BytesRead              uint64   `json:"bytes_read"`
	ColdPacks              uint64   `json:"cold_packs_skipped,omitempty"`
	ColdBytes              uint64   `json:"cold_bytes_skipped,omitempty"`
	Seconds                float64  `json:"total_duration"`
}

func (c *command) reportCheck(r *verify.Report) {
	for n := range r.Problems {
		c.reportProblem(&r.Problems[n])
	}
	c.ui.message(checkSummary{
		MessageType: "summary", NumErrors: r.Errors, BrokenPacks: idStrings(r.BrokenPacks),
		SuggestRepairIndex: r.RepairIndex, SuggestPrune: r.Prune, SuggestRepairSnapshots: r.RepairSnapshots,
		DamagedSnapshots: idStrings(r.DamagedSnapshots), NumHints: r.Hints,
		Snapshots: r.Snapshots, Packs: r.Packs, PackBytes: r.PackBytes, PacksRead: r.PacksRead, BytesRead: r.BytesRead,
		ColdPacks: r.ColdPacks, ColdBytes: r.ColdBytes, Seconds: r.Duration.Seconds(),
	})
	if r.Hints > 0 && r.Sound() {
		c.reportHints(r)
	}
	c.ui.infof("checked %s and %s; read %d of %s, %s in %s", countOf(r.Snapshots, "snapshot"), countOf(r.Blobs, "blob"),
		r.PacksRead, countOf(r.Packs, "pack"), size.FormatBytes(r.BytesRead), size.FormatDuration(r.Duration))
	if r.ColdPacks > 0 {
		c.ui.infof("not read: %d packs (%s) in colder storage classes; see --include-cold", r.ColdPacks, size.FormatBytes(r.ColdBytes))
	}
	if r.Sound() {
		c.ui.infof("no errors were found")
	}
}

// reportHints says what to do about what does no harm.
func (c *command) reportHints(r *verify.Report) {
	if r.RepairIndex {
		c.ui.infof("duplicate index entries do no harm; `holdfast repair index` removes them")
	}
	if r.Prune {
		c.ui.infof("orphan and mixed packs do no harm; `holdfast prune` tidies them up")
	}
}

func (c *command) reportProblem(p *verify.Problem) {
	hint := p.Kind.IsHint()
	if c.ui.json {
		c.ui.message(newProblemMessage(p))
		return
	}
	if hint && c.ui.verbose == 0 {
		return
	}
	if hint {
		c.ui.infof("hint: %s", p)
		return
	}
	c.ui.warn("check", "", errors.New(describeProblem(p)))
}

func newProblemMessage(p *verify.Problem) problemMessage {
	m := problemMessage{
		MessageType: "problem", Kind: p.Kind, File: p.File.String(), Message: p.String(), BlobCount: p.BlobCount,
		Snapshots: idStrings(p.Affects.Snapshots), SnapshotCount: p.Affects.SnapshotCount,
		Paths: p.Affects.Paths, PathCount: p.Affects.PathCount, Shared: p.Affects.Shared,
	}
	if p.Kind.IsHint() {
		m.MessageType = "hint"
	}
	if !p.ID.IsZero() {
		m.ID = p.ID.String()
	}
	for _, h := range p.Blobs {
		m.Blobs = append(m.Blobs, h.Type.String()+"/"+h.ID.String())
	}
	return m
}

// describeProblem says what is wrong and, in further lines, what it hits.
func describeProblem(p *verify.Problem) string {
	var b strings.Builder
	fmt.Fprintf(&b, "error: %s", p)
	a := &p.Affects
	if a.SnapshotCount > 0 {
		fmt.Fprintf(&b, "\n  hits %s:", countOf(a.SnapshotCount, "snapshot"))
		for _, i := range a.Snapshots {
			b.WriteString(" " + i.Short())
		}
		b.WriteString(ellipsis(a.SnapshotCount > len(a.Snapshots)))
	}
	for _, path := range a.Paths {
		fmt.Fprintf(&b, "\n  %s:%s", path.Snapshot.Short(), path.Path)
	}
	if more := a.PathCount - len(a.Paths); more > 0 {
		fmt.Fprintf(&b, "\n  and %d more paths", more)
	}
	if a.Shared {
		b.WriteString("\n  (together with other problems)")
	}
	return b.String()
}

func ellipsis(more bool) string {
	if more {
		return " …"
	}
	return ""
}

// nextSteps tells how to repair what was found, in the order in which it is
// done.
func nextSteps(r *verify.Report) string {
	var steps []string
	if r.RepairIndex {
		steps = append(steps, "`holdfast repair index`")
	}
	if len(r.BrokenPacks) > 0 {
		steps = append(steps, "`holdfast repair packs "+strings.Join(idStrings(r.BrokenPacks), " ")+"`")
	}
	if len(steps) > 0 && r.RepairSnapshots {
		steps = append(steps, "`holdfast check` again: the snapshots may be whole then")
	}
	if r.RepairSnapshots {
		steps = append(steps, "`holdfast backup` of the same paths, which stores again what is still there",
			"`holdfast repair snapshots --forget`, which leaves out what is lost")
	}
	for _, kind := range []repository.FileKind{repository.ConfigFile, repository.KeyFile, repository.LockFile} {
		if r.Has(verify.DamagedFile, kind) {
			steps = append(steps, smallFileStep(kind))
		}
	}
	if len(steps) == 0 {
		return "next: see to it that the storage can be read, then check again"
	}
	return "next, in this order (save a copy of the repository first if you can):\n  " + strings.Join(steps, "\n  ")
}

// smallFileStep tells what to do about a damaged file that holds no data.
func smallFileStep(k repository.FileKind) string {
	switch k {
	case repository.KeyFile:
		return "`holdfast key add`, then `holdfast key remove` of the damaged key"
	case repository.LockFile:
		return "`holdfast unlock --remove-all`, when no other program is at work"
	}
	return "bring the config file back from another copy of the repository"
}

// countOf is a number with its word, in the plural if need be.
func countOf[N int | uint64](n N, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// idStrings returns whole IDs, and a list that is not nil: JSON shows it.
func idStrings(ids []id.ID) []string {
	list := make([]string, len(ids))
	for n, i := range ids {
		list[n] = i.String()
	}
	return list
}
