package console

import (
	"maps"
	"slices"
	"sync"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/app/status"
	"holdfast/internal/objective"
	"holdfast/internal/redundancy"
)

// PlanSurvey is how a plan stands, as `holdfast status --json` says.
type PlanSurvey struct {
	MessageType  string               `json:"message_type"`
	Plan         string               `json:"plan"`
	Score        string               `json:"score"`
	Copies       int                  `json:"copies"`
	Media        int                  `json:"media"`
	OffSite      int                  `json:"off_site"`
	Immutable    int                  `json:"immutable"`
	Errors       int                  `json:"errors"`
	Newest       time.Time            `json:"newest"`
	RPO          Standing             `json:"rpo"`
	RTO          Standing             `json:"rto"`
	Sources      []SourceSurvey       `json:"sources"`
	Repositories []RepositorySurvey   `json:"repositories"`
	Missing      []redundancy.Missing `json:"missing"`
	// Archives are those of the plan; nil if it has none.
	Archives *ArchivesSurvey `json:"-"`
	// At is when it was found out.
	At time.Time `json:"-"`
}

// ArchivesSurvey is what is known of the archives of a plan.
type ArchivesSurvey struct {
	Archives int       `json:"archives"`
	Newest   time.Time `json:"newest"`
	ReadBack time.Time `json:"last_read_back"`
	Opened   bool      `json:"opened"`
	Bad      time.Time `json:"last_error"`
	Missing  []string  `json:"missing"`
}

// SourceSurvey is the newest there is of a source, which is HOST:SOURCE.
type SourceSurvey struct {
	Source string    `json:"source"`
	Newest time.Time `json:"newest"`
	LogTo  time.Time `json:"log_to"`
	Bytes  uint64    `json:"bytes"`
	// LogRanges are the times of which every instant can be restored to.
	LogRanges []api.Range `json:"log_ranges"`
	// Logs are what each repository has of the log.
	Logs []api.SourceLog `json:"logs"`
}

// logOf is what a repository has of the log of a source, nil if that is not
// known.
func (p *PlanSurvey) logOf(source, repository string) *api.SourceLog {
	for _, s := range p.Sources {
		if WithoutHost(s.Source) != source {
			continue
		}
		for k := range s.Logs {
			if s.Logs[k].Repository == repository {
				return &s.Logs[k]
			}
		}
	}
	return nil
}

// isDown tells whether a repository did not answer.
func (p *PlanSurvey) isDown(repository string) bool {
	return slices.ContainsFunc(p.Repositories, func(r RepositorySurvey) bool { return r.Name == repository && r.Down != "" })
}

// RepositorySurvey is what is known of a repository of a plan.
type RepositorySurvey struct {
	Name          string        `json:"name"`
	Media         string        `json:"media"`
	Site          string        `json:"site"`
	Down          string        `json:"down"`
	Seen          time.Time     `json:"seen"`
	Newest        time.Time     `json:"newest"`
	Holds         bool          `json:"holds_newest"`
	BehindSeconds float64       `json:"behind_seconds"`
	Protected     time.Time     `json:"immutable_until"`
	Mode          string        `json:"immutable_mode"`
	ReadBack      time.Time     `json:"last_read_back"`
	Bad           time.Time     `json:"last_error"`
	Snapshots     int           `json:"snapshots"`
	Restored      uint64        `json:"restored_bytes"`
	Held          []status.Key  `json:"held"`
	Tests         []status.Test `json:"restore_tests"`
	RPO           Standing      `json:"rpo"`
	RTO           Standing      `json:"rto"`
}

// Standing is how an objective stands.
type Standing struct {
	State    objective.State `json:"state"`
	Seconds  float64         `json:"seconds"`
	Promised float64         `json:"promised_seconds"`
	Source   string          `json:"source"`
	Reason   string          `json:"reason"`
	Point    time.Time       `json:"point"`
}

// Of is the standing as the rules have it.
func (s Standing) Of() objective.Standing {
	return objective.Standing{State: s.State, Value: seconds(s.Seconds), Promised: seconds(s.Promised), Source: s.Source, Reason: s.Reason, Point: s.Point}
}

// seen is the standing now: what would be lost grows with the clock.
func (s Standing) seen(now time.Time) api.Standing {
	if s.State == "" {
		s.State = objective.Unknown
	}
	o := s.Of().At(now)
	return api.Standing{State: o.State, Measured: o.Value.Seconds(), Promised: s.Promised, Source: s.Source, Reason: s.Reason}
}

// surveyLead is how long before a promise comes nearer to being broken it is
// looked again: mostly a newer recovery point is there then.
const surveyLead = 20 * time.Second

// Worsening returns when a survey of which plan is due, because what its last
// one found does not hold after; "" for none.
func (c *Console) Worsening() (plan string, at time.Time) {
	for name, p := range c.Surveys() {
		worsens := p.RPO.Of().Worsens()
		if worsens.IsZero() {
			continue
		}
		if early := worsens.Add(-surveyLead); p.At.Before(early) {
			worsens = early
		}
		if plan == "" || worsens.Before(at) {
			plan, at = name, worsens
		}
	}
	return plan, at
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// surveys is what was last found out.
type surveys struct {
	mu    sync.Mutex
	plans map[string]PlanSurvey // replaced as a whole
	at    time.Time
	err   string
}

// Surveyed takes what a survey found out: of all plans, or else of some.
func (c *Console) Surveyed(found map[string]PlanSurvey, all bool) {
	s := &c.surveys
	s.mu.Lock()
	now := time.Now()
	next := make(map[string]PlanSurvey, len(s.plans)+len(found))
	if !all {
		maps.Copy(next, s.plans)
	}
	for name, p := range found {
		p.At = now
		next[name] = p
	}
	s.plans, s.at, s.err = next, now, ""
	s.mu.Unlock()
	c.hub.publish(api.Update{Surveyed: true})
}

// SurveyFailed takes why a survey found out nothing.
func (c *Console) SurveyFailed(err error) {
	c.surveys.mu.Lock()
	defer c.surveys.mu.Unlock()
	c.surveys.err = err.Error()
}

// Surveys returns what is known of all plans; nil before the first survey. It
// must not be changed.
func (c *Console) Surveys() map[string]PlanSurvey {
	c.surveys.mu.Lock()
	defer c.surveys.mu.Unlock()
	return c.surveys.plans
}

func (s *surveys) last() (time.Time, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at, s.err
}
