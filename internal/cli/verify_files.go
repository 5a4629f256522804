package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"holdfast/internal/app/protect"
	"holdfast/internal/config"
	"holdfast/internal/size"
	"holdfast/internal/verify/proof"
	"holdfast/internal/verify/restoretest"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// files restores a snapshot of files, holds all of it to what was recorded, and
// asks the plan's questions of what came back.
func (t *restoreTest) files(ctx context.Context, r *repository.Repository, snapshots []*snapshot.Snapshot) error {
	s, err := t.point.choose(snapshots)
	if err != nil {
		return err
	}
	t.take(s)
	t.test.RPO.Measured = max(0, t.test.Began.Sub(snapshots[len(snapshots)-1].Time)).Seconds()
	apart, err := proof.NewScratch(filepath.Join(t.scratch.Path(), "restored"))
	if err != nil {
		return err
	}
	began, phase := time.Now(), ""
	step := func() {
		if phase != "" {
			t.test.AddStep(phase, began, time.Since(began), nil)
		}
		began = time.Now()
	}
	told := make(map[string]bool)
	wrong := func(path string, err error) {
		if !told[path] { // what is not restored is not found afterwards, either
			told[path] = true
			t.test.Find("%s: %v", printable(path), err)
		}
	}
	p, err := protect.Prove(ctx, r, s, protect.ProofOptions{
		Scratch: apart,
		OnPhase: func(name string, part, parts int, bytes uint64) {
			step()
			if phase = name; parts > 1 {
				phase = fmt.Sprintf("%s, part %d of %d", name, part, parts)
			}
			t.ui.infof("%s (%s) ...", phase, size.FormatBytes(bytes))
		},
		OnRestore: wrong, OnDifference: wrong,
		Look: func(ctx context.Context, target string, whole bool) error {
			step()
			phase = "checks"
			return t.lookAtFiles(ctx, target, whole)
		},
	})
	step()
	if err != nil {
		return err
	}
	judgeFiles(t.test, p, s)
	return nil
}

// lookAtFiles asks the plan's questions of a restored folder.
func (t *restoreTest) lookAtFiles(ctx context.Context, target string, whole bool) error {
	for _, c := range t.checks() {
		switch {
		case c.Canary == "" && len(c.Command) == 0:
		case !whole:
			t.test.Check(nameOf(c), "everything restored at once", "there is room for parts only: name a larger folder with scratch", false)
		case c.Canary != "":
			canary := restoretest.Canary{Name: nameOf(c), Path: c.Canary, SHA256: c.SHA256}
			if err := canary.Look(t.test, target); err != nil {
				return err
			}
		default:
			if err := t.sandbox.Run(ctx, t.test, commandOf(c), target); err != nil {
				return err
			}
		}
	}
	return nil
}

// judgeFiles turns what was compared into checks.
func judgeFiles(t *restoretest.Test, p *proof.Proof, s *snapshot.Snapshot) {
	t.Files, t.Bytes = p.Files, p.RestoredBytes
	t.RTO.Measured = p.RestoreDuration.Seconds()
	t.Versions["snapshot's program"] = s.ProgramVersion
	items := p.Files + p.Folders + p.Others
	actual := fmt.Sprintf("%d items are, with %s of content", items, size.FormatBytes(p.Bytes))
	if p.Differences > 0 {
		actual += fmt.Sprintf("; %d are not", p.Differences)
	}
	c := "every file, folder and link as the snapshot recorded it: content, size and metadata"
	t.Checks = append(t.Checks, checkOf("whole tree", c, actual, p.Holds()))
	t.Problems = max(t.Problems, int(p.Differences)) //nolint:gosec // no test finds as many
	if p.TooLargeFiles > 0 {
		t.Checks = append(t.Checks, checkOf("large files", "restored", fmt.Sprintf("%d were read from the repository and compared, but not restored: there was no room (%s and others)", p.TooLargeFiles, printable(p.TooLarge[0])), true))
	}
	if sum := s.Summary; sum != nil && strings.HasPrefix(s.ProgramVersion, "holdfast") && p.Holds() {
		expected := fmt.Sprintf("%d files and other items, %d bytes", sum.TotalFilesProcessed, sum.TotalBytesProcessed)
		actual := fmt.Sprintf("%d files and %d other items, %d bytes", p.Files, p.Others, p.Bytes)
		// Sockets are counted by the backup and never restored.
		t.Check("counts of the backup", expected, actual, sum.TotalFilesProcessed >= p.Files && sum.TotalBytesProcessed == p.Bytes)
	}
}

// checks are the plan's questions that this source has to answer.
func (t *restoreTest) checks() (chosen []config.Check) {
	if t.plan.RestoreTest == nil {
		return nil
	}
	for _, c := range t.plan.RestoreTest.Checks {
		if c.Source == t.name || c.Source == "" && t.answers(c) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// answers tells whether a question that names no source is for this one.
func (t *restoreTest) answers(c config.Check) bool {
	switch {
	case c.SQL != "":
		return t.kind != kindFiles
	case c.Canary != "", c.Files != nil:
		return t.kind == kindFiles
	}
	return true
}

// nameOf is what reports call a check.
func nameOf(c config.Check) string {
	return firstOf(c.Name, c.SQL, c.Canary, strings.Join(c.Command, " "))
}

func commandOf(c config.Check) restoretest.Command {
	return restoretest.Command{Name: nameOf(c), Args: c.Command, Expect: c.Expect, Timeout: time.Duration(c.Timeout)}
}
