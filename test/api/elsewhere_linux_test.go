package api

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/test/api/client"
	"holdfast/test/pgcluster"
	"holdfast/test/servers"
)

// configure puts text behind lines of the configuration.
func (h *host) configure(behind map[string]string) {
	h.T.Helper()
	text, err := os.ReadFile(h.Path("holdfast.yaml"))
	if err != nil {
		h.T.Fatal(err)
	}
	for line, more := range behind {
		text = []byte(strings.Replace(string(text), line+"\n", line+"\n"+more, 1))
	}
	h.Write("holdfast.yaml", string(text))
}

// A bucket is set up as it was shown, and then is as it should be.
func TestABucketIsSetUp(t *testing.T) {
	t.Parallel()
	minio := servers.S3(t)
	h := newHost(t)
	h.Holdfast = h.Holdfast.With("AWS_ACCESS_KEY_ID="+minio.AccessKey, "AWS_SECRET_ACCESS_KEY="+minio.SecretKey, "AWS_DEFAULT_REGION="+minio.Region)
	h.configure(map[string]string{"repositories:": fmt.Sprintf("  bucket: { url: \"s3:%s/%s/repo\", password: { file: %s } }\n", minio.Endpoint, minio.Bucket(t), h.Path("password"))})
	h.Holdfast.Run(t, "init", "-q", "-r", "bucket")
	s := h.serve()
	c := s.as(s.token)
	ctx := t.Context()
	settings := func() *client.StorageSettings {
		return want[*client.GetStorageSettingsResponse](t, 200)(c.GetStorageSettingsWithResponse(ctx, "bucket")).JSON200
	}
	if now := settings(); !now.Change || len(now.Settings) == 0 {
		t.Fatalf("a new bucket: %+v", now)
	}
	q := client.StorageAct{Repository: "bucket"}
	plan := want[*client.PlanStorageResponse](t, 200)(c.PlanStorageWithResponse(ctx, q)).JSON200
	if len(plan.Effects) == 0 {
		t.Fatalf("plan %+v", plan)
	}
	want[*client.ApplyStorageResponse](t, 409)(c.ApplyStorageWithResponse(ctx, q)) // what was not confirmed is not done
	if now := settings(); !now.Change {
		t.Errorf("the bucket after its plan: %+v", now)
	}
	q.Confirm = plan.Confirm
	if r := s.endOf(c, want[*client.ApplyStorageResponse](t, 202)(c.ApplyStorageWithResponse(ctx, q)).JSON202.Run); r.Outcome != "succeeded" {
		t.Fatalf("the run: %+v", r)
	}
	for _, now := range settings().Settings {
		if now.Change && now.Setting != "rule uploads" { // MinIO takes that rule, and forgets it
			t.Errorf("the bucket when it was set up: %+v", now)
		}
	}
	check := want[*client.CheckStorageResponse](t, 202)(c.CheckStorageWithResponse(ctx, client.StorageCheckAct{Repository: "bucket", Probe: ptr(true)})).JSON202
	if r := s.endOf(c, check.Run); r.Outcome != "succeeded" {
		t.Errorf("the check: %+v", r)
	}
}

// What the archive of a log has is told: its parts, its base backup, and what
// is lost of it.
func TestTheLogOfADatabase(t *testing.T) {
	t.Parallel()
	db := pgcluster.New(t, pgcluster.Versions(t)[15])
	h := newHost(t)
	h.configure(map[string]string{
		"sources:": fmt.Sprintf("  shop: { postgres: { dsn: %q, wal: push } }\n", db.DSN()),
		"plans:":   "  shop: { sources: [shop], repository: main, schedule: { full: \"0 3 1 1 *\" } }\n",
	})
	h.Holdfast.Run(t, "wal", "init", "--plan", "shop")
	// Base backups need their log: the segments are pushed by hand.
	push := func() {
		segment := db.Query("SELECT pg_walfile_name(pg_switch_wal())")
		h.Holdfast.Run(t, "wal", "push", "-q", "--plan", "shop", filepath.Join(db.Data, "pg_wal", segment))
	}
	var segments []string
	for range 3 {
		db.Exec("CREATE TABLE IF NOT EXISTS orders (n int); INSERT INTO orders VALUES (1)")
		segments = append(segments, db.Query("SELECT pg_walfile_name(pg_current_wal_lsn())"))
		push()
	}
	s := h.serve()
	c := s.as(s.token)
	log := func() client.LogArchive {
		found := *want[*client.GetLogResponse](t, 200)(c.GetLogWithResponse(t.Context(), "shop", nil)).JSON200
		if len(found) != 1 {
			t.Fatalf("archives: %+v", found)
		}
		return found[0]
	}
	now := log()
	if len(now.Parts) != 1 || len(now.Gaps) != 0 || has(now.Server) == "" || now.LagBytes == nil || has(now.NeedsBaseBackup) == "" {
		t.Errorf("a log without a base backup: %+v", now)
	}
	if part := now.Parts[0]; part.Timeline != 1 || part.Start == part.End {
		t.Errorf("its part: %+v", part)
	}
	lost, err := filepath.Glob(h.Path("main/holdfast/*/*/*/*/*/*" + segments[1] + "*"))
	if err != nil || len(lost) == 0 {
		t.Fatalf("the segment is not found in the archive: %v", err)
	}
	for _, name := range lost {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if now := log(); len(now.Gaps) != 1 || len(now.Parts) != 2 {
		t.Errorf("a log that lost a segment: %+v", now)
	}
	want[*client.GetLogResponse](t, 404)(c.GetLogWithResponse(t.Context(), "letters", nil))
}
