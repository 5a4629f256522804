package api

import (
	"context"
	"net/http"
	"time"

	"holdfast/internal/event"
)

// What operations take from their path and query, beside the queries of a
// Backend.
type (
	ofPlan       struct{ Plan string }
	ofRun        struct{ Run string }
	ofRepository struct{ Repository string }
	ofChannel    struct{ Channel string }
	ofToken      struct{ Name string }
	ofSnapshot   struct{ Repository, Snapshot string }
	ofTest       struct{ Repository, ID string }
	ofHold       struct {
		Repository, Hold string
		// Reason is why, for others who ask later.
		Reason string
	}
	ofReport struct {
		Plan string
		// Month is written like 2026-11.
		Month Month
	}
	ofLog struct {
		Run string
		// Offset is the byte to begin at.
		Offset int64
		// Follow goes on until the run has ended.
		Follow bool
	}
	ofDownload struct {
		Repository, Snapshot string
		// Path is absolute within the snapshot, as text of Entry.Path.
		Path string
		// Archive is tar or zip, for folders; none for a file.
		Archive string
	}
	ofAudit struct {
		// Since is the oldest that is meant.
		Since time.Time
		// Limit is how many, at most 1000.
		Limit int
	}
)

// StartRequest asks for a run of a job.
type StartRequest struct {
	// Job is its ID, such as plans/shop/backup.
	Job string `json:"job"`
	// Variant is the type of a backup, one of Job.Types; "" for what is due.
	Variant string `json:"variant,omitempty"`
}

// Started is a run that was begun.
type Started struct {
	// Run is its ID; it is among the runs from now on.
	Run string `json:"run"`
}

// TokenRequest asks for a token.
type TokenRequest struct {
	// Name tells who uses it.
	Name string `json:"name"`
	// Role is viewer, operator or admin.
	Role Role `json:"role"`
	// ExpiresSeconds is how long it lasts, 0 for until it is revoked.
	ExpiresSeconds float64 `json:"expires_seconds,omitempty"`
}

// NewToken is a token that was made.
type NewToken struct {
	TokenInfo

	// Secret is the token itself. It is not kept: nobody can show it again.
	Secret string `json:"secret"`
}

// Me is who asks.
type Me struct {
	// Name is that of the token.
	Name string `json:"name"`
	Role Role   `json:"role"`
	// CSRF is what requests of a session that change something must carry in
	// the header X-CSRF-Token; none for tokens.
	CSRF string `json:"csrf,omitempty"`
}

// Operations are all that the API does.
func Operations() []Operation {
	all := viewing()
	all = append(all, lookingInto()...)
	all = append(all, browsing()...)
	all = append(all, operating()...)
	all = append(all, acting()...)
	return append(all, administering()...)
}

func viewing() []Operation {
	return []Operation{
		raw("/openapi.json", "application/openapi+json", Nobody, "getOpenAPI", "This description.",
			func(_ *Server, w http.ResponseWriter, r *http.Request, _ none) error { return writeDocument(w, r) }),
		get("/me", RoleViewer, "getMe", "Who asks, and what they may.",
			func(ctx context.Context, _ *Server, _ none) (Me, error) {
				p, _ := PrincipalOf(ctx)
				return Me(p), nil
			}),
		get("/service", RoleViewer, "getService", "The service itself.",
			func(ctx context.Context, s *Server, _ none) (*Service, error) { return s.backend.Service(ctx) }),
		get("/plans", RoleViewer, "listPlans", "All plans by name, and how they stand.",
			func(ctx context.Context, s *Server, _ none) ([]Plan, error) { return s.backend.Plans(ctx) }),
		get("/plans/{plan}", RoleViewer, "getPlan", "A plan, and how it stands.",
			func(ctx context.Context, s *Server, p ofPlan) (*Plan, error) { return s.backend.Plan(ctx, p.Plan) }),
		get("/plans/{plan}/reports/{month}", RoleViewer, "getReport", "How a plan did in a month.",
			func(ctx context.Context, s *Server, p ofReport) (*Report, error) {
				return s.backend.Report(ctx, p.Plan, p.Month)
			}),
		get("/jobs", RoleViewer, "listJobs", "All jobs, the next that is due first.",
			func(ctx context.Context, s *Server, _ none) ([]Job, error) { return s.backend.Jobs(ctx) }),
		get("/runs", RoleViewer, "listRuns", "Runs that go on, and then those that ended, the newest first.",
			func(ctx context.Context, s *Server, q RunQuery) (*RunPage, error) { return s.backend.Runs(ctx, q) }),
		get("/runs/{run}", RoleViewer, "getRun", "A run.",
			func(ctx context.Context, s *Server, p ofRun) (*Run, error) { return s.backend.Run(ctx, p.Run) }),
		raw("/runs/{run}/log", "text/plain", RoleViewer, "getRunLog", "The log of a run. The header Holdfast-Next-Offset, after the text, is the offset to go on from.",
			(*Server).serveLog),
		get("/events", RoleViewer, "listEvents", "Events, the newest first.",
			func(ctx context.Context, s *Server, q EventQuery) ([]event.Event, error) {
				return s.backend.Events(ctx, q)
			}),
		get("/problems", RoleViewer, "listProblems", "Problems that are not over.",
			func(ctx context.Context, s *Server, _ none) ([]event.Event, error) { return s.backend.Problems(ctx) }),
		raw("/updates", "text/event-stream", RoleViewer, "followUpdates", "What happens from now on, as server-sent events: each has an Update as its data. Last-Event-ID goes on from where a stream broke off; an Update with lost set says that some are missing.",
			(*Server).serveUpdates),
		get("/repositories", RoleViewer, "listRepositories", "All repositories, as they were last surveyed.",
			func(ctx context.Context, s *Server, _ none) ([]Repository, error) { return s.backend.Repositories(ctx) }),
		get("/repositories/{repository}", RoleViewer, "getRepository", "A repository, as it was last surveyed.",
			func(ctx context.Context, s *Server, p ofRepository) (*Repository, error) {
				return s.backend.Repository(ctx, p.Repository)
			}),
		get("/repositories/{repository}/growth", RoleViewer, "getGrowth", "How large a repository was, the oldest first.",
			func(ctx context.Context, s *Server, p ofRepository) ([]GrowthPoint, error) {
				return s.backend.Growth(ctx, p.Repository)
			}),
		get("/repositories/{repository}/holds", RoleViewer, "listHolds", "The holds of a repository that last.",
			func(ctx context.Context, s *Server, p ofRepository) ([]Hold, error) {
				return s.backend.Holds(ctx, p.Repository)
			}),
		get("/restore-tests", RoleViewer, "listRestoreTests", "Restore tests, the newest first.",
			func(ctx context.Context, s *Server, q RestoreTestQuery) (*RestoreTestPage, error) {
				return s.backend.RestoreTests(ctx, q)
			}),
		get("/repositories/{repository}/restore-tests/{id}", RoleViewer, "getRestoreTest", "A restore test with its record as it was signed.",
			func(ctx context.Context, s *Server, p ofTest) (*RestoreTest, error) {
				return s.backend.RestoreTest(ctx, p.Repository, p.ID)
			}),
		get("/repositories/{repository}/snapshots", RoleViewer, "listSnapshots", "The snapshots of a repository, the newest first.",
			func(ctx context.Context, s *Server, q SnapshotQuery) (*SnapshotPage, error) {
				return s.backend.Snapshots(ctx, q)
			}),
		get("/repositories/{repository}/snapshots/{snapshot}", RoleViewer, "getSnapshot", "A snapshot.",
			func(ctx context.Context, s *Server, p ofSnapshot) (*Snapshot, error) {
				return s.backend.Snapshot(ctx, p.Repository, p.Snapshot)
			}),
	}
}

func browsing() []Operation {
	download := raw("/repositories/{repository}/snapshots/{snapshot}/download", "application/octet-stream", RoleOperator, "download", "A file of a snapshot, or a folder as an archive. A part of a file can be asked for with Range. An answer that ends early is not whole.",
		(*Server).serveDownload)
	download.Streamed = true
	return []Operation{
		get("/repositories/{repository}/snapshots/{snapshot}/entries", RoleOperator, "listEntries", "A part of a folder of a snapshot.",
			func(ctx context.Context, s *Server, q EntryQuery) (*EntryPage, error) {
				return s.backend.Entries(ctx, q)
			}),
		download,
		list("/repositories/{repository}/find", "find", "What matches in the snapshots of a repository.", Backend.Find),
		list("/repositories/{repository}/diff", "diff", "What differs between two snapshots, by path.", Backend.Diff),
	}
}

func operating() []Operation {
	return []Operation{
		act(http.MethodPost, "/jobs/start", RoleOperator, http.StatusNoContent, "startJob", "Has a job run now.",
			func(ctx context.Context, s *Server, _ none, q StartRequest) (none, error) {
				Note(ctx, "job", q.Job)
				Note(ctx, "variant", q.Variant)
				return none{}, s.backend.StartJob(ctx, q.Job, q.Variant)
			}),
		act(http.MethodPost, "/runs/{run}/stop", RoleOperator, http.StatusNoContent, "stopRun", "Tells a run to end.",
			func(ctx context.Context, s *Server, p ofRun, _ none) (none, error) {
				return none{}, s.backend.StopRun(ctx, p.Run)
			}),
		act(http.MethodPost, "/plans/{plan}/pause", RoleOperator, http.StatusNoContent, "pausePlan", "Nothing of a plan begins until it is resumed.",
			func(ctx context.Context, s *Server, p ofPlan, q PauseRequest) (none, error) {
				Note(ctx, "reason", q.Reason)
				return none{}, s.backend.PausePlan(ctx, p.Plan, q)
			}),
		act(http.MethodPost, "/plans/{plan}/resume", RoleOperator, http.StatusNoContent, "resumePlan", "Ends the pause of a plan.",
			func(ctx context.Context, s *Server, p ofPlan, _ none) (none, error) {
				return none{}, s.backend.ResumePlan(ctx, p.Plan)
			}),
		act(http.MethodPost, "/plan-restore", RoleOperator, http.StatusOK, "planRestore", "What a restore would do.",
			func(ctx context.Context, s *Server, _ none, q RestoreRequest) (*RestorePlan, error) {
				noteRestore(ctx, &q)
				return s.backend.PlanRestore(ctx, q)
			}),
		act(http.MethodPost, "/restore", RoleOperator, http.StatusAccepted, "restore", "Begins a restore whose plan was shown.",
			func(ctx context.Context, s *Server, _ none, q RestoreRequest) (Started, error) {
				noteRestore(ctx, &q)
				run, err := s.backend.Restore(ctx, q)
				return Started{run}, err
			}),
		act(http.MethodPost, "/repositories/{repository}/holds", RoleOperator, http.StatusNoContent, "placeHold", "Keeps snapshots from being removed.",
			func(ctx context.Context, s *Server, p ofRepository, q HoldRequest) (none, error) {
				Note(ctx, "plan", q.Plan)
				Note(ctx, "source", q.Source)
				Note(ctx, "reason", q.Reason)
				return none{}, s.backend.PlaceHold(ctx, p.Repository, q)
			}),
		act(http.MethodPost, "/check-plans", RoleOperator, http.StatusAccepted, "checkPlans", "Begins to check whether all plans will work.",
			func(ctx context.Context, s *Server, _, _ none) (Started, error) {
				run, err := s.backend.CheckPlans(ctx)
				return Started{run}, err
			}),
		act(http.MethodPost, "/channels/{channel}/test", RoleOperator, http.StatusNoContent, "testChannel", "Sends a test message to a channel.",
			func(ctx context.Context, s *Server, p ofChannel, _ none) (none, error) {
				return none{}, s.backend.TestNotify(ctx, p.Channel)
			}),
	}
}

func noteRestore(ctx context.Context, q *RestoreRequest) {
	Note(ctx, "plan", q.Plan)
	Note(ctx, "source", q.Source)
	Note(ctx, "repository", q.Repository)
	Note(ctx, "snapshot", q.Snapshot)
	Note(ctx, "target", q.Target)
}

func administering() []Operation {
	return []Operation{
		act(http.MethodPost, "/plan-forget", RoleAdmin, http.StatusOK, "planForget", "What forgetting snapshots would remove.",
			func(ctx context.Context, s *Server, _ none, q ForgetRequest) (*ForgetPlan, error) {
				noteForget(ctx, &q)
				return s.backend.PlanForget(ctx, q)
			}),
		act(http.MethodPost, "/forget", RoleAdmin, http.StatusAccepted, "forget", "Begins to forget snapshots, if what is there is still what was planned.",
			func(ctx context.Context, s *Server, _ none, q ForgetRequest) (Started, error) {
				noteForget(ctx, &q)
				run, err := s.backend.Forget(ctx, q)
				return Started{run}, err
			}),
		act(http.MethodDelete, "/repositories/{repository}/holds/{hold}", RoleAdmin, http.StatusNoContent, "releaseHold", "Ends a hold.",
			func(ctx context.Context, s *Server, p ofHold, _ none) (none, error) {
				Note(ctx, "reason", p.Reason)
				return none{}, s.backend.ReleaseHold(ctx, p.Repository, p.Hold, p.Reason)
			}),
		act(http.MethodPost, "/protect", RoleAdmin, http.StatusAccepted, "protect", "Writes a plan for what is to be protected, backs it up and proves that it comes back.",
			func(ctx context.Context, s *Server, _ none, q ProtectRequest) (Started, error) {
				Note(ctx, "plan", q.Name) // the rest may have a password in it
				run, err := s.backend.Protect(ctx, q)
				return Started{run}, err
			}),
		get("/tokens", RoleAdmin, "listTokens", "All tokens, without their secrets.",
			func(_ context.Context, s *Server, _ none) ([]TokenInfo, error) { return s.guard.AllTokens() }),
		act(http.MethodPost, "/tokens", RoleAdmin, http.StatusCreated, "createToken", "Makes a token and shows its secret, once.",
			func(ctx context.Context, s *Server, _ none, q TokenRequest) (NewToken, error) {
				Note(ctx, "token", q.Name)
				Note(ctx, "role", q.Role.String())
				secret, info, err := s.guard.CreateToken(ctx, q.Name, q.Role, seconds(q.ExpiresSeconds))
				return NewToken{info, secret}, err
			}),
		act(http.MethodDelete, "/tokens/{name}", RoleAdmin, http.StatusNoContent, "revokeToken", "Ends a token and the sessions that it began.",
			func(ctx context.Context, s *Server, p ofToken, _ none) (none, error) {
				return none{}, s.guard.RevokeToken(ctx, p.Name)
			}),
		get("/audit", RoleAdmin, "listAudit", "Who did what, the newest first.",
			func(_ context.Context, s *Server, p ofAudit) ([]AuditEntry, error) {
				return s.guard.Audit(p.Since, limitOr(p.Limit, defaultLimit))
			}),
	}
}

func noteForget(ctx context.Context, q *ForgetRequest) {
	Note(ctx, "repository", q.Repository)
	for _, id := range q.Snapshots[:min(len(q.Snapshots), 1)] {
		Note(ctx, "snapshot", id)
	}
}

// defaultLimit is how many things a list has where nobody says.
const defaultLimit = 100

func limitOr(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// seconds reads a number of seconds; what is more than a duration holds is
// the longest one, and what is less than it tells apart is not nothing.
func seconds(n float64) time.Duration {
	const most = float64(1<<63-1) / float64(time.Second)
	switch {
	case n >= most:
		return 1<<63 - 1
	case n > 0:
		return max(1, time.Duration(n*float64(time.Second)))
	}
	return time.Duration(n * float64(time.Second))
}
