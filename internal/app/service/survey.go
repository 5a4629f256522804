package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"holdfast/internal/app/status"
	"holdfast/internal/event"
	"holdfast/internal/ledger"
	"holdfast/internal/metrics"
	"holdfast/internal/objective"
)

// surveyNice is the priority of surveys: whatever runs goes before.
const surveyNice = 5

// surveyLimit bounds one survey: stores that do not answer are given up long
// before.
const surveyLimit = time.Hour

// survey looks how all plans stand, again and again, for metrics and to tell
// of objectives that are broken, about to be, or kept again. What is found out
// is what `holdfast status` prints, in a process of its own as all work is.
func (s *service) survey(ctx context.Context) error {
	// The first waits a little: what is due at the start goes first.
	unknown := true
	for wait := min(firstSurvey, s.surveyEvery()); ; wait = s.surveyEvery() {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		found, err := s.surveyNow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		e := event.Event{Time: time.Now(), Kind: event.SurveyFailed, Severity: event.Warning, Key: "survey"}
		if err != nil {
			unknown, e.Summary = true, "how the plans stand is not known: "+err.Error()
			s.events.Emit(e)
			continue
		}
		if unknown {
			unknown, e.Over, e.Severity, e.Summary = false, true, event.Info, "how the plans stand is known"
			s.events.Emit(e)
		}
		s.signals.surveyed.Store(&found)
		if err := s.tellObjectives(ctx, found); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

const firstSurvey = time.Minute

func (s *service) surveyEvery() time.Duration {
	return max(time.Duration(s.config.Load().Service.Survey), time.Second)
}

// planSurvey is how a plan stands, as `holdfast status --json` says.
type planSurvey struct {
	MessageType  string             `json:"message_type"`
	Plan         string             `json:"plan"`
	RPO          standing           `json:"rpo"`
	RTO          standing           `json:"rto"`
	Repositories []repositorySurvey `json:"repositories"`
}

type standing struct {
	State    objective.State `json:"state"`
	Seconds  float64         `json:"seconds"`
	Promised float64         `json:"promised_seconds"`
	Source   string          `json:"source"`
	Reason   string          `json:"reason"`
}

func (s standing) of() objective.Standing {
	return objective.Standing{State: s.State, Value: seconds(s.Seconds), Promised: seconds(s.Promised), Source: s.Source, Reason: s.Reason}
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

type repositorySurvey struct {
	Name      string        `json:"name"`
	Newest    time.Time     `json:"newest"`
	Protected time.Time     `json:"immutable_until"`
	ReadBack  time.Time     `json:"last_read_back"`
	Bad       time.Time     `json:"last_error"`
	Snapshots int           `json:"snapshots"`
	Held      []status.Key  `json:"held"`
	Tests     []status.Test `json:"restore_tests"`
}

// surveyNow runs `holdfast status`. That something is missing is no failure.
func (s *service) surveyNow(ctx context.Context) (map[string]planSurvey, error) {
	ctx, cancel := context.WithTimeout(ctx, surveyLimit)
	defer cancel()
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(program, "status", "--json", "--config", s.ConfigPath)
	cmd.Env = append(os.Environ(), EnvStateDir+"="+string(s.dir))
	saying := &said{}
	cmd.Stderr = saying
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	found := make(map[string]planSurvey)
	var reading sync.WaitGroup
	err = runChild(ctx, cmd, Work{Nice: surveyNice}, s.Grace, func() {
		reading.Go(func() {
			for decoder := json.NewDecoder(out); ; {
				var p planSurvey
				if decoder.Decode(&p) != nil {
					return
				}
				if p.MessageType == "plan_status" && p.Plan != "" {
					found[p.Plan] = p
				}
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

// objectivesKey is where the ledger keeps what was last told of a plan's
// objectives: after a restart nothing is told twice, and no recovery is missed.
const objectivesKey = "objectives/"

// told is what was last told.
type told struct{ RPO, RTO objective.Standing }

// tellObjectives emits events for what changed since it was last told.
func (s *service) tellObjectives(ctx context.Context, found map[string]planSurvey) error {
	for name, p := range found {
		after := &objective.Standings{Plan: name, RPO: p.RPO.of(), RTO: p.RTO.of()}
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
func addSurveyed(f *metrics.Facts, surveyed map[string]planSurvey) {
	plans := make([]metrics.Plan, len(f.Plans))
	repositories := make(map[string]metrics.Repository)
	for i, p := range f.Plans {
		found := surveyed[p.Plan]
		if source := withoutHost(found.RPO.Source); source == p.Source {
			p.MeasuredRPO = seconds(found.RPO.Seconds)
		}
		if source := withoutHost(found.RTO.Source); source == p.Source {
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
				Repository: r.Name, Snapshots: r.Snapshots, LastCheck: last, LastCheckPassed: r.ReadBack, ProtectedThrough: r.Protected,
			}
		}
	}
	for _, r := range repositories {
		f.Repositories = append(f.Repositories, r)
	}
}

// testsOf returns the restore tests of each source of a plan from a repository.
func testsOf(plan string, r *repositorySurvey) []metrics.RestoreTest {
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

// withoutHost is the source of HOST:SOURCE.
func withoutHost(key string) string {
	if _, source, found := strings.Cut(key, ":"); found {
		return source
	}
	return key
}
