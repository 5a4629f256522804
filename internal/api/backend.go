package api

import (
	"context"
	"errors"
	"io"

	"holdfast/internal/event"
)

// Errors of a Backend, which handlers turn into statuses and pages into what
// to do next. All others mean that something failed here.
var (
	// ErrNotFound says that there is nothing of that name.
	ErrNotFound = errors.New("not found")
	// ErrInvalid says that what was asked for makes no sense, and why.
	ErrInvalid = errors.New("invalid request")
	// ErrConflict says that it cannot be done as things are now.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable says that a repository does not answer.
	ErrUnavailable = errors.New("not available")
)

// HereError is why something is not done by the service, with the command that
// does it on the command line.
type HereError struct {
	Why     string
	Command []string
}

func (e *HereError) Error() string { return e.Why }

// Backend is what the API and the dashboard show, and what they can have done.
// Names are those of holdfast.yaml. All methods are safe for concurrent use and
// end when their context does.
type Backend interface {
	Viewer
	Browser
	Looker
	Operator
}

// Viewer tells how things are.
type Viewer interface {
	Service(ctx context.Context) (*Service, error)
	// Plans are all plans, by name.
	Plans(ctx context.Context) ([]Plan, error)
	Plan(ctx context.Context, name string) (*Plan, error)
	// Jobs are all jobs, the next that is due first.
	Jobs(ctx context.Context) ([]Job, error)
	// Runs are runs that go on, and then those that ended, the newest first.
	Runs(ctx context.Context, q RunQuery) (*RunPage, error)
	Run(ctx context.Context, id string) (*Run, error)
	// RunLog writes the log of a run from an offset on, as far as it is
	// written, and returns the offset to go on from.
	RunLog(ctx context.Context, id string, offset int64, w io.Writer) (next int64, err error)
	// Events are the newest events first, Problems those that are not over.
	Events(ctx context.Context, q EventQuery) ([]event.Event, error)
	Problems(ctx context.Context) ([]event.Event, error)
	Repositories(ctx context.Context) ([]Repository, error)
	Repository(ctx context.Context, name string) (*Repository, error)
	// Growth is how large a repository was, the oldest first.
	Growth(ctx context.Context, repository string) ([]GrowthPoint, error)
	// RestoreTests are the newest first, without their records.
	RestoreTests(ctx context.Context, q RestoreTestQuery) (*RestoreTestPage, error)
	// RestoreTest is one with its record as it was signed.
	RestoreTest(ctx context.Context, repository, id string) (*RestoreTest, error)
	// Report is what an auditor is given of a plan and a month.
	Report(ctx context.Context, plan string, month Month) (*Report, error)
	// Subscribe calls changed whenever something happens until ctx ends: it
	// must not block.
	Subscribe(ctx context.Context, changed func(Update)) error
}

// Browser looks into repositories.
type Browser interface {
	Snapshots(ctx context.Context, q SnapshotQuery) (*SnapshotPage, error)
	Snapshot(ctx context.Context, repository, id string) (*Snapshot, error)
	// Entries is a part of a folder of a snapshot.
	Entries(ctx context.Context, q EntryQuery) (*EntryPage, error)
	// Find calls found with what matches, in all snapshots of the query.
	Find(ctx context.Context, q FindQuery, found func(Found) error) error
	// Diff calls found with what differs between two snapshots, by path.
	Diff(ctx context.Context, q DiffQuery, found func(Difference) error) error
	// Download writes a file, or a folder as an archive. Before begin was
	// called nothing is written; an error after that means that what was
	// written is not whole, and the connection must be broken off.
	Download(ctx context.Context, q DownloadQuery, begin func(Content) io.Writer) error
}

// Looker tells what is found out at the time when it is asked: each question is
// a process of its own, of which there are few at once.
type Looker interface {
	Locks(ctx context.Context, repository string) ([]Lock, error)
	// Evidence is what was found out a moment ago, at the earliest.
	Evidence(ctx context.Context, repository string) (*Evidence, error)
	StorageSettings(ctx context.Context, repository string) (*StorageSettings, error)
	Usage(ctx context.Context, q UsageQuery) (*Usage, error)
	Costs(ctx context.Context, repository string) ([]CopyCost, error)
	Log(ctx context.Context, q LogQuery) ([]LogArchive, error)
	Archives(ctx context.Context, place string) (*Archives, error)
	// Paper writes something to print or to hand over. Before begin was called
	// nothing is written; an error after that means that it is not whole.
	Paper(ctx context.Context, q PaperQuery, begin func() io.Writer) error
}

// Operator has things done.
type Operator interface {
	// StartJob has a job run now; variant is the type of a backup, or "".
	StartJob(ctx context.Context, job, variant string) error
	// StopRun tells a run to end.
	StopRun(ctx context.Context, run string) error
	PausePlan(ctx context.Context, plan string, p PauseRequest) error
	ResumePlan(ctx context.Context, plan string) error
	// PlanRestore says what a restore would do; Restore begins it and returns
	// its run.
	PlanRestore(ctx context.Context, q RestoreRequest) (*RestorePlan, error)
	Restore(ctx context.Context, q RestoreRequest) (run string, err error)
	// PlanForget says what forgetting snapshots would remove; Forget begins
	// it, if what is there is still what was planned.
	PlanForget(ctx context.Context, q ForgetRequest) (*ForgetPlan, error)
	Forget(ctx context.Context, q ForgetRequest) (run string, err error)
	Holds(ctx context.Context, repository string) ([]Hold, error)
	PlaceHold(ctx context.Context, repository string, q HoldRequest) error
	ReleaseHold(ctx context.Context, repository, id, reason string) error
	// Protect writes a plan for what is to be protected, backs it up and
	// proves that it comes back, as `holdfast protect` does; it returns the
	// run.
	Protect(ctx context.Context, q ProtectRequest) (run string, err error)
	// CheckPlans begins `holdfast plan validate` and returns its run.
	CheckPlans(ctx context.Context) (run string, err error)
	// PlanAct says what an act would do; BeginAct begins it and returns its run.
	// What is planned has to carry the confirmation of the plan that was shown.
	PlanAct(ctx context.Context, q ActRequest) (*ActPlan, error)
	BeginAct(ctx context.Context, q ActRequest) (run string, err error)
	// TestNotify sends a test message to a channel.
	TestNotify(ctx context.Context, channel string) error
}
