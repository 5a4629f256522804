package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/evidence"
	"holdfast/internal/pitr"
	"holdfast/internal/postgres"
	"holdfast/internal/size"
	"holdfast/repository"
)

// recoveryPlanMessage tells what a restore of a cluster would do.
type recoveryPlanMessage struct {
	MessageType string            `json:"message_type"` // "recovery_plan"
	Snapshot    string            `json:"snapshot"`
	Timeline    uint32            `json:"timeline"`
	Bytes       uint64            `json:"bytes"`
	LogBytes    uint64            `json:"log_bytes"` // at most: to the target, or to the end of the log
	Why         []string          `json:"why"`
	Estimate    *recoveryEstimate `json:"estimate,omitempty"`
}

// recoveryEstimate is how long a restore and its recovery may take, going by the
// newest restore test.
type recoveryEstimate struct {
	RestoreSeconds float64   `json:"restore_seconds"`
	RecoverSeconds float64   `json:"recover_seconds"`
	Tested         time.Time `json:"tested"`
}

// explain tells what would be done, and how long that may take.
func (run *recovery) explain(ctx context.Context, r *repository.Repository, choice *pitr.Choice) error {
	m := recoveryPlanMessage{
		MessageType: "recovery_plan", Snapshot: choice.Point.Snapshot.ID.String(), Timeline: choice.Timeline,
		Bytes: bytesOf(choice.Point), LogBytes: logToReplay(choice, run.wish), Why: choice.Why,
	}
	var err error
	m.Estimate, err = run.estimate(ctx, r, m)
	if err != nil {
		return err
	}
	run.ui.message(m)
	if m.Estimate == nil {
		run.ui.infof("how long it takes is not known before the first restore test: holdfast verify%s --source %s", planFlag(run.f.log.plan), run.source)
		return nil
	}
	restoring, recovering := seconds(m.Estimate.RestoreSeconds), seconds(m.Estimate.RecoverSeconds)
	run.ui.infof("about %s, by the restore test of %s: %s for %s of files, up to %s for %s of log",
		roughly(restoring+recovering), m.Estimate.Tested.Local().Format(time.DateTime),
		roughly(restoring), size.FormatBytes(m.Bytes), roughly(recovering), size.FormatBytes(m.LogBytes))
	return nil
}

func planFlag(plan string) string {
	if plan == "" {
		return ""
	}
	return " --plan " + plan
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// roughly is precise enough for an estimate.
func roughly(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func bytesOf(p pitr.Point) uint64 {
	if p.Snapshot.Summary == nil {
		return 0
	}
	return p.Snapshot.Summary.TotalBytesProcessed
}

// logToReplay is how much log lies between the start of the backup and the
// target, or the end of the log where the target is none of its positions.
func logToReplay(choice *pitr.Choice, w pitr.Wish) uint64 {
	to := max(choice.End, choice.Point.End)
	switch {
	case w.Immediate:
		to = choice.Point.End
	case w.LSN != 0:
		to = w.LSN
	}
	return uint64(to - choice.Point.Start)
}

// estimate scales what the newest restore test took. It is nil when there was
// none that came so far.
func (run *recovery) estimate(ctx context.Context, r *repository.Repository, m recoveryPlanMessage) (e *recoveryEstimate, err error) {
	err = evidence.Tests(ctx, r, testsRead, func(rec *evidence.Record) bool {
		e = run.estimateBy(rec.RestoreTest, m)
		return e == nil
	})
	return e, err
}

func (run *recovery) estimateBy(t *evidence.RestoreTest, m recoveryPlanMessage) *recoveryEstimate {
	restoring, recovering := stepOf(t, "restore"), stepOf(t, "recover")
	if t.Source != run.source || run.f.log.plan != "" && t.Plan != run.f.log.plan || restoring == nil || recovering == nil {
		return nil
	}
	e := &recoveryEstimate{RestoreSeconds: restoring.Seconds, RecoverSeconds: recovering.Seconds, Tested: t.Began}
	n := slices.IndexFunc(run.points, func(p pitr.Point) bool { return p.Snapshot.ID.String() == t.Point.Snapshot })
	if n < 0 {
		return e // its size is not known any more
	}
	tested := run.points[n]
	if bytes := bytesOf(tested); bytes > 0 {
		e.RestoreSeconds *= float64(m.Bytes) / float64(bytes)
	}
	if reached, err := reachedBy(t); err == nil && reached > tested.Start {
		// To start a server takes its time, however little there is to replay.
		e.RecoverSeconds *= max(1, float64(m.LogBytes)/float64(reached-tested.Start))
	}
	return e
}

// stepOf is a step of a test that came to its end.
func stepOf(t *evidence.RestoreTest, name string) *evidence.Step {
	n := slices.IndexFunc(t.Steps, func(s evidence.Step) bool { return s.Name == name && s.Error == "" })
	if n < 0 {
		return nil
	}
	return &t.Steps[n]
}

// reachedBy is where in the log a test's recovery ended.
func reachedBy(t *evidence.RestoreTest) (postgres.LSN, error) {
	at, _, ok := strings.Cut(t.Point.Reached, " ")
	if !ok {
		return 0, errors.New("it reached no position")
	}
	lsn, err := postgres.ParseLSN(at)
	if err != nil {
		return 0, fmt.Errorf("what the test reached: %w", err)
	}
	return lsn, nil
}
