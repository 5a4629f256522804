package api

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"holdfast/test/api/client"
)

// acting is a host whose service may write archives, with a snapshot of its
// plan.
func acting(t *testing.T) (*host, *running, *client.ClientWithResponses, string) {
	t.Helper()
	h := newHost(t)
	text, err := os.ReadFile(h.Path("holdfast.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.Write("holdfast.yaml", strings.Replace(string(text), "service:\n", fmt.Sprintf("service:\n  archive_places: [%s/archives]\n", h.Dir), 1))
	h.Write("letters/ann.txt", "dear Ann")
	s := h.serve()
	c := s.as(s.token)
	return h, s, c, has(s.backUp(c).Snapshots)[0]
}

func refused(p *client.ActPlan) string { return has(p.Refused) }

// Tags change as it was shown, under a new ID, and not when it was shown
// otherwise.
func TestTag(t *testing.T) {
	t.Parallel()
	_, s, c, snapshot := acting(t)
	ctx := t.Context()
	q := client.TagAct{Repository: "main", Snapshots: []string{snapshot[:8]}, Add: &[]string{"monthly", "audit 2026"}}
	plan := want[*client.PlanTagResponse](t, 200)(c.PlanTagWithResponse(ctx, q)).JSON200
	if len(plan.Effects) != 1 || has(plan.Effects[0].After) != "audit 2026, monthly" && has(plan.Effects[0].After) != "monthly, audit 2026" {
		t.Fatalf("plan %+v", plan)
	}
	want[*client.TagResponse](t, 409)(c.TagWithResponse(ctx, q)) // what was not confirmed is not done
	q.Confirm = plan.Confirm
	other := q
	other.Add = &[]string{"yearly"}
	want[*client.TagResponse](t, 409)(c.TagWithResponse(ctx, other))
	if r := s.endOf(c, want[*client.TagResponse](t, 202)(c.TagWithResponse(ctx, q)).JSON202.Run); r.Outcome != "succeeded" || r.Job != "tag" {
		t.Fatalf("the run: %+v", r)
	}
	var now client.Snapshot
	s.h.Until("the snapshot has its tags", func() bool {
		page := want[*client.ListSnapshotsResponse](t, 200)(c.ListSnapshotsWithResponse(ctx, "main", &client.ListSnapshotsParams{Tag: ptr("monthly")})).JSON200
		if page.Total == 1 {
			now = page.Snapshots[0]
		}
		return page.Total == 1
	})
	if now.Id == snapshot || len(has(now.Tags)) != 2 {
		t.Errorf("tagged: %+v", now)
	}
	// The old one is gone; what holdfast keeps in tags nobody may touch; a hold
	// keeps it as it is.
	want[*client.PlanTagResponse](t, 404)(c.PlanTagWithResponse(ctx, q))
	for _, tag := range []string{"holdfast:plan=x", "a,b", "", " a"} {
		want[*client.PlanTagResponse](t, 400)(c.PlanTagWithResponse(ctx, client.TagAct{Repository: "main", Snapshots: []string{now.Id}, Add: &[]string{tag}}))
	}
	again := client.TagAct{Repository: "main", Snapshots: []string{now.Id}, Add: &[]string{"monthly"}}
	if plan := want[*client.PlanTagResponse](t, 200)(c.PlanTagWithResponse(ctx, again)).JSON200; len(plan.Effects) != 0 || plan.Confirm != nil {
		t.Errorf("a tag that is there: %+v", plan)
	}
	want[*client.TagResponse](t, 409)(c.TagWithResponse(ctx, again))
	want[*client.PlaceHoldResponse](t, 204)(c.PlaceHoldWithResponse(ctx, "main", client.HoldRequest{Plan: ptr("letters"), Reason: "case 4711"}))
	held := client.TagAct{Repository: "main", Snapshots: []string{now.Id}, Remove: &[]string{"monthly"}}
	if plan := want[*client.PlanTagResponse](t, 200)(c.PlanTagWithResponse(ctx, held)).JSON200; !strings.Contains(refused(plan), "case 4711") {
		t.Errorf("a snapshot that is held: %+v", plan)
	}
	want[*client.TagResponse](t, 409)(c.TagWithResponse(ctx, held))
	s.wantAudit(c, "planTag", "tag")
}

// A lock that a dead program left is listed and removed; one that lives stays.
func TestUnlock(t *testing.T) {
	t.Parallel()
	h, s, c, _ := acting(t)
	ctx := t.Context()
	locks := func() []client.Lock {
		return *want[*client.ListLocksResponse](t, 200)(c.ListLocksWithResponse(ctx, "main")).JSON200
	}
	if all := locks(); len(all) != 0 {
		t.Fatalf("locks: %+v", all)
	}
	if plan := want[*client.PlanUnlockResponse](t, 200)(c.PlanUnlockWithResponse(ctx, client.UnlockAct{Repository: "main"})).JSON200; len(plan.Effects) != 0 {
		t.Errorf("plan without locks: %+v", plan)
	}
	h.LeaveLock("main")
	all := locks()
	if len(all) != 1 || !all[0].Stale || has(all[0].Host) == "" || has(all[0].Pid) == 0 {
		t.Fatalf("locks: %+v", all)
	}
	q := client.UnlockAct{Repository: "main"}
	plan := want[*client.PlanUnlockResponse](t, 200)(c.PlanUnlockWithResponse(ctx, q)).JSON200
	if len(plan.Effects) != 1 {
		t.Fatalf("plan %+v", plan)
	}
	want[*client.UnlockResponse](t, 409)(c.UnlockWithResponse(ctx, q))
	q.Confirm = plan.Confirm
	if r := s.endOf(c, want[*client.UnlockResponse](t, 202)(c.UnlockWithResponse(ctx, q)).JSON202.Run); r.Outcome != "succeeded" {
		t.Fatalf("the run: %+v", r)
	}
	if all := locks(); len(all) != 0 {
		t.Errorf("locks: %+v", all)
	}
	want[*client.ListLocksResponse](t, 404)(c.ListLocksWithResponse(ctx, "nowhere"))
}

// An archive is written to a place that is allowed, for who may open it, and
// read back.
func TestArchiveFromTheAPI(t *testing.T) {
	t.Parallel()
	h, s, c, snapshot := acting(t)
	ctx := t.Context()
	secret, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	place := h.Path("archives")
	q := client.ArchiveAct{Repository: ptr("main"), Snapshot: &snapshot, Place: &place, Recipients: &[]string{secret.Recipient().String()}}
	for _, elsewhere := range []string{h.Dir, h.Path("main"), place + "/..", place + "/", "/etc", "s3:https://evil.example.com/x"} {
		bad := q
		bad.Place = &elsewhere
		want[*client.PlanArchiveResponse](t, 400)(c.PlanArchiveWithResponse(ctx, bad))
		want[*client.ArchiveResponse](t, 400)(c.ArchiveWithResponse(ctx, bad))
	}
	for _, key := range []string{"/etc/passwd", "AGE-SECRET-KEY-1QQQ", "age1nonsense"} {
		bad := q
		bad.Recipients = &[]string{key}
		answer, err := c.PlanArchiveWithResponse(ctx, bad)
		if err != nil || answer.StatusCode() != 400 && (answer.JSON200 == nil || refused(answer.JSON200) == "") {
			t.Errorf("for %s: %v, %s", key, err, answer.Body)
		}
		if strings.Contains(string(answer.Body), "1QQQ") {
			t.Errorf("a secret comes back: %s", answer.Body)
		}
	}
	plan := want[*client.PlanArchiveResponse](t, 200)(c.PlanArchiveWithResponse(ctx, q)).JSON200
	if refused(plan) != "" || len(plan.Effects) < 3 {
		t.Fatalf("plan %+v", plan)
	}
	if _, err := os.Stat(place); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("planning makes %s: %v", place, err)
	}
	want[*client.ArchiveResponse](t, 409)(c.ArchiveWithResponse(ctx, q))
	q.Confirm = plan.Confirm
	if r := s.endOf(c, want[*client.ArchiveResponse](t, 202)(c.ArchiveWithResponse(ctx, q)).JSON202.Run); r.Outcome != "succeeded" || r.Job != "archive" || has(r.Plan) != "letters" {
		t.Fatalf("the run: %+v", r)
	}
	found := want[*client.ListArchivesResponse](t, 200)(c.ListArchivesWithResponse(ctx, &client.ListArchivesParams{Place: &place})).JSON200
	if len(found.Archives) != 1 || found.Archives[0].Snapshot != snapshot || found.Archives[0].Kind != "full" {
		t.Fatalf("archives: %+v", found)
	}
	// The same name a second time is refused, and what was left of one that was
	// cut off goes only when that is said.
	if plan := want[*client.PlanArchiveResponse](t, 200)(c.PlanArchiveWithResponse(ctx, q)).JSON200; refused(plan) == "" {
		t.Errorf("once more: %+v", plan)
	}
	want[*client.ArchiveResponse](t, 409)(c.ArchiveWithResponse(ctx, q))
	if err := os.Remove(filepath.Join(place, found.Archives[0].Name, "SHA256SUMS")); err != nil {
		t.Fatal(err)
	}
	if plan := want[*client.PlanArchiveResponse](t, 200)(c.PlanArchiveWithResponse(ctx, q)).JSON200; !strings.Contains(refused(plan), "interrupted") {
		t.Errorf("over one that was cut off: %+v", plan)
	}
	q.Restart = ptr(true)
	q.Confirm = want[*client.PlanArchiveResponse](t, 200)(c.PlanArchiveWithResponse(ctx, q)).JSON200.Confirm
	if r := s.endOf(c, want[*client.ArchiveResponse](t, 202)(c.ArchiveWithResponse(ctx, q)).JSON202.Run); r.Outcome != "succeeded" {
		t.Fatalf("begun again: %+v", r)
	}
	verify := func() *client.Run {
		return s.endOf(c, want[*client.CheckArchivesResponse](t, 202)(c.CheckArchivesWithResponse(ctx, client.ArchiveCheckAct{Place: place})).JSON202.Run)
	}
	if r := verify(); r.Outcome != "succeeded" {
		t.Errorf("read back: %+v", r)
	}
	parts, err := filepath.Glob(filepath.Join(place, "*", "*.tar.zst.age*"))
	if err != nil || len(parts) == 0 {
		t.Fatalf("parts %q, %v", parts, err)
	}
	content, err := os.ReadFile(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(parts[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := verify(); r.Outcome != "failed" {
		t.Errorf("damaged, and read back: %+v", r)
	}
	want[*client.ListArchivesResponse](t, 400)(c.ListArchivesWithResponse(ctx, &client.ListArchivesParams{Place: ptr("/etc")}))
}

// What is found out when it is asked for, and what destroys nothing.
func TestLookingCloser(t *testing.T) {
	t.Parallel()
	h, s, c, snapshot := acting(t)
	ctx := t.Context()
	ended := func(run string) *client.Run { return s.endOf(c, run) }
	for _, read := range []string{"", "all", "50%"} {
		if r := ended(want[*client.CheckResponse](t, 202)(c.CheckWithResponse(ctx, client.CheckAct{Repository: "main", Read: &read})).JSON202.Run); r.Outcome != "succeeded" || r.Job != "check" {
			t.Errorf("check %q: %+v", read, r)
		}
	}
	for _, point := range []string{"newest", snapshot} {
		if r := ended(want[*client.VerifyResponse](t, 202)(c.VerifyWithResponse(ctx, client.VerifyAct{Plan: "letters", Point: &point})).JSON202.Run); r.Outcome != "succeeded" || r.Job != "restore-test" {
			t.Errorf("restore test of %s: %+v", point, r)
		}
	}
	e := want[*client.GetEvidenceResponse](t, 200)(c.GetEvidenceWithResponse(ctx, "main")).JSON200
	if !e.Good || e.Total < 5 || len(e.Records) != e.Total || e.Records[0].Kind != "restoretest" {
		t.Fatalf("evidence: %+v", e)
	}
	s.papers(c, e)
	// A record that is taken away is missed, on the page of restore tests too.
	h.loseRecord()
	e = want[*client.GetEvidenceResponse](t, 200)(c.GetEvidenceWithResponse(ctx, "main")).JSON200
	if e.Good || len(e.Findings) == 0 {
		t.Errorf("evidence without a record: %+v", e)
	}
	h.Until("the verdict is on the page of restore tests", func() bool {
		page := want[*client.ListRestoreTestsResponse](t, 200)(c.ListRestoreTestsWithResponse(ctx, &client.ListRestoreTestsParams{})).JSON200
		return len(has(page.Evidence)) == 1 && !has(page.Evidence)[0].Good
	})

	usage := want[*client.GetUsageResponse](t, 200)(c.GetUsageWithResponse(ctx, "main", &client.GetUsageParams{Mode: ptr("raw-data")})).JSON200
	if usage.Bytes == 0 || usage.Snapshots != 1 {
		t.Errorf("usage: %+v", usage)
	}
	want[*client.GetUsageResponse](t, 400)(c.GetUsageWithResponse(ctx, "main", &client.GetUsageParams{Mode: ptr("--as-of")}))
	want[*client.GetCostsResponse](t, 200)(c.GetCostsWithResponse(ctx, "main"))
	want[*client.GetStorageSettingsResponse](t, 503)(c.GetStorageSettingsWithResponse(ctx, "main")) // a folder has none
	want[*client.GetLogResponse](t, 404)(c.GetLogWithResponse(ctx, "letters", &client.GetLogParams{}))
	if plan := want[*client.PlanStorageResponse](t, 200)(c.PlanStorageWithResponse(ctx, client.StorageAct{Repository: "main"})).JSON200; refused(plan) == "" {
		t.Errorf("a folder is set up: %+v", plan)
	}
	if plan := want[*client.PlanPruneResponse](t, 200)(c.PlanPruneWithResponse(ctx, client.PruneAct{Repository: "main"})).JSON200; len(plan.Effects) != 0 {
		t.Errorf("prune: %+v", plan)
	}
}

// loseRecord takes a record of evidence away, not the newest.
func (h *host) loseRecord() {
	h.T.Helper()
	records, err := filepath.Glob(h.Path("main/holdfast/evidence/*"))
	if err != nil || len(records) < 3 {
		h.T.Fatalf("records %q, %v", records, err)
	}
	if err := os.Remove(records[1]); err != nil {
		h.T.Fatal(err)
	}
}

// papers asks for all that can be printed or handed over.
func (s *running) papers(c *client.ClientWithResponses, e *client.Evidence) {
	t, ctx := s.h.T, s.h.T.Context()
	paper := func(status int, paper client.Paper, of string) []byte {
		t.Helper()
		q := &client.GetPaperParams{}
		if of != "" {
			q.Of = &of
		}
		return want[*client.GetPaperResponse](t, status)(c.GetPaperWithResponse(ctx, "main", paper, q)).Body
	}
	kit := paper(200, client.KitTxt, "")
	if !strings.Contains(string(kit), s.h.Path("main")) || !strings.Contains(string(kit), "password      ____") {
		t.Errorf("the kit: %s", kit)
	}
	page := paper(200, client.KitHtml, "")
	for text, outcome := range map[string]string{string(kit): "succeeded", string(page): "succeeded", "a letter": "failed"} {
		if r := s.endOf(c, want[*client.CheckKitResponse](t, 202)(c.CheckKitWithResponse(ctx, client.KitCheckAct{Repository: "main", Page: text})).JSON202.Run); r.Outcome != outcome {
			t.Errorf("the kit %.20q is held to its repository: %+v", text, r)
		}
	}
	if record := paper(200, client.RecordJson, e.Records[0].Id); !strings.Contains(string(record), `"kind": "restoretest"`) {
		t.Errorf("the record: %s", record)
	}
	paper(400, client.RecordJson, "../../x")
	paper(400, client.PolicyJson, "root")
	names := 0
	for r := tar.NewReader(bytes.NewReader(paper(200, client.EvidenceTar, ""))); ; names++ {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if names < 3*e.Total {
		t.Errorf("%d files for %d records", names, e.Total)
	}
}

// What people asked for is stopped where it is.
func TestAnActIsStopped(t *testing.T) {
	t.Parallel()
	h, s, c, _ := acting(t)
	ctx := t.Context()
	h.Write("slow.sh", "#!/bin/sh\nwhile [ -e "+h.Path("hold")+" ]; do sleep 0.1; done\ncat "+h.Path("password")+"\n")
	if err := os.Chmod(h.Path("slow.sh"), 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(h.Path("holdfast.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.Write("holdfast.yaml", strings.Replace(string(text), "{ file: "+h.Path("password")+" }", "{ command: ["+h.Path("slow.sh")+"] }", 1))
	h.Write("hold", "")
	h.Until("the service has the new configuration", func() bool { return strings.Contains(s.Log(), "configuration") })
	run := want[*client.CheckResponse](t, 202)(c.CheckWithResponse(ctx, client.CheckAct{Repository: "main"})).JSON202.Run
	h.Until("it runs", func() bool {
		r, err := c.GetRunWithResponse(ctx, run)
		return err == nil && r.JSON200 != nil && r.JSON200.Outcome == "running" && r.JSON200.Started != nil
	})
	want[*client.StopRunResponse](t, 204)(c.StopRunWithResponse(ctx, run))
	if err := os.Remove(h.Path("hold")); err != nil { // what it left is looked for in the repository
		t.Fatal(err)
	}
	if r := s.endOf(c, run); r.Outcome != "interrupted" {
		t.Errorf("stopped: %+v", r)
	}
	want[*client.StopRunResponse](t, 409)(c.StopRunWithResponse(ctx, run))
}
