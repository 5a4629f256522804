package webtest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"holdfast/internal/api"
	"holdfast/internal/event"
	"holdfast/internal/objective"
)

// naming are the names and texts of a made-up service.
type naming struct {
	plans, repositories           []string
	host, path, reason, log, file string
}

const (
	minute = 60.0
	hour   = 60 * minute
	day    = 24 * hour
)

// made is a service with four plans: safe, running, unsafe and paused.
func made(now time.Time, n naming) *Backend {
	local, offsite := n.repositories[0], n.repositories[1]
	b := &Backend{
		Info:    serviceInfo(now, n.host, n.plans),
		Logs:    map[string]string{},
		Folders: map[string][]api.Entry{},
		Sizes:   map[string][]api.GrowthPoint{},
	}
	shop := databasePlan(now, n.plans[0], local, offsite)
	running := safePlan(now, n.plans[1], local, offsite, n.path)
	running.Jobs[0].Running = "run-live"
	broken := unsafePlan(now, n.plans[2], local, offsite, n.path, n.reason)
	paused := safePlan(now, n.plans[3], local, offsite, n.path)
	paused.Verdict, paused.Why = api.AtRisk, "It is paused: nothing new is backed up."
	paused.Paused = &api.Pause{Since: now.Add(-26 * time.Hour), Until: now.Add(22 * time.Hour), Reason: "the disks are being replaced " + n.reason}
	b.AllPlans = []api.Plan{shop, running, broken, paused}
	b.AllRuns = runsOf(now, n)
	for _, r := range b.AllRuns {
		if r.HasLog {
			b.Logs[r.ID] = "time=" + r.Started.Format(time.RFC3339) + " level=INFO msg=\"run begins\"\n" + strings.Repeat(n.log, 30)
		}
	}
	b.Open = []event.Event{
		failedEvent(now, n.plans[2], "run-failed", n.reason),
		{
			Time: now.Add(-5 * time.Hour), Kind: event.ObjectiveBreached, Severity: event.Critical, Plan: n.plans[2], Key: n.plans[2] + "/rpo",
			Summary: n.plans[2] + " would lose 3 h: its promise is 15 min. " + n.reason,
		},
	}
	b.History = append(b.History, b.Open...)
	for k := range 40 {
		b.History = append(b.History, event.Event{
			Time: now.Add(-time.Duration(k+6) * time.Hour), Kind: event.RunSucceeded, Plan: n.plans[k%len(n.plans)], Repository: local,
			Run: fmt.Sprintf("run-%03d", k), Job: "backup", Summary: "the backup of " + n.plans[k%len(n.plans)] + " succeeded",
		})
	}
	b.AllTests = testsOf(now, n)
	b.Repos = reposOf(now, n)
	for _, name := range n.repositories {
		for k := range 90 {
			b.Sizes[name] = append(b.Sizes[name], api.GrowthPoint{
				Time: now.AddDate(0, 0, k-90), Bytes: uint64(40+k) << 30, Snapshots: 100 + k, Read: 30 << 30, Added: 1 << 30,
			})
		}
	}
	b.Taken = snapshotsOf(now, n)
	b.Folders["/"] = []api.Entry{
		{Name: "etc", Path: "/etc", Kind: "folder", Mode: "drwxr-xr-x", Time: now.AddDate(0, -2, 0), User: "root", Group: "root"},
		{Name: api.PathText(n.file), Path: "/" + api.PathText(n.file), Kind: "file", Size: 123456, Mode: "-rw-r--r--", Time: now.AddDate(0, 0, -3), User: n.host, Group: "www"},
		{Name: "link", Path: "/link", Kind: "symlink", Mode: "lrwxrwxrwx", Target: api.PathText(n.path), Time: now},
	}
	for k := range 250 {
		name := fmt.Sprintf("image-%05d.jpg", k)
		b.Folders["/"] = append(b.Folders["/"], api.Entry{Name: name, Path: "/" + name, Kind: "file", Size: uint64(k) * 1000, Mode: "-rw-r--r--", Time: now.AddDate(0, 0, -k)})
	}
	b.Folders["/etc"] = []api.Entry{{Name: "passwd", Path: "/etc/passwd", Kind: "file", Size: 1800, Mode: "-rw-r--r--", Time: now}}
	b.Reported = &api.Report{
		Plan: shop, Made: now,
		Runs:     map[string]map[string]int{"backup": {"succeeded": 29, "failed": 1}, "copy": {"succeeded": 30}, "restore-test": {"succeeded": 4}},
		Failures: []api.Run{failedRun(now, "run-failed", n.plans[0], local, n.reason)},
		Tests:    b.AllTests, WorstRPO: 2 * hour, RPOBrokenSeconds: hour, WorstRTO: 9 * minute, BytesRead: 900 << 30, BytesAdded: 31 << 30,
		Changes: []api.Change{{Time: now.AddDate(0, 0, -2), By: n.host, What: "paused: " + n.reason}},
	}
	return b
}

func serviceInfo(now time.Time, host string, plans []string) api.Service {
	return api.Service{
		Version: "0.4.0", Host: host, PID: 4711, Started: now.Add(-50 * time.Hour), Now: now, Config: "/etc/holdfast/holdfast.yaml",
		StateDir: "/var/lib/holdfast", Surveyed: now.Add(-40 * time.Second), Channels: channelsFor(plans), RestoreDirs: []string{"/var/lib/holdfast/restores"}, ArchivePlaces: []string{"/mnt/archives"},
	}
}

func channelsFor(plans []string) []string {
	if len(plans) == 0 {
		return nil
	}
	return []string{"ops", "on-call for " + plans[0]}
}

func safePlan(now time.Time, name, local, offsite, path string) api.Plan {
	return api.Plan{
		Name: name, Verdict: api.Safe, Why: "All promises are kept, and a restore was proven 3 d ago.",
		Sources: []api.Source{{Name: name, Kind: "files", What: path, Newest: now.Add(-3 * time.Hour), Bytes: 31 << 30}},
		RPO:     api.Standing{State: objective.Met, Measured: 3 * hour, Promised: day, Source: name, Reason: "the newest point that can be restored is 3 h old"},
		RTO:     api.Standing{State: objective.Met, Measured: 8 * minute, Promised: hour, Source: name, Reason: "the last restore test took 8 min"},
		Newest:  now.Add(-3 * time.Hour), Proven: now.Add(-75 * time.Hour), Tested: now.Add(-75 * time.Hour),
		Score: "3-2-1-1-0", Copies: 3, Media: 2, OffSite: 1, Immutable: 1,
		Places: []api.Place{
			{
				Repository: local, Media: "disk", Site: "dc1", Newest: now.Add(-3 * time.Hour), Holds: true, ReadBack: now.Add(-30 * time.Hour),
				RPO: api.Standing{State: objective.Met, Measured: 3 * hour, Promised: day}, RTO: api.Standing{State: objective.Met, Measured: 8 * minute, Promised: hour},
			},
			{
				Repository: offsite, Media: "object", Site: "us-west-2", Newest: now.Add(-3 * time.Hour), Holds: true, ImmutableUntil: now.AddDate(0, 0, 30), ReadBack: now.Add(-80 * time.Hour),
				RPO: api.Standing{State: objective.Met, Measured: 3 * hour, Promised: day}, RTO: api.Standing{State: objective.Near, Measured: 55 * minute, Promised: hour},
			},
		},
		Jobs: []api.Job{
			{Job: "plans/" + name + "/backup", Kind: "backup", Plan: name, Types: []string{"full", "incremental", "differential"}, Next: now.Add(21 * time.Hour), NextType: "incremental", LastOutcome: "succeeded", Last: now.Add(-3 * time.Hour), LastGood: now.Add(-3 * time.Hour), LastRun: "run-000"},
			{Job: "plans/" + name + "/copy/" + offsite, Kind: "copy", Plan: name, Repository: offsite, Next: now.Add(21 * time.Hour), LastOutcome: "succeeded", Last: now.Add(-2 * time.Hour), LastGood: now.Add(-2 * time.Hour), LastRun: "run-001"},
			{Job: "plans/" + name + "/restore-test", Kind: "restore-test", Plan: name, Next: now.Add(4 * 24 * time.Hour), LastOutcome: "succeeded", Last: now.Add(-75 * time.Hour), LastGood: now.Add(-75 * time.Hour), LastRun: "run-002"},
		},
		Config: "sources: [" + name + "]\nrepository: " + local + "\ncopies: [" + offsite + "]\nschedule:\n  incremental: \"0 2 * * *\"\nkeep: # default\n  daily: 7 # default\n  weekly: 5 # default\nobjectives:\n  rpo: 24h\n  rto: 1h\n",
	}
}

func databasePlan(now time.Time, name, local, offsite string) api.Plan {
	p := safePlan(now, name, local, offsite, "")
	p.Sources = []api.Source{
		{
			Name: name, Kind: "postgres", What: "db.internal:5432 (all databases)", Newest: now.Add(-3 * time.Hour), LogTo: now.Add(-40 * time.Second), Bytes: 212 << 30,
			LogRanges: []api.Range{{From: now.AddDate(0, 0, -30), To: now.Add(-40 * time.Second)}},
			Logs: []api.SourceLog{
				{Repository: local, To: now.Add(-40 * time.Second), Ranges: []api.Range{{From: now.AddDate(0, 0, -30), To: now.Add(-40 * time.Second)}}},
				{Repository: offsite, To: now.Add(-3 * time.Hour), Ranges: []api.Range{{From: now.AddDate(0, 0, -30), To: now.AddDate(0, 0, -9)}, {From: now.AddDate(0, 0, -8), To: now.Add(-3 * time.Hour)}}},
			},
		},
		{Name: "uploads", Kind: "files", What: "/srv/uploads, /srv/invoices", Newest: now.Add(-9 * time.Minute), Bytes: 31 << 30},
	}
	p.RPO = api.Standing{State: objective.Met, Measured: 40, Promised: 15 * minute, Source: name, Reason: "the log leads to 40 s ago"}
	p.Newest = now.Add(-40 * time.Second)
	p.Archives = &api.PlanArchives{Place: "s3:https://s3.example.com/cold", Count: 14, Newest: now.Add(-19 * time.Hour), ReadBack: now.AddDate(0, 0, -6), Opened: true}
	return p
}

func unsafePlan(now time.Time, name, local, offsite, path, reason string) api.Plan {
	p := safePlan(now, name, local, offsite, path)
	p.Verdict, p.Why = api.Unsafe, name+" would lose 3 h 5 min: its promise is 15 min. The last backup failed: "+reason
	p.RPO = api.Standing{State: objective.Breached, Measured: 3*hour + 5*minute, Promised: 15 * minute, Source: name, Reason: "the newest point that can be restored is of 3 h 5 min ago"}
	p.RTO = api.Standing{State: objective.Unknown, Promised: hour, Reason: "no restore of " + name + " was measured; `holdfast verify` measures one"}
	p.Proven, p.Tested = time.Time{}, now.Add(-75*time.Hour)
	p.Newest = now.Add(-3*time.Hour - 5*time.Minute)
	p.Score, p.Copies, p.Media, p.OffSite, p.Immutable, p.Errors = "2-1-0-0-2", 2, 1, 0, 0, 2
	p.Places[1].Down = "dial tcp 203.0.113.7:443: connect: connection refused " + reason
	p.Places[1].Holds, p.Places[1].BehindSeconds = false, 26*hour
	p.Missing = []api.Missing{
		{Rule: "off-site", What: "no copy lies at another site", Next: "add a repository at another site to copies of the plan " + name},
		{Rule: "immutable", What: "no copy is protected from being deleted", Next: "set immutable on a repository in a bucket with object lock"},
	}
	p.Jobs[0].LastOutcome, p.Jobs[0].LastRun, p.Jobs[0].Waiting = "failed", "run-failed", "another run works on the repository"
	return p
}

func failedEvent(now time.Time, plan, run, reason string) event.Event {
	return event.Event{
		Time: now.Add(-20 * time.Minute), Kind: event.RunFailed, Severity: event.Error, Plan: plan, Run: run, Job: "backup", Key: plan + "/backup",
		Summary: "the backup of " + plan + " failed: " + reason, Details: map[string]string{"attempt": "3", "reason": reason},
	}
}

func failedRun(now time.Time, id, plan, repository, reason string) api.Run {
	return api.Run{
		ID: id, Job: "backup", Plan: plan, Repository: repository, Type: "incremental", Trigger: "schedule", Attempt: 3,
		Due: now.Add(-22 * time.Minute), Started: now.Add(-21 * time.Minute), Ended: now.Add(-20 * time.Minute), Outcome: "failed",
		Reason: reason, Next: "give the service the right to read the folder, then run the backup again", HasLog: true,
		Phases: []api.Phase{{Name: "scan", Started: now.Add(-21 * time.Minute), Took: 3.2}, {Name: "read", Started: now.Add(-20 * time.Minute), Took: 57, Error: reason}},
	}
}

func runsOf(now time.Time, n naming) []api.Run {
	local, offsite := n.repositories[0], n.repositories[1]
	runs := []api.Run{
		{
			ID: "run-live", Job: "backup", Plan: n.plans[1], Source: n.plans[1], Repository: local, Type: "incremental", Trigger: "manual", By: n.host, Started: now.Add(-4 * time.Minute), Outcome: api.Running, HasLog: true,
			Phases:   []api.Phase{{Name: "scan", Started: now.Add(-4 * time.Minute), Took: 12}},
			Progress: &api.Progress{At: now, Percent: 42, BytesDone: 13 << 30, BytesTotal: 31 << 30, FilesDone: 81234, FilesTotal: 190000, Left: 333, Current: n.path + "/" + n.file},
		},
		failedRun(now, "run-failed", n.plans[2], local, n.reason),
		{ID: "run-protect", Job: "protect", Trigger: "manual", By: n.host, Plan: n.plans[0], Repository: local, Started: now.Add(-30 * time.Minute), Ended: now.Add(-28 * time.Minute), Outcome: "succeeded", HasLog: true},
	}
	outcomes := []string{"succeeded", "succeeded", "succeeded", "succeeded", "partial", "succeeded", "interrupted", "succeeded", "skipped"}
	kinds := []string{"backup", "copy", "restore-test"}
	for k := range 60 {
		outcome, start := outcomes[k%len(outcomes)], now.Add(-time.Duration(k*5+3)*time.Hour)
		r := api.Run{
			ID: fmt.Sprintf("run-%03d", k), Job: kinds[k%len(kinds)], Plan: n.plans[k%len(n.plans)], Source: n.plans[k%len(n.plans)], Repository: local, Type: "incremental", Trigger: "schedule",
			Due: start.Add(-time.Second), Started: start, Ended: start.Add(time.Duration(k%40+1) * time.Minute), Attempt: 1, Outcome: outcome, HasLog: k%3 == 0,
			Bytes: uint64(k+1) << 30, Added: uint64(k+1) << 24, Files: uint64(k) * 1234, Snapshots: []string{strings.Repeat(fmt.Sprintf("%02x", k), 32)},
			Phases:  []api.Phase{{Name: "scan", Started: start, Took: 12}, {Name: "read", Started: start.Add(12 * time.Second), Took: 240.5}, {Name: "prove", Started: start.Add(5 * time.Minute), Took: 31}},
			Figures: map[string]float64{"new_files": 12, "changed_files": 7, "read_bytes_per_second": 1.5e8},
		}
		if r.Job == "copy" {
			r.Repository = offsite
		}
		if r.Job != "backup" {
			r.Type = ""
		}
		switch outcome {
		case "partial":
			r.Reason, r.Next = "2 files could not be read: "+n.reason, "see the log for their names"
		case "interrupted":
			r.Reason, r.Next = "the service was stopped", "it was begun again 2 min later"
		case "skipped":
			r.Reason = "the plan was paused"
		}
		runs = append(runs, r)
	}
	return runs
}

func testsOf(now time.Time, n naming) []api.RestoreTest {
	var tests []api.RestoreTest
	for k := range 12 {
		t := api.RestoreTest{
			ID: strings.Repeat(fmt.Sprintf("%02x", k+100), 32), Repository: n.repositories[k%2], Plan: n.plans[k%len(n.plans)], Source: n.plans[k%len(n.plans)], From: n.repositories[k%2],
			Time: now.AddDate(0, 0, -k*7), Verdict: "proven", Snapshot: strings.Repeat(fmt.Sprintf("%02x", k), 32), Recovery: now.AddDate(0, 0, -k*7), Bytes: 31 << 30, Files: 190000,
			RTO:       api.Standing{State: objective.Met, Measured: 8 * minute, Promised: hour},
			Checks:    []api.Check{{What: "SELECT count(*) FROM users", Expected: "> 0", Got: "182991", Passed: true}, {What: "all files are as they were backed up", Passed: true}},
			Signature: "good", Record: json.RawMessage(`{"verdict":"proven"}`),
		}
		if k%5 == 2 {
			t.Verdict, t.Findings = "failed", []string{n.reason}
			t.Checks[0].Got, t.Checks[0].Passed = "0 "+n.reason, false
			t.Signature = "unknown"
		}
		tests = append(tests, t)
	}
	return tests
}

func reposOf(now time.Time, n naming) []api.Repository {
	return []api.Repository{
		{
			Name: n.repositories[0], URL: "/srv/holdfast", Kind: "local", Media: "disk", Site: "dc1", Plans: n.plans, Seen: now.Add(-40 * time.Second), Snapshots: 214, Bytes: 130 << 30, Restored: 6 << 40,
			Newest: now.Add(-9 * time.Minute), ReadBack: now.Add(-30 * time.Hour), Holds: []api.Hold{{ID: strings.Repeat("ab", 32), Plan: n.plans[2], Since: now.Add(-9 * time.Hour), By: n.host, Reason: n.reason}},
			Jobs: []api.Job{{Job: "repositories/" + n.repositories[0] + "/prune", Kind: "prune", Repository: n.repositories[0], Next: now.Add(60 * time.Hour), LastOutcome: "succeeded", Last: now.Add(-50 * time.Hour), LastRun: "run-004"}},
		},
		{
			Name: n.repositories[1], URL: "s3://backups.example.com/holdfast", Kind: "s3", Media: "object", Site: "us-west-2", Plans: n.plans, Down: n.reason, Seen: now.Add(-3 * time.Hour), Snapshots: 210, Bytes: 128 << 30, Restored: 6 << 40,
			Newest: now.Add(-3 * time.Hour), ImmutableMode: "compliance", ImmutableUntil: now.AddDate(0, 0, 30), Cost: &api.Cost{Currency: "USD", PerMonth: 2.94, Restore: 11.52},
		},
	}
}

func snapshotsOf(now time.Time, n naming) []api.Snapshot {
	var all []api.Snapshot
	for k := range 230 {
		all = append(all, api.Snapshot{
			Repository: n.repositories[k%2], ID: strings.Repeat(fmt.Sprintf("%02x", k), 32), Time: now.Add(-time.Duration(k) * 3 * time.Hour), Host: n.host, User: "root",
			Paths: []string{api.PathText(n.path)}, Tags: []string{"nightly"}, Plan: n.plans[k%len(n.plans)], Source: n.plans[k%len(n.plans)], Type: "incremental", Program: "holdfast 0.4.0",
			Bytes: 31 << 30, Files: 190000, Added: uint64(k) << 20, Held: k == 7,
		})
	}
	return all
}
