package service

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/controller"
	"holdfast/internal/event"
	"holdfast/internal/history"
	"holdfast/internal/size"
	"holdfast/internal/trace"
	"holdfast/repository/snapshot"
)

// The exit codes of a run's process that mean more than failure.
const (
	codeIncomplete  = 3
	codeLocked      = 11
	codeInterrupted = 130
)

// executor has runs done by child processes.
type executor struct {
	program    string
	configPath string
	dir        Dir
	// grace is how long a process may take to end that was told to.
	grace time.Duration
	// events takes what runs report besides their results.
	events event.Sink
	// progress is told how far a run is, from time to time.
	progress func(run string, p api.Progress)
	// logLost is told of a plan that lost some of its log: only a new base
	// backup leads to what comes after it.
	logLost func(plan string)
	// isOver tells of a gap in a log that was found again whether it is known to
	// be over.
	isOver func(gap *event.Event) bool
}

// Execute implements controller.Executor.
func (e *executor) Execute(ctx context.Context, t controller.Task) controller.Result {
	ctx, span := traceRun(ctx, t)
	result := e.executeLogged(ctx, t)
	endRun(span, result)
	return result
}

func (e *executor) executeLogged(ctx context.Context, t controller.Task) controller.Result {
	log, err := openRunLog(e.dir.path("logs", t.ID+".log"))
	if err != nil {
		return failed(err)
	}
	result := e.execute(ctx, t, log)
	if err := log.Close(); err != nil && result.Outcome.Good() {
		result.Reason = strings.TrimSpace(result.Reason + " (its log is not complete: " + err.Error() + ")")
	}
	result.Log = t.ID
	return result
}

func failed(err error) controller.Result {
	return controller.Result{Outcome: history.Failed, Reason: err.Error()}
}

func (e *executor) execute(ctx context.Context, t controller.Task, log *runLog) controller.Result {
	work := t.Job.Work.(Work) //nolint:errcheck // every job of this package has it
	cmd := exec.Command(e.program, e.arguments(t, work)...)
	cmd.Env = append(os.Environ(), EnvRun+"="+t.ID, EnvReport+"="+e.reportPath(t.ID), EnvStateDir+"="+string(e.dir))
	cmd.Env = append(cmd.Env, trace.Environment(ctx)...)
	if work.MemoryBytes > 0 {
		cmd.Env = append(cmd.Env, "GOMEMLIMIT="+strconv.FormatInt(work.MemoryBytes*9/10, 10))
	}
	if len(work.Input) > 0 {
		cmd.Stdin = bytes.NewReader(work.Input)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return failed(err)
	}
	saying := &said{}
	cmd.Stderr = io.MultiWriter(log, saying)
	fmt.Fprintf(log, "holdfast %s\n", strings.Join(cmd.Args[1:], " ")) //nolint:errcheck // Close tells
	var reading sync.WaitGroup
	limited, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err = runChild(limited, cmd, work, e.grace, func() {
		reading.Go(func() { e.read(t, out, log) })
		if work.MemoryBytes > 0 {
			go watchMemory(limited, cmd.Process.Pid, work.MemoryBytes, stop)
		}
	}, reading.Wait)
	if killed := e.killLeft(t.ID); killed > 0 {
		fmt.Fprintf(log, "holdfast: %d processes of the run were left, and killed\n", killed) //nolint:errcheck // see above
	}
	report, reportErr := readReport(e.reportPath(t.ID))
	if over := new(memoryError); errors.As(context.Cause(limited), &over) && (report == nil || report.Code != 0) {
		return failed(over)
	}
	if report == nil {
		e.unlock(t, log)
		return e.withoutReport(ctx, err, reportErr, saying)
	}
	e.tell(report, t)
	return resultOf(report, t)
}

// unlockLimit is how long the locks of a dead run are looked for: they end by
// themselves, but only after half an hour.
const unlockLimit = 2 * time.Minute

// unlock removes what a run that was killed left in the repositories it worked
// in: locks of processes of this host that are gone.
func (e *executor) unlock(t controller.Task, log io.Writer) {
	ctx, cancel := context.WithTimeout(context.Background(), unlockLimit)
	defer cancel()
	for _, use := range t.Job.Uses {
		cmd := exec.Command(e.program, "unlock", "--repo", use.Repository, "--config", e.configPath)
		cmd.Stdout, cmd.Stderr = log, log
		if err := runChild(ctx, cmd, Work{}, e.grace, func() {}, func() {}); err != nil {
			fmt.Fprintf(log, "holdfast: unlock %s: %v\n", use.Repository, err) //nolint:errcheck // Close tells
		}
	}
}

// unlockAfter is unlock for a run of an earlier service: what comes of it is
// added to the log of the run.
func (e *executor) unlockAfter(t controller.Task) {
	log, err := os.OpenFile(e.dir.path("logs", t.ID+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		e.unlock(t, io.Discard)
		return
	}
	e.unlock(t, log)
	log.Close() //nolint:errcheck // the locks matter, and their removal is done
}

// tell passes on what a run has to tell people.
func (e *executor) tell(r *Report, t controller.Task) {
	told := r.Events
	if damage, ok := damageEvent(r, t); ok {
		told = append(told, damage)
	}
	for _, one := range told {
		one.Run = t.ID
		e.events.Emit(one)
	}
}

// damageEvent tells what a check found; false for other runs. What a scheduled
// check found to be wrong is what the next one reads again: if that finds
// nothing, it is mended.
func damageEvent(r *Report, t controller.Task) (damage event.Event, checked bool) {
	problems, checked := r.Figures["problems"]
	if t.Job.Kind != history.Check || !checked {
		return damage, false
	}
	damage = event.Event{
		Time: time.Now(), Kind: event.Damage, Repository: t.Job.Repository, Job: string(t.Job.Kind), Key: event.DamageKey(t.Job.Repository),
		Over: true, Summary: "a check of repository " + t.Job.Repository + " found no damage",
	}
	if problems > 0 {
		damage.Severity, damage.Over, damage.Details = event.Critical, false, map[string]string{"problems": fmt.Sprint(problems)}
		damage.Summary = fmt.Sprintf("repository %s is damaged, as a check found: `holdfast run show %s --log` tells what is wrong and what mends it", t.Job.Repository, t.ID)
	}
	return damage, true
}

// usualType is the type of a backup that nobody names: one of a plan without a
// schedule.
const usualType = string(snapshot.Incremental)

// arguments returns those of a run's process.
func (e *executor) arguments(t controller.Task, w Work) []string {
	args := slices.Clone(w.Args)
	for k, arg := range args {
		switch arg {
		case "{variant}":
			args[k] = cmp.Or(t.Variant, usualType)
		case "{round}":
			args[k] = fmt.Sprintf("%d/%d", t.Round%w.Groups+1, w.Groups)
		case "{budget}":
			args[k] = strconv.FormatUint(w.slice(t.Done), 10)
		}
	}
	return append(args, "--json", "--config", e.configPath)
}

// slice returns how many bytes the next slice of a run may rewrite.
func (w Work) slice(done uint64) uint64 {
	if w.BudgetBytes == 0 {
		return sliceBytes
	}
	if done >= w.BudgetBytes {
		return 0
	}
	return min(sliceBytes, w.BudgetBytes-done)
}

func (e *executor) reportPath(run string) string { return e.dir.path("runs", run) }

// statusLine is what a process says about how far it is.
type statusLine struct {
	MessageType      string  `json:"message_type"`
	PercentDone      float64 `json:"percent_done"`
	SecondsRemaining float64 `json:"seconds_remaining"`
	BytesDone        uint64  `json:"bytes_done"`
	TotalBytes       uint64  `json:"total_bytes"`
	BytesRead        uint64  `json:"bytes_read"`
	FilesDone        uint64  `json:"files_done"`
	TotalFiles       uint64  `json:"total_files"`

	// Restores have words of their own.
	BytesRestored uint64 `json:"bytes_restored"`
	BytesSkipped  uint64 `json:"bytes_skipped"`
	FilesRestored uint64 `json:"files_restored"`
	FilesSkipped  uint64 `json:"files_skipped"`

	// Of log_gap, log_lost and log_unproven: what is missing, where and why.
	Location string `json:"location"`
	Timeline uint32 `json:"timeline"`
	Start    string `json:"start_lsn"`
	End      string `json:"end_lsn"`
	Why      string `json:"why"`
}

// progress is what a status line says.
func (s *statusLine) progress() api.Progress {
	p := api.Progress{
		At: time.Now(), Percent: 100 * s.PercentDone, Left: s.SecondsRemaining,
		BytesDone: s.BytesDone + s.BytesRestored + s.BytesSkipped, BytesTotal: s.TotalBytes,
		FilesDone: s.FilesDone + s.FilesRestored + s.FilesSkipped, FilesTotal: s.TotalFiles,
	}
	if s.BytesRead > s.BytesDone {
		p.Current = size.FormatBytes(s.BytesRead) + " read, the store is behind"
	}
	if s.TotalBytes == 0 && s.PercentDone == 0 {
		p.Percent = -1
	}
	if p.BytesTotal > 0 && p.BytesDone > p.BytesTotal { // more than was expected: how much is left nobody knows
		p.Percent, p.Left = -1, 0
	}
	return p
}

// maxLine bounds one line of JSON that is looked at; longer ones are logged
// and not understood.
const maxLine = 64 << 10

// read logs what a process prints, but for the lines that only say how far it
// is. What cannot wait for the end of the run is told at once.
func (e *executor) read(t controller.Task, from io.Reader, log *runLog) {
	lines := bufio.NewReaderSize(from, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		var status statusLine
		if len(line) > 0 && json.Unmarshal(line, &status) == nil && status.MessageType == "status" {
			if e.progress != nil {
				e.progress(t.ID, status.progress())
			}
		} else {
			log.Write(line) //nolint:errcheck // Close tells
		}
		e.tellLog(t, status)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// tellLog tells of log that is missing in an archive, or was let go, and of
// archives of which nobody can say that.
func (e *executor) tellLog(t controller.Task, s statusLine) {
	told := event.Event{
		Time: time.Now(), Kind: event.LogGap, Severity: event.Critical, Plan: t.Job.Plan, Repository: t.Job.Repository, Run: t.ID,
		Key: t.Job.Plan + "/log/" + s.Start, Details: map[string]string{"timeline": strconv.FormatUint(uint64(s.Timeline), 10), "start": s.Start, gapEnd: s.End},
	}
	switch s.MessageType {
	case "log_gap":
		told.Summary = fmt.Sprintf("the log of plan %s is missing from %s to %s at %s: only base backups after it lead to what follows", t.Job.Plan, s.Start, s.End, s.Location)
	case "log_loss_noted": // the archives are back, and a backup that was tried meanwhile has failed
		if e.logLost != nil {
			e.logLost(t.Job.Plan)
		}
		return
	case "log_lost":
		told.Summary = fmt.Sprintf("the log of plan %s was let go from %s to %s; a new base backup begins: %s", t.Job.Plan, s.Start, s.End, s.Why)
	case "log_refused":
		told.Key, told.Details = refusedKey(t.Job.Plan), nil
		told.Summary = fmt.Sprintf("the log of plan %s is not archived: %s", t.Job.Plan, s.Why)
	case "log_unproven":
		told.Key, told.Details = unprovenKey(t.Job.Plan, s.Location), nil
		told.Summary = fmt.Sprintf("log of plan %s that is lost at %s may pass for log that never was: %s", t.Job.Plan, s.Location, s.Why)
	default:
		return
	}
	if s.MessageType == "log_gap" && e.isOver != nil && e.isOver(&told) {
		return
	}
	e.events.Emit(told)
	if s.MessageType == "log_lost" && e.logLost != nil {
		e.logLost(t.Job.Plan)
	}
}

// withoutReport says how a run ended that left no report: it was killed, or
// never began.
func (e *executor) withoutReport(ctx context.Context, err, reportErr error, saying *said) controller.Result {
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return controller.Result{Outcome: history.Interrupted, Reason: context.Cause(ctx).Error()}
	case errors.As(err, &exit):
		return controller.Result{Outcome: history.Failed, Reason: "its process ended with " + exit.String() + ": " + saying.String()}
	case err != nil:
		return failed(err)
	case reportErr != nil:
		return failed(reportErr)
	}
	return controller.Result{Outcome: history.Failed, Reason: "its process ended without a report: " + saying.String()}
}

// resultOf turns the report of a run into its result.
func resultOf(r *Report, t controller.Task) controller.Result {
	result := controller.Result{
		Outcome: history.Succeeded, Reason: r.Message, More: r.More, Ended: r.Ended,
		Plan: r.Plan, Source: r.Source, Repository: r.Repository,
		Phases: r.Phases, Bytes: r.Bytes, Added: r.Added, Files: r.Files, Snapshots: r.Snapshots, Figures: r.Figures,
	}
	damage, checked := damageEvent(r, t)
	result.Told = r.Told || checked && !damage.Over
	switch r.Code {
	case 0:
	case codeIncomplete:
		result.Outcome = history.Partial
	case codeInterrupted:
		result.Outcome = history.Interrupted
	case codeLocked:
		result.Outcome, result.Locked = history.Skipped, true
	default:
		result.Outcome = history.Failed
	}
	return result
}

// Settle implements controller.Executor: processes of the run that are left
// are told to end and waited for, and then killed.
func (e *executor) Settle(ctx context.Context, t controller.Task) *controller.Result {
	for until := time.Now().Add(e.grace); ; {
		left := signalRun(t.ID, syscall.SIGTERM)
		if left == 0 {
			break
		}
		if time.Now().After(until) || ctx.Err() != nil {
			e.killLeft(t.ID)
			break
		}
		time.Sleep(settlePoll)
	}
	report, err := readReport(e.reportPath(t.ID))
	if err != nil || report == nil {
		e.unlockAfter(t)
		return nil
	}
	e.tell(report, t)
	result := resultOf(report, t)
	if exists(e.dir.path("logs", t.ID+".log")) {
		result.Log = t.ID
	}
	return &result
}

const settlePoll = 50 * time.Millisecond

// killLeft kills the processes of a run that are left, and returns how many
// there were.
func (e *executor) killLeft(run string) int {
	killed := signalRun(run, syscall.SIGKILL)
	for range 100 { // one that is being killed may be about to start another
		if signalRun(run, syscall.SIGKILL) == 0 {
			break
		}
		time.Sleep(settlePoll)
	}
	return killed
}

// said keeps one line of what a process writes to standard error: how it
// crashed or, if it did not, the last one.
type said struct {
	mu      sync.Mutex
	rest    []byte
	last    string
	crashed bool
}

const saidBytes = 400

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = append(s.rest, p...)
	for {
		line, rest, found := bytes.Cut(s.rest, []byte("\n"))
		if !found {
			break
		}
		s.line(string(line))
		s.rest = rest
	}
	if len(s.rest) > saidBytes { // no line is worth more
		s.rest = s.rest[:saidBytes]
	}
	return len(p), nil
}

func (s *said) line(text string) {
	text = strings.TrimSpace(text)
	crash := strings.HasPrefix(text, "panic:") || strings.HasPrefix(text, "fatal error:")
	if text == "" || s.crashed && !crash {
		return
	}
	s.last, s.crashed = text[:min(len(text), saidBytes)], crash
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// memoryError is why a run ends that uses too much memory.
type memoryError struct{ used, limit int64 }

func (e *memoryError) Error() string {
	return fmt.Sprintf("it used %s of memory, and limits.memory allows %s", size.FormatBytes(uint64(e.used)), size.FormatBytes(uint64(e.limit))) //nolint:gosec // not negative
}

// memoryPoll is how often the memory of a run with a limit is looked at.
const memoryPoll = time.Second

// watchMemory ends a run when its process uses more memory than it may. What a
// limit of the kernel counts instead is address space, of which the runtime
// takes much and uses little.
func watchMemory(ctx context.Context, pid int, limit int64, stop context.CancelCauseFunc) {
	ticker := time.NewTicker(memoryPoll)
	defer ticker.Stop()
	for {
		if used := residentBytes(pid); used > limit {
			stop(&memoryError{used, limit})
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
