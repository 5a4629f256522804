package api

import (
	"bufio"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/test/api/client"
)

func ptr[T any](v T) *T { return &v }

func has[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// endOf waits for the end of a run and returns it.
func (s *running) endOf(c *client.ClientWithResponses, id string) *client.Run {
	s.h.T.Helper()
	var got *client.Run
	s.h.Until("run "+id+" ended", func() bool {
		answer, err := c.GetRunWithResponse(s.h.T.Context(), id)
		if err != nil {
			s.h.T.Fatal(err)
		}
		got = answer.JSON200 // a run that was asked for just now may not be there yet
		return got != nil && got.Outcome != "running"
	})
	return got
}

// backUp has a backup made and returns its run.
func (s *running) backUp(c *client.ClientWithResponses) *client.Run {
	s.h.T.Helper()
	t := s.h.T
	before := len(want[*client.ListRunsResponse](t, 200)(c.ListRunsWithResponse(t.Context(), &client.ListRunsParams{Job: ptr("backup")})).JSON200.Runs)
	want[*client.StartJobResponse](t, 204)(c.StartJobWithResponse(t.Context(), client.StartRequest{Job: "plans/letters/backup"}))
	var id string
	s.h.Until("the backup is among the runs", func() bool {
		runs := want[*client.ListRunsResponse](t, 200)(c.ListRunsWithResponse(t.Context(), &client.ListRunsParams{Job: ptr("backup")})).JSON200.Runs
		if len(runs) > before {
			id = runs[0].Id
		}
		return id != ""
	})
	r := s.endOf(c, id)
	if r.Outcome != "succeeded" || has(r.By) != "admin" {
		t.Fatalf("the backup: %+v", r)
	}
	return r
}

// A service is used as people use it: back up, look, browse, restore, forget,
// pause.
func TestTheWholeWay(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.Write("letters/ann.txt", "dear Ann")
	h.Write("letters/bob <b>.txt", "dear Bob")
	s := h.serve()
	c := s.as(s.token)
	ctx := t.Context()

	told := want[*client.GetServiceResponse](t, 200)(c.GetServiceWithResponse(ctx)).JSON200
	if told.Pid != s.PID() || told.StateDir != h.Path("state") {
		t.Errorf("the service says %+v", told)
	}
	updates, err := c.FollowUpdates(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer updates.Body.Close()

	first := s.backUp(c)
	h.Write("letters/ann.txt", "dear Ann, once more")
	second := s.backUp(c)
	snapshots := want[*client.ListSnapshotsResponse](t, 200)(c.ListSnapshotsWithResponse(ctx, "main", &client.ListSnapshotsParams{Plan: ptr("letters")})).JSON200
	if snapshots.Total != 2 || snapshots.Snapshots[0].Id != has(second.Snapshots)[0] || snapshots.Snapshots[1].Id != has(first.Snapshots)[0] {
		t.Fatalf("snapshots: %+v", snapshots)
	}
	s.wantUpdates(updates, second.Id)
	s.browse(c, snapshots.Snapshots)
	s.restore(c, snapshots.Snapshots[1].Id)
	s.forget(c, snapshots.Snapshots[1].Id)
	s.pause(c)

	s.look(c)
	log := want[*client.GetRunLogResponse](t, 200)(c.GetRunLogWithResponse(ctx, first.Id, &client.GetRunLogParams{}))
	if len(log.Body) == 0 || log.HTTPResponse.Trailer.Get("Holdfast-Next-Offset") == "" {
		t.Errorf("log %q, %v", log.Body, log.HTTPResponse.Trailer)
	}
	s.wantAudit(c, "startJob", "restore", "forget", "pausePlan", "resumePlan", "download")
	if strings.Contains(strings.Replace(s.Log(), s.token, "", 1), s.token) {
		t.Error("the log tells the token")
	}
	s.stop() // with a stream open
}

// wantUpdates reads updates until a run has ended.
func (s *running) wantUpdates(stream *http.Response, run string) {
	s.h.T.Helper()
	lines := bufio.NewScanner(stream.Body)
	lines.Buffer(nil, 1<<20)
	began := false
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, "data: ") || !strings.Contains(line, run) {
			continue
		}
		began = began || strings.Contains(line, `"outcome":"running"`)
		if strings.Contains(line, `"outcome":"succeeded"`) {
			break
		}
	}
	if !began {
		s.h.T.Errorf("nobody was told that run %s goes on: %v", run, lines.Err())
	}
}

func (s *running) browse(c *client.ClientWithResponses, snapshots []client.Snapshot) {
	t, ctx := s.h.T, s.h.T.Context()
	folder, oldest, newest := s.h.Path("letters"), snapshots[1].Id, snapshots[0].Id
	page := want[*client.ListEntriesResponse](t, 200)(c.ListEntriesWithResponse(ctx, "main", newest, &client.ListEntriesParams{Path: &folder, Search: ptr("BOB")})).JSON200
	if page.Total != 1 || page.All != 2 || page.Entries[0].Name != "bob <b>.txt" {
		t.Errorf("entries: %+v", page)
	}
	found := want[*client.FindResponse](t, 200)(c.FindWithResponse(ctx, "main", &client.FindParams{Pattern: ptr("ann*")})).JSON200
	if len(*found) != 2 {
		t.Errorf("found %+v", *found)
	}
	differs := want[*client.DiffResponse](t, 200)(c.DiffWithResponse(ctx, "main", &client.DiffParams{From: &oldest, To: &newest})).JSON200
	if len(*differs) == 0 || !strings.HasSuffix((*differs)[len(*differs)-1].Path, "ann.txt") {
		t.Errorf("differs %+v", *differs)
	}
	file := want[*client.DownloadResponse](t, 200)(c.DownloadWithResponse(ctx, "main", oldest, &client.DownloadParams{Path: ptr(folder + "/ann.txt")}))
	if string(file.Body) != "dear Ann" {
		t.Errorf("downloaded %q", file.Body)
	}
	want[*client.DownloadResponse](t, 404)(c.DownloadWithResponse(ctx, "main", oldest, &client.DownloadParams{Path: ptr(folder + "/nobody.txt")}))
	want[*client.GetSnapshotResponse](t, 404)(c.GetSnapshotWithResponse(ctx, "nowhere", oldest))
}

// restore restores a snapshot into a new folder, after its plan was shown.
func (s *running) restore(c *client.ClientWithResponses, snapshot string) {
	t, ctx := s.h.T, s.h.T.Context()
	q := client.RestoreRequest{Repository: ptr("main"), Snapshot: &snapshot}
	plan := want[*client.PlanRestoreResponse](t, 200)(c.PlanRestoreWithResponse(ctx, q)).JSON200
	if plan.Files == 0 || plan.Confirm == "" || has(plan.Refused) != "" {
		t.Fatalf("plan %+v", plan)
	}
	q.Target = &plan.Target
	want[*client.RestoreResponse](t, 409)(c.RestoreWithResponse(ctx, q)) // what was not confirmed is not done
	q = plan.Request
	q.Confirm = &plan.Confirm
	run := want[*client.RestoreResponse](t, 202)(c.RestoreWithResponse(ctx, q)).JSON202.Run
	if r := s.endOf(c, run); r.Outcome != "succeeded" {
		t.Fatalf("the restore: %+v", r)
	}
	restored := ""
	err := filepath.WalkDir(plan.Target, func(path string, _ os.DirEntry, err error) error {
		if filepath.Base(path) == "ann.txt" {
			restored = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(restored)
	if err != nil || string(text) != "dear Ann" {
		t.Errorf("restored %q: %v", text, err)
	}
	// Where it may not write it does not, and says what does.
	q = client.RestoreRequest{Repository: ptr("main"), Snapshot: &snapshot, Target: ptr("/etc/holdfast-test")}
	if refused := want[*client.PlanRestoreResponse](t, 200)(c.PlanRestoreWithResponse(ctx, q)).JSON200; has(refused.Refused) == "" || len(refused.Command) == 0 {
		t.Errorf("plan for a folder that is not allowed: %+v", refused)
	}
}

// forget forgets a snapshot, after its plan was shown.
func (s *running) forget(c *client.ClientWithResponses, snapshot string) {
	t, ctx := s.h.T, s.h.T.Context()
	q := client.ForgetRequest{Repository: "main", Snapshots: []string{snapshot}}
	plan := want[*client.PlanForgetResponse](t, 200)(c.PlanForgetWithResponse(ctx, q)).JSON200
	if len(plan.Remove) != 1 || plan.Keep != 1 {
		t.Fatalf("plan %+v", plan)
	}
	q.Confirm = ptr("nonsense")
	want[*client.ForgetResponse](t, 409)(c.ForgetWithResponse(ctx, q))
	q.Confirm = &plan.Confirm
	run := want[*client.ForgetResponse](t, 202)(c.ForgetWithResponse(ctx, q)).JSON202.Run
	if r := s.endOf(c, run); r.Outcome != "succeeded" {
		t.Fatalf("forget: %+v", r)
	}
	s.h.Until("the snapshot is gone", func() bool {
		left := want[*client.ListSnapshotsResponse](t, 200)(c.ListSnapshotsWithResponse(ctx, "main", &client.ListSnapshotsParams{})).JSON200
		return left.Total == 1 && left.Snapshots[0].Id != snapshot
	})
}

func (s *running) pause(c *client.ClientWithResponses) {
	t, ctx := s.h.T, s.h.T.Context()
	paused := func() *client.Pause {
		return want[*client.GetPlanResponse](t, 200)(c.GetPlanWithResponse(ctx, "letters")).JSON200.Paused
	}
	want[*client.PausePlanResponse](t, 204)(c.PausePlanWithResponse(ctx, "letters", client.PauseRequest{Reason: ptr("moving house"), ForSeconds: ptr(3600.0)}))
	if p := paused(); p == nil || has(p.Reason) != "moving house" {
		t.Errorf("paused: %+v", p)
	}
	want[*client.ResumePlanResponse](t, 204)(c.ResumePlanWithResponse(ctx, "letters"))
	if p := paused(); p != nil {
		t.Errorf("still paused: %+v", p)
	}
	want[*client.PausePlanResponse](t, 404)(c.PausePlanWithResponse(ctx, "nobody", client.PauseRequest{}))
}

// look asks for all that only tells something.
func (s *running) look(c *client.ClientWithResponses) {
	t, ctx := s.h.T, s.h.T.Context()
	if all := *want[*client.ListPlansResponse](t, 200)(c.ListPlansWithResponse(ctx)).JSON200; len(all) != 1 || len(all[0].Sources) != 1 {
		t.Errorf("plans: %+v", all)
	}
	if all := *want[*client.ListEventsResponse](t, 200)(c.ListEventsWithResponse(ctx, &client.ListEventsParams{Kind: ptr("run-succeeded"), Limit: ptr(1)})).JSON200; len(all) != 1 {
		t.Errorf("events: %+v", all)
	}
	if page := want[*client.ListRunsResponse](t, 200)(c.ListRunsWithResponse(ctx, &client.ListRunsParams{Limit: ptr(1)})).JSON200; len(page.Runs) != 1 || has(page.After) == "" {
		t.Errorf("runs: %+v", page)
	}
	want[*client.ListJobsResponse](t, 200)(c.ListJobsWithResponse(ctx))
	want[*client.ListProblemsResponse](t, 200)(c.ListProblemsWithResponse(ctx))
	want[*client.ListRepositoriesResponse](t, 200)(c.ListRepositoriesWithResponse(ctx))
	want[*client.GetRepositoryResponse](t, 200)(c.GetRepositoryWithResponse(ctx, "main"))
	want[*client.GetGrowthResponse](t, 200)(c.GetGrowthWithResponse(ctx, "main"))
	want[*client.ListRestoreTestsResponse](t, 200)(c.ListRestoreTestsWithResponse(ctx, &client.ListRestoreTestsParams{}))
	want[*client.GetReportResponse](t, 200)(c.GetReportWithResponse(ctx, "letters", time.Now().UTC().Format("2006-01")))
	want[*client.PlaceHoldResponse](t, 204)(c.PlaceHoldWithResponse(ctx, "main", client.HoldRequest{Plan: ptr("letters"), Reason: "case 4711"}))
	holds := *want[*client.ListHoldsResponse](t, 200)(c.ListHoldsWithResponse(ctx, "main")).JSON200
	if len(holds) != 1 || has(holds[0].Reason) != "case 4711 (admin)" {
		t.Fatalf("holds: %+v", holds)
	}
	want[*client.ReleaseHoldResponse](t, 204)(c.ReleaseHoldWithResponse(ctx, "main", holds[0].Id, &client.ReleaseHoldParams{Reason: ptr("closed")}))
	if holds := *want[*client.ListHoldsResponse](t, 200)(c.ListHoldsWithResponse(ctx, "main")).JSON200; len(holds) != 0 {
		t.Errorf("holds: %+v", holds)
	}
}

// wantAudit fails unless the audit log has acts of the administrator.
func (s *running) wantAudit(c *client.ClientWithResponses, acts ...string) {
	t := s.h.T
	all := *want[*client.ListAuditResponse](t, 200)(c.ListAuditWithResponse(t.Context(), &client.ListAuditParams{Limit: ptr(1000)})).JSON200
	for _, act := range acts {
		there := false
		for _, e := range all {
			there = there || has(e.Act) == act && has(e.By) == "admin" && has(e.Role) == client.Role("admin") && time.Since(e.Time) < patience*10
		}
		if !there {
			t.Errorf("%s is not in the audit log: %+v", act, all)
		}
	}
}

// Tokens that the command line makes and revokes count at once, and what a
// token may is what its role may. All of it outlasts the service.
func TestTokensOfARunningService(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	s := h.serve()
	ctx := t.Context()
	secret := strings.TrimSpace(h.Holdfast.Run(t, "token", "create", "--name", "watch", "--role", "viewer"))
	viewer := s.as(secret)
	want[*client.ListPlansResponse](t, 200)(viewer.ListPlansWithResponse(ctx))
	want[*client.StartJobResponse](t, 403)(viewer.StartJobWithResponse(ctx, client.StartRequest{Job: "plans/letters/backup"}))
	want[*client.ListTokensResponse](t, 403)(viewer.ListTokensWithResponse(ctx))
	want[*client.ListPlansResponse](t, 401)(s.as("hft_nonsense").ListPlansWithResponse(ctx))

	admin := s.as(s.token)
	made := want[*client.CreateTokenResponse](t, 201)(admin.CreateTokenWithResponse(ctx, client.TokenRequest{Name: "ci", Role: "operator", ExpiresSeconds: ptr(3600.0)})).JSON201
	operator := s.as(made.Secret)
	want[*client.CheckPlansResponse](t, 403)(viewer.CheckPlansWithResponse(ctx))
	run := want[*client.CheckPlansResponse](t, 202)(operator.CheckPlansWithResponse(ctx)).JSON202.Run
	if r := s.endOf(operator, run); has(r.By) != "ci" {
		t.Errorf("the run: %+v", r)
	}

	s.stop()
	again := h.serve()
	if again.token != "" {
		t.Error("the second run shows a token")
	}
	want[*client.ListPlansResponse](t, 200)(again.as(secret).ListPlansWithResponse(ctx))
	h.Holdfast.Run(t, "token", "revoke", "watch")
	want[*client.ListPlansResponse](t, 401)(again.as(secret).ListPlansWithResponse(ctx))
	want[*client.RevokeTokenResponse](t, 204)(again.as(s.token).RevokeTokenWithResponse(ctx, "ci"))
	want[*client.ListPlansResponse](t, 401)(again.as(made.Secret).ListPlansWithResponse(ctx))
	if log := s.Log() + again.Log(); strings.Contains(log, secret) || strings.Contains(log, made.Secret) {
		t.Error("the log tells a token")
	}
}
