package service

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/internal/app/console"
	"holdfast/internal/event"
	"holdfast/internal/ledger"
	"holdfast/internal/metrics"
	"holdfast/internal/objective"
	"holdfast/internal/redundancy"
)

// surveyNice is the priority of surveys: whatever runs goes before.
const surveyNice = 5

// surveyLimit bounds one survey: stores that do not answer are given up long
// before.
const surveyLimit = time.Hour

// surveyKey is that of the problem of how plans stand not being known.
const surveyKey = "survey"

// survey looks how all plans stand, again and again, for metrics and to tell
// of objectives that are broken, about to be, or kept again; and how some of
// them stand when they were asked for. What is found out is what `holdfast
// status` prints, in a process of its own as all work is.
func (s *service) survey(ctx context.Context) error {
	// The first waits a little: what is due at the start goes first.
	unknown, never := s.surveyProblem, true
	next, rest := time.Now().Add(min(firstSurvey, s.surveyEvery())), time.Duration(0)
	for {
		worsening := s.console.Worsening
		if unknown { // what fails is not tried more often for it
			worsening = func() (string, time.Time) { return "", time.Time{} }
		}
		plans, err := s.surveys.wait(ctx, next, rest, never, worsening)
		if err != nil {
			return nil //nolint:nilerr // the service ends
		}
		began := time.Now()
		found, err := s.surveyNow(ctx, plans)
		if ctx.Err() != nil {
			return nil
		}
		never, rest = false, max(surveyRest, surveyRestShare*time.Since(began))
		if plans == nil {
			next = time.Now().Add(s.surveyEvery())
		}
		e := event.Event{Time: time.Now(), Kind: event.SurveyFailed, Severity: event.Warning, Key: surveyKey}
		if err != nil {
			s.console.SurveyFailed(err)
			unknown, e.Summary = true, "how the plans stand is not known: "+err.Error()
			s.events.Emit(e)
			continue
		}
		if unknown {
			unknown, e.Over, e.Severity, e.Summary = false, true, event.Info, "how the plans stand is known"
			s.events.Emit(e)
		}
		s.console.Surveyed(found, plans == nil)
		if err := errors.Join(s.tellObjectives(ctx, found), s.tellHolds(ctx, found), s.tellCopies(ctx, found), s.endMended(ctx, found)); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

const (
	// surveySoon is how long a survey waits that is asked for: others that end
	// together are looked at together.
	surveySoon = 2 * time.Second
	// surveyRest is how long there is no survey after one, and surveyRestShare
	// how many times as long as it took at least: each lists repositories.
	surveyRest      = 5 * time.Second
	surveyRestShare = 10
)

// surveyWishes are surveys that are asked for.
type surveyWishes struct {
	mu    sync.Mutex
	all   bool
	plans map[string]bool
	wake  chan struct{}
}

// ask asks for a survey of some plans, or of all without any.
func (w *surveyWishes) ask(plans ...string) {
	w.mu.Lock()
	w.all = w.all || len(plans) == 0
	for _, name := range plans {
		w.plans[name] = true
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// wait waits until a survey is due, or somebody wants one and there was none
// for a while; also that of a plan whose promise comes nearer to being broken.
// It returns the plans to look at, nil for all.
func (w *surveyWishes) wait(ctx context.Context, next time.Time, rest time.Duration, never bool, worsening func() (string, time.Time)) ([]string, error) {
	ended := time.Now()
	due := time.NewTimer(time.Until(next))
	defer due.Stop()
	worse := make(<-chan time.Time)
	plan, at := worsening()
	if plan != "" {
		worse = time.After(max(rest, time.Until(at)))
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-due.C:
	case <-worse:
		w.mu.Lock()
		w.plans[plan] = true
		w.mu.Unlock()
	case <-w.wake:
		soon := max(surveySoon, rest-time.Since(ended))
		if never {
			soon = 0
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-due.C:
		case <-time.After(soon):
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	plans := slices.Sorted(maps.Keys(w.plans))
	if w.all || never || !time.Now().Before(next) || len(plans) == 0 {
		plans = nil
	}
	w.all, w.plans = false, make(map[string]bool)
	return plans, nil
}

const firstSurvey = time.Minute

func (s *service) surveyEvery() time.Duration {
	return max(time.Duration(s.config.Load().Service.Survey), time.Second)
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// surveyNow runs `holdfast status` for some plans, or all of them. That
// something is missing is no failure.
func (s *service) surveyNow(ctx context.Context, plans []string) (map[string]console.PlanSurvey, error) {
	cfg := s.config.Load()
	plans = slices.DeleteFunc(plans, func(name string) bool { _, there := cfg.Plans[name]; return !there })
	if len(cfg.Plans) == 0 || plans != nil && len(plans) == 0 {
		return map[string]console.PlanSurvey{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, surveyLimit)
	defer cancel()
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(program, append([]string{"status", "--json", "--config", s.ConfigPath}, plans...)...)
	cmd.Env = append(os.Environ(), EnvStateDir+"="+string(s.dir))
	saying := &said{}
	cmd.Stderr = saying
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	found := make(map[string]console.PlanSurvey)
	var reading sync.WaitGroup
	err = runChild(ctx, cmd, Work{Nice: surveyNice}, s.Grace, func() {
		reading.Go(func() {
			for decoder := json.NewDecoder(out); ; {
				var text json.RawMessage
				if decoder.Decode(&text) != nil {
					return
				}
				takeStatus(found, text)
			}
		})
	}, reading.Wait)
	var exit *exec.ExitError
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil && (!errors.As(err, &exit) || len(found) == 0) {
		return nil, fmt.Errorf("holdfast status: %w: %s", err, saying)
	}
	return found, nil
}

// takeStatus takes a message of `holdfast status`: how a plan stands and, after
// that, its archives.
func takeStatus(found map[string]console.PlanSurvey, text json.RawMessage) {
	var about struct {
		MessageType string `json:"message_type"`
		Plan        string `json:"plan"`
	}
	if json.Unmarshal(text, &about) != nil || about.Plan == "" {
		return
	}
	p := found[about.Plan]
	switch about.MessageType {
	case "plan_status":
		if json.Unmarshal(text, &p) != nil {
			return
		}
	case "archives_status":
		archives := new(console.ArchivesSurvey)
		if json.Unmarshal(text, archives) != nil {
			return
		}
		p.Archives = archives
		for _, one := range archives.Missing {
			what, next, _ := strings.Cut(one, "; ")
			p.Missing = append(p.Missing, redundancy.Missing{Rule: "archives", What: "archives: " + what, Next: cmp.Or(next, "holdfast status "+about.Plan)})
		}
	default:
		return
	}
	found[about.Plan] = p
}

// objectivesKey is where the ledger keeps what was last told of a plan's
// objectives: after a restart nothing is told twice, and no recovery is missed.
const objectivesKey = "objectives/"

// told is what was last told.
type told struct{ RPO, RTO objective.Standing }

// tellObjectives emits events for what changed since it was last told.
func (s *service) tellObjectives(ctx context.Context, found map[string]console.PlanSurvey) error {
	for name, p := range found {
		after := &objective.Standings{Plan: name, RPO: p.RPO.Of(), RTO: p.RTO.Of()}
		var last told
		var before *objective.Standings
		switch _, err := s.ledger.Get(ctx, objectivesKey+name, &last); {
		case err == nil:
			before = &objective.Standings{Plan: name, RPO: last.RPO, RTO: last.RTO}
		case !errors.Is(err, ledger.ErrNotFound):
			return err
		}
		if before != nil && before.RPO.State == after.RPO.State && before.RTO.State == after.RTO.State {
			continue
		}
		for _, e := range objective.Changes(before, after, time.Now()) {
			s.events.Emit(e)
		}
		if _, err := s.ledger.Put(ctx, objectivesKey+name, told{after.RPO, after.RTO}, ledger.AnyRevision); err != nil {
			return err
		}
	}
	return nil
}

// addSurveyed adds what a survey found to what metrics show.
func addSurveyed(f *metrics.Facts, surveyed map[string]console.PlanSurvey, sizes map[string]uint64) {
	plans, now := make([]metrics.Plan, len(f.Plans)), time.Now()
	repositories := make(map[string]metrics.Repository)
	for i, p := range f.Plans {
		found := surveyed[p.Plan]
		if source := console.WithoutHost(found.RPO.Source); source == p.Source {
			p.MeasuredRPO = found.RPO.Of().At(now).Value
		}
		if source := console.WithoutHost(found.RTO.Source); source == p.Source {
			p.MeasuredRTO = seconds(found.RTO.Seconds)
		}
		for _, r := range found.Repositories {
			for _, held := range r.Held {
				p.Frozen = p.Frozen || (held.Plan == "" || held.Plan == p.Plan) && (held.Source == "" || held.Source == p.Source)
			}
		}
		plans[i] = p
	}
	f.Plans = plans
	for name, p := range surveyed {
		for _, r := range p.Repositories {
			f.Copies = append(f.Copies, metrics.Copy{Plan: name, Repository: r.Name, Newest: r.Newest})
			f.RestoreTests = append(f.RestoreTests, testsOf(name, &r)...)
			last := r.ReadBack
			if r.Bad.After(last) {
				last = r.Bad
			}
			repositories[r.Name] = metrics.Repository{
				Repository: r.Name, SizeBytes: int64(min(sizes[r.Name], math.MaxInt64)), Snapshots: r.Snapshots, //nolint:gosec // bounded
				LastCheck: last, LastCheckPassed: r.ReadBack, ProtectedThrough: r.Protected,
			}
		}
	}
	for _, r := range repositories {
		f.Repositories = append(f.Repositories, r)
	}
}

// testsOf returns the restore tests of each source of a plan from a repository.
func testsOf(plan string, r *console.RepositorySurvey) []metrics.RestoreTest {
	bySource := make(map[string]metrics.RestoreTest)
	for _, t := range r.Tests {
		one := bySource[t.Source]
		one.Plan, one.Source, one.Repository = plan, t.Source, r.Name
		if t.Time.After(one.Last) {
			one.Last, one.Took = t.Time, seconds(t.Seconds)
		}
		if t.Failed == "" && t.Time.After(one.LastPassed) {
			one.LastPassed = t.Time
		}
		bySource[t.Source] = one
	}
	var all []metrics.RestoreTest
	for _, one := range bySource {
		all = append(all, one)
	}
	return all
}
