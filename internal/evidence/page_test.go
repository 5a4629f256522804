package evidence

import (
	"strings"
	"testing"
	"time"

	"holdfast/repository/id"
)

// The page for paper says all that an auditor asks for, and nothing that was
// backed up becomes a part of the page.
func TestPageSaysEverything(t *testing.T) {
	r := &Record{
		Kind: Restore, Sequence: 7, Time: noon, Seconds: 61, Repository: "aef1", Host: "web1", Program: "holdfast 1.0", Signer: "RWsigner",
		Previous: []id.ID{id.Hash([]byte("before"))}, Problems: 2, Findings: []string{"<script>alert(1)</script> is gone"},
		RestoreTest: &RestoreTest{
			Plan: "shop", Source: "db", SourceKind: "postgres", Settings: "5e77", Operator: "backup", Began: noon,
			From:     Place{Name: "offsite", Location: "s3:bucket", Repository: "aef1"},
			Point:    TestPoint{Asked: "random", Seed: 42, Snapshot: "0f5a77f5", Time: noon, Reached: "0/3000000"},
			Target:   Target{Host: "tester", System: "linux/amd64", Folder: "/scratch", Isolation: []string{"listens on no address"}},
			Versions: map[string]string{"PostgreSQL": "15.20"},
			Steps:    []Step{{Name: "recover", Began: noon, Seconds: 3, Error: "no space"}},
			Checks:   []TestCheck{{Name: "users there", Expected: "> 0", Actual: "0"}},
			Files:    12, Bytes: 1 << 20, RTO: Time{Measured: 30, Promised: 60}, RPO: Time{Measured: 90, Promised: 60},
			Verdict: Failed, Cleanup: Cleanup{Done: true, Time: noon.Add(time.Minute)},
		},
	}
	page := (&Entry{Record: r}).Page()
	for _, text := range []string{
		"FAILED: 2 problems", "Restore test of db (plan shop)", "web1", "offsite", "s3:bucket", "random, drawn with seed 42", "0f5a77f5", "0/3000000",
		"12 files, 1.000 MiB", "/scratch", "linux/amd64", "listens on no address", "15.20", "backup", "5e77", "30s", "1m0s", "kept", "BREACHED",
		"recover", "no space", "users there", "&gt; 0", "WRONG", "removed again at 2026-03-01 12:01:00 UTC",
		"&lt;script&gt;alert(1)&lt;/script&gt; is gone", "and 1 more", r.Previous[0].String(), "RWsigner", "2026-03-01 12:00:00 UTC",
	} {
		if !strings.Contains(page, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	if strings.Contains(page, "<script>") {
		t.Error("what was backed up is a part of the page")
	}
	r.RestoreTest.Cleanup = Cleanup{Error: "busy"}
	if page := (&Entry{Record: r}).Page(); !strings.Contains(page, "NOT removed: busy") {
		t.Error("the page does not say what was left behind")
	}
}
