package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"time"

	"holdfast/internal/config"
	"holdfast/internal/evidence"
	"holdfast/internal/trace"
	"holdfast/internal/verify/restoretest"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
)

// verifyRun tests the sources of a plan.
type verifyRun struct {
	*command
	f        *verifyFlags
	cfg      *config.Config
	planName string
	plan     config.Plan
	point    testPoint
	// target is what is known of the place to restore to, limits included.
	target evidence.Target
}

// settings are those of the plan's restore tests.
func (v *verifyRun) settings() config.RestoreTest {
	if v.plan.RestoreTest == nil {
		return config.RestoreTest{}
	}
	return *v.plan.RestoreTest
}

// limit applies the limits of the plan's restore tests to this process.
func (v *verifyRun) limit() error {
	l := v.settings().Limits
	if l.Download > 0 && v.global.limitDownload == 0 {
		v.global.limitDownload = int(l.Download >> 10)
	}
	v.target.System = runtime.GOOS + "/" + runtime.GOARCH
	return restoretest.Limits{Nice: l.Nice, Memory: int64(l.Memory)}.Apply(&v.target) //nolint:gosec // no machine has as much
}

// The kinds of sources, as a record names them.
const (
	kindFiles    = "files"
	kindPostgres = "postgres"
	kindDump     = "dump"
)

func kindOf(s config.Source) string {
	switch {
	case s.Postgres != nil && s.Postgres.Method == config.MethodDump:
		return kindDump
	case s.Postgres != nil:
		return kindPostgres
	}
	return kindFiles
}

// restoreTest is the test of one source.
type restoreTest struct {
	*verifyRun
	name    string
	kind    string
	source  config.Source
	from    logRepository
	point   testPoint
	test    *restoretest.Test
	scratch *restoretest.Scratch
	sandbox restoretest.Sandbox
	// message is what is told at the end.
	message verifyMessage
}

// errNotJudged marks what kept a test from being carried out, and says nothing
// of the backup.
var errNotJudged = errors.New("the restore test could not be carried out")

func notJudged(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errNotJudged, err)
}

// test tests one source, from another repository too when it does not come back
// from the one whose turn it is.
func (v *verifyRun) test(ctx context.Context, source string) (err error) {
	ctx, span := trace.Start(ctx, "restore test", slog.String("plan", v.planName), slog.String("source", source))
	defer func() { span.End(err) }()
	from, point, err := v.next(ctx, source)
	if err != nil {
		return err
	}
	t := v.begin(source, from, point, nil)
	err = t.carryOut(ctx)
	if err == nil || ctx.Err() != nil || v.f.noFallback || !t.isOfThePlace() {
		return err
	}
	return t.elsewhere(ctx, err)
}

// begin begins the test of a source from a repository, which stands in for
// another one that the source has just not come back from, or for none.
func (v *verifyRun) begin(source, from string, point testPoint, instead *evidence.Place) *restoreTest {
	t := &restoreTest{
		verifyRun: v, name: source, source: v.cfg.Sources[source], from: v.logRepository(v.cfg, from), point: point,
	}
	t.kind = kindOf(t.source)
	t.test = restoretest.Begin(evidence.RestoreTest{
		Plan: v.planName, Source: source, SourceKind: t.kind, Settings: v.settingsHash(), Target: v.target,
		From: evidence.Place{Name: from, Location: t.from.url}, InsteadOf: instead,
		Point: evidence.TestPoint{Asked: point.asked},
		RTO:   evidence.Time{Promised: time.Duration(v.plan.Objectives.RTO).Seconds()},
		RPO:   evidence.Time{Promised: time.Duration(v.plan.Objectives.RPO).Seconds()},
	})
	t.test.Versions["holdfast"] = Version
	if point.asked == pointRandom {
		t.test.Point.Seed = point.seed
	}
	return t
}

// carryOut makes the test and keeps the record of it.
func (t *restoreTest) carryOut(ctx context.Context) error {
	t.ui.infof("restore test of %s: the %s point in %s", t.name, t.point.asked, t.from.name)
	r, err := t.openFrom(ctx)
	if err == nil {
		t.test.From.Repository, t.test.From.Location = r.ID(), r.Location()
		err = t.locked(ctx, r, repository.Shared, func(ctx context.Context, r *repository.Repository) error { return t.run(ctx, r) })
	}
	return t.end(ctx, r, err)
}

// openFrom opens the repository to restore from, and nothing else: what its
// copies or the cache have proves nothing of it.
func (t *restoreTest) openFrom(ctx context.Context) (*repository.Repository, error) {
	alone := *t.command
	alone.global.noCache = true
	alone.global.noFallback = true
	if len(t.plan.Copies) > 0 {
		alone.global.patience = fallbackPatience
	}
	return alone.openPlace(ctx, t.from.place)
}

// run restores to a place apart, and removes what came back.
func (t *restoreTest) run(ctx context.Context, r *repository.Repository) error {
	own, err := t.snapshotsOf(ctx, r, t.name)
	if err != nil {
		return err
	}
	t.turnToFailed(ctx, r, own)
	t.scratch, err = restoretest.NewScratch(firstOf(t.f.scratch, t.settings().Scratch))
	if err != nil {
		return notJudged(err)
	}
	t.test.Target.Folder = t.scratch.Path()
	t.sandbox = restoretest.Sandbox{Scratch: t.scratch.Path(), Memory: int64(t.settings().Limits.Memory)} //nolint:gosec // no machine has as much
	if t.sandbox.Program, err = os.Executable(); err != nil {
		return notJudged(fmt.Errorf("find this program: %w", err))
	}
	if slices.ContainsFunc(t.checks(), func(c config.Check) bool { return len(c.Command) > 0 }) {
		t.sandbox.Describe(&t.test.Target)
	}
	switch t.kind {
	case kindFiles:
		t.test.Target.Isolation = append(t.test.Target.Isolation, "restored below the scratch folder only; no link is followed out of it")
		err = t.files(ctx, r, own)
	case kindDump:
		err = t.dumps(ctx, r, own)
	default:
		err = t.cluster(ctx, r)
	}
	if rerr := t.scratch.Remove(); rerr != nil {
		t.test.Cleanup.Error = rerr.Error()
		return errors.Join(err, rerr)
	}
	t.test.Cleanup = evidence.Cleanup{Done: true, Time: time.Now().UTC().Truncate(time.Millisecond)}
	return err
}

// take notes which snapshot is restored.
func (t *restoreTest) take(s *snapshot.Snapshot) {
	t.point.like = s
	t.test.Point.Snapshot, t.test.Point.Time = s.ID.String(), s.Time.UTC()
}

// end comes to a verdict, keeps the evidence and tells.
func (t *restoreTest) end(ctx context.Context, r *repository.Repository, err error) error {
	var locked *repository.LockedError
	if ctx.Err() != nil || errors.As(err, &locked) { // nothing was found out
		return errors.Join(err, closed(r))
	}
	if t.scratch == nil { // nothing was restored
		t.test.Cleanup.Done = true
	}
	t.test.End(ctx, err)
	if errors.Is(err, errNotJudged) {
		t.test.Verdict = evidence.NotJudged
	}
	m := &t.message
	m.Evidence, m.EvidenceIn = t.keep(ctx, r)
	m.MessageType, m.Plan, m.Source, m.From, m.Point = "restore_test", t.planName, t.name, t.from.name, t.point.asked
	if t.test.InsteadOf != nil {
		m.InsteadOf = t.test.InsteadOf.Name
	}
	m.Snapshot, m.Good, m.Verdict = t.test.Point.Snapshot, t.test.Good(), t.test.Verdict
	m.Findings, m.Checks = append([]string{}, t.test.Findings...), t.test.Checks
	m.Files, m.Bytes = t.test.Files, t.test.Bytes
	m.Phases = make(map[string]float64)
	for _, step := range t.test.Steps {
		m.Phases[step.Name] += step.Seconds
	}
	m.failed = t.whatFailed()
	m.RTO, m.RPO, m.PromisedRTO, m.PromisedRPO = t.test.RTO.Measured, t.test.RPO.Measured, t.test.RTO.Promised, t.test.RPO.Promised
	t.tell(m)
	t.trace(ctx)
	return errors.Join(t.verdict(err), closed(r))
}

// trace tells of the test and its steps, as the evidence has them.
func (t *restoreTest) trace(ctx context.Context) {
	trace.Say(ctx, slog.String("repository", t.from.name), slog.String("point", t.point.asked), slog.String("snapshot", t.test.Point.Snapshot),
		slog.String("verdict", string(t.test.Verdict)), slog.Float64("rto_seconds", t.test.RTO.Measured), slog.Float64("rpo_seconds", t.test.RPO.Measured))
	for _, step := range t.test.Steps {
		trace.Record(ctx, step.Name, step.Began, time.Duration(step.Seconds*float64(time.Second)), step.Error)
	}
}

// unprovenError is the end of a test that failed, of which people are told by
// its event.
type unprovenError struct{ error }

// Unwrap returns why, with its exit code.
func (e unprovenError) Unwrap() error { return e.error }

// verdict is the error that a test ends with.
func (t *restoreTest) verdict(err error) error {
	switch {
	case t.test.Good():
		return nil
	case t.test.Verdict == evidence.Failed:
		return unprovenError{t.failure(err)}
	}
	return t.failure(err)
}

func (t *restoreTest) failure(err error) error {
	if err != nil && t.test.Problems == 1 { // with its exit code
		return fmt.Errorf("the restore test FAILED: %w", err)
	}
	const shown = 3
	list := t.test.Findings[:min(shown, len(t.test.Findings))]
	text := ""
	for _, finding := range list {
		text += "; " + printable(finding)
	}
	if more := t.test.Problems - len(list); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return fmt.Errorf("the restore test FAILED: %s", text[len("; "):])
}

func closed(r *repository.Repository) error {
	if r == nil {
		return nil
	}
	return r.Close()
}

// keep stores the evidence in the repository that was tested or, if that
// cannot keep it, in another one of the plan.
func (t *restoreTest) keep(ctx context.Context, r *repository.Repository) (key, in string) {
	rec := t.test.Record()
	if i, err := id.Parse(t.test.Point.Snapshot); err == nil {
		rec.Snapshot = &i
	}
	if t.test.Verdict == evidence.NotJudged {
		rec.Read = evidence.Trees
	}
	var errs []error
	if r != nil {
		key, err := t.saveEvidence(ctx, r, rec)
		if err == nil {
			return key, t.from.name
		}
		errs = append(errs, err)
	}
	for _, name := range t.plan.Repositories() {
		if name == t.from.name {
			continue
		}
		key, err := t.keepElsewhere(ctx, name, rec)
		if err == nil {
			return key, name
		}
		errs = append(errs, fmt.Errorf("repository %s: %w", name, err))
	}
	if len(errs) == 0 {
		errs = append(errs, errors.New("the plan has no other repository that could keep it"))
	}
	t.tellNoEvidence(errors.Join(errs...))
	return "", ""
}

func (t *restoreTest) keepElsewhere(ctx context.Context, name string, rec evidence.Record) (key string, err error) {
	return t.keepIn(ctx, t.cfg, name, rec)
}

// settingsHash tells one version of the plan from another.
func (v *verifyRun) settingsHash() string {
	text, err := json.Marshal(struct {
		Plan    config.Plan
		Sources map[string]config.Source
	}{v.plan, v.cfg.Sources})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// next returns where the next test of a source restores from, and which point:
// what the flags say, or what comes after the last test.
func (v *verifyRun) next(ctx context.Context, source string) (from string, point testPoint, err error) {
	places, points := v.settings().From, v.settings().Points
	if len(places) == 0 {
		places = v.plan.Repositories()
	}
	if len(points) == 0 {
		points = []string{pointNewest}
	}
	if v.f.from != "" && v.f.from != "rotate" {
		if !slices.Contains(v.plan.Repositories(), v.f.from) {
			return "", point, fmt.Errorf("plan %s has no repository %q; it has %v", v.planName, v.f.from, v.plan.Repositories())
		}
		places = []string{v.f.from}
	}
	if v.f.point != "" {
		points = []string{v.f.point}
	}
	turn := 0
	if len(places)*len(points) > 1 {
		if turn, err = v.turn(ctx, source, places, points); err != nil {
			return "", point, err
		}
	}
	point = testPoint{asked: points[turn/len(places)], seed: v.point.seed}
	if v.f.from != "" && v.f.from != "rotate" {
		return places[0], point, nil
	}
	from, err = v.firstReady(ctx, source, slices.Concat(places[turn%len(places):], places[:turn%len(places)]))
	return from, point, err
}

// turn counts the combinations of places and points up to the one that is next,
// as the evidence has it.
func (v *verifyRun) turn(ctx context.Context, source string, places, points []string) (int, error) {
	var last []*evidence.Record
	for _, name := range v.plan.Repositories() {
		records, err := v.lastTests(ctx, name, source)
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if err != nil { // its own test tells of it
			continue
		}
		last = append(last, records...)
	}
	slices.SortStableFunc(last, func(a, b *evidence.Record) int { return b.Time.Compare(a.Time) })
	return turnAfter(last, places, points), nil
}

// turnAfter is the turn that follows some tests: every place gets each point.
// What failed is tested once more first, so that what was but a bad moment is
// known to be one, and what is damaged for good keeps no other from its turn.
func turnAfter(newestFirst []*evidence.Record, places, points []string) int {
	if len(newestFirst) == 0 {
		return 0
	}
	turns := func(t *evidence.RestoreTest) int {
		return max(0, slices.Index(points, t.Point.Asked))*len(places) + slices.Index(places, t.From.Name)
	}
	last := newestFirst[0].RestoreTest
	if failedOnce(newestFirst) && slices.Contains(places, last.From.Name) {
		return turns(last)
	}
	return (turns(last) + 1) % (len(places) * len(points))
}

// failedOnce tells whether the newest of some tests failed, and the one before
// it was not the same failing already.
func failedOnce(newestFirst []*evidence.Record) bool {
	failed := func(t *evidence.RestoreTest) bool { return t.Verdict == evidence.Failed }
	last := newestFirst[0].RestoreTest
	if !failed(last) || len(newestFirst) == 1 {
		return failed(last)
	}
	before := newestFirst[1].RestoreTest
	return !failed(before) || before.From.Name != last.From.Name || before.Point.Asked != last.Point.Asked
}

// testsRead bounds the records of restore tests that are read in one
// repository: those of other sources are among them.
const testsRead = 100

// lastTests returns the two newest records of restore tests of a source that a
// repository keeps, the newest first. A test of a point that had failed before
// was nobody's turn.
func (v *verifyRun) lastTests(ctx context.Context, name, source string) (found []*evidence.Record, err error) {
	err = v.keptIn(ctx, name, source, func(rec *evidence.Record) bool {
		if !rec.RestoreTest.Point.Again {
			found = append(found, rec)
		}
		return len(found) < 2
	})
	return found, err
}

// keptIn opens a repository and visits the tests of a source that it keeps; see
// visitTests.
func (v *verifyRun) keptIn(ctx context.Context, name, source string, visit func(*evidence.Record) (more bool)) error {
	hasty := *v.command
	hasty.global.patience = fallbackPatience
	r, err := hasty.openPlace(ctx, v.namedPlace(name, v.cfg.Repositories[name]))
	if err != nil {
		return err
	}
	return errors.Join(v.visitTests(ctx, r, source, visit), r.Close())
}

// visitTests visits the newest records of restore tests of a source that a
// repository keeps, the newest first. One that stood in for one that failed was
// nobody's turn, and is none of them.
func (v *verifyRun) visitTests(ctx context.Context, r *repository.Repository, source string, visit func(*evidence.Record) (more bool)) error {
	return evidence.Tests(ctx, r, testsRead, func(rec *evidence.Record) bool {
		t := rec.RestoreTest
		return t.Plan != v.planName || t.Source != source || t.InsteadOf != nil || visit(rec)
	})
}

func checkOf(name, expected, actual string, good bool) evidence.TestCheck {
	return evidence.TestCheck{Name: name, Expected: expected, Actual: cmp.Or(actual, "nothing"), Good: good}
}
